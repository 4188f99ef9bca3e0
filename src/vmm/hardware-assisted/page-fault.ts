import type { Exit } from './guest';
import { injectFault, VECTOR } from './injection';
import type { PageFault } from './paging/walk';
import { type Program, tell } from './program';

/** #PF with its address in CR2, which the guest owns. SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 14 */
export function* pageFault(exit: Exit, { address, errorCode }: PageFault): Program<Exit> {
  yield* tell([{ op: 'mov-to-cr', control: 2, value: address }]);
  return yield* injectFault(exit, VECTOR.pf, errorCode);
}
