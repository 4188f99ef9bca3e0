import { complete } from '../completion';
import { type Exit, pairOf } from '../guest';
import { injectFault } from '../injection';
import { ask, halt, type Program, tell } from '../program';

const RCX = 1;

/** Nothing to do but to go on: the preemption timer is reloaded by VM entry. */
// biome-ignore lint/correctness/useYield: a response is a program
export function* resumeGuest(exit: Exit): Program<Exit> {
  return exit;
}

/** WBINVD, and INVD, which must not lose what the monitor has in the caches. */
export function* writeBack(exit: Exit): Program<Exit> {
  yield* tell([{ op: 'wbinvd' }]);
  yield* complete();
  return exit;
}

/** XSETBV: the host's XCR0 is the guest's. The exit came after the checks of OSXSAVE and CPL. SDM Vol. 2, XSETBV */
export function* xsetbv(exit: Exit): Program<Exit> {
  const index = Number(BigInt.asUintN(32, exit.registers[RCX]));
  const [reply] = yield* ask([{ op: 'xsetbv', index, value: pairOf(exit) }]);
  if (reply?.kind === 'exception') return yield* injectFault(exit, BigInt(reply.vector), reply.errorCode);
  yield* complete();
  return exit;
}

/** A response that ends the guest. */
export const ending =
  (reason: string) =>
  (_: Exit): Program<never> =>
    halt(reason);
