import { bitfield } from '../../../core';
import { DEBUG_QUALIFICATION } from '../../../vmx/exit/exit-reasons';
import type { Exit } from '../guest';
import { eventOf, inject, TYPE, VECTOR } from '../injection';
import { halt, type Program, tell, value, vmread, vmwrite } from '../program';

const DEBUG = bitfield(DEBUG_QUALIFICATION);
const BREAKPOINTS = 0xfn;
const GENERAL_DETECT = 1n << 13n;
const LBR_AND_BTF = 3n;

/**
 * What the processor would have done to the debug registers on the way to the handler: an exit and an injection leave them alone.
 * SDM Vol. 3C, 28.1 Architectural State Before a VM Exit; 27.6.1.1 Details of Vectored-Event Injection
 */
function* enterDebugHandler(): Program<void> {
  const [qualification, dr7, debugctl] = yield* vmread('exitQualification', 'guestDr7', 'guestIa32Debugctl');
  const found = DEBUG.decode(qualification);
  const status = found.breakpoints | (found.debugRegisterAccess << 13n) | (found.singleStep << 14n);
  const dr6 = yield* value({ op: 'mov-from-dr', debug: 6 });
  yield* tell([{ op: 'mov-to-dr', debug: 6, value: (dr6 & ~BREAKPOINTS) | status }]);
  if ((dr7 & GENERAL_DETECT) !== 0n) yield* tell([vmwrite('guestDr7', dr7 & ~GENERAL_DETECT)]);
  if ((debugctl & LBR_AND_BTF) !== 0n) yield* tell([vmwrite('guestIa32Debugctl', debugctl & ~LBR_AND_BTF)]);
}

/**
 * #DB and #AC go on to the guest. Both are benign: an event in whose delivery they arose is dropped, as on a bare processor.
 * SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 8, Table 6-5
 */
export function* exceptionOrNmi(exit: Exit): Program<Exit> {
  const [information, errorCode, length] = yield* vmread(
    'vmExitInterruptionInfo',
    'vmExitInterruptionErrorCode',
    'vmExitInstructionLength',
  );
  const event = eventOf(information, errorCode, length);
  if (event === undefined) return yield* halt('an exception exit without interruption information');
  if (event.vector === VECTOR.db && event.type === TYPE.hardwareException) yield* enterDebugHandler();
  yield* inject(event);
  return exit;
}
