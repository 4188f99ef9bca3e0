import { ACTIVITY, complete, isInterruptible } from '../completion';
import type { Exit } from '../guest';
import { type Program, tell, vmwrite } from '../program';
import { interruptWindow } from './interrupts';

/** HLT: the guest waits in the HLT activity state, where interrupts and the preemption timer still exit. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export function* hlt(exit: Exit): Program<Exit> {
  yield* complete();
  if (exit.guest.acknowledged.length > 0 && (yield* isInterruptible())) return yield* interruptWindow(exit);
  yield* tell([vmwrite('guestActivityState', ACTIVITY.hlt)]);
  return exit;
}
