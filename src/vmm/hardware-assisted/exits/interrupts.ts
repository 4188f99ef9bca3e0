import { isInterruptible, setControls } from '../completion';
import { isOn } from '../controls';
import { type Exit, withGuest } from '../guest';
import { INFORMATION, inject, TYPE } from '../injection';
import type { Program } from '../program';
import { vmread } from '../program';

/*
 * An interrupt is acknowledged when the guest can take it and not before, since the guest sees the local APIC itself. So an exit first comes without
 * acknowledgement; if the guest is interruptible the next entry exits at once with the vector; if not it runs until its interrupt window opens.
 */

/** Runs the guest, deaf to interrupts as it is, until it can take one. */
const awaitWindow = (exit: Exit): Program<Exit> =>
  setControls(exit, {
    externalInterruptExiting: false,
    interruptWindowExiting: true,
    acknowledgeInterruptOnExit: false,
  });

const deliver = (vector: number): Program<void> =>
  inject({ vector: BigInt(vector), type: TYPE.externalInterrupt });

/** SDM Vol. 3C, 26.2 Other Causes of VM Exits: external interrupts; 28.2.2 Information for VM Exits Due to Vectored Events */
export function* externalInterrupt(exit: Exit): Program<Exit> {
  const interruptible = yield* isInterruptible();
  if (!isOn(exit.guest.controls, 'acknowledgeInterruptOnExit'))
    return interruptible
      ? yield* setControls(exit, { acknowledgeInterruptOnExit: true })
      : yield* awaitWindow(exit);
  const [information] = yield* vmread('vmExitInterruptionInfo');
  const vector = Number(INFORMATION.get(information, 'vector'));
  if (!interruptible)
    return yield* awaitWindow(withGuest(exit, { acknowledged: [...exit.guest.acknowledged, vector] }));
  yield* deliver(vector);
  return yield* setControls(exit, { acknowledgeInterruptOnExit: false });
}

/** SDM Vol. 3C, 26.2 Other Causes of VM Exits: interrupt window */
export function* interruptWindow(exit: Exit): Program<Exit> {
  const heard = yield* setControls(exit, { externalInterruptExiting: true, interruptWindowExiting: false });
  const [vector, ...rest] = exit.guest.acknowledged;
  if (vector === undefined) return heard;
  yield* deliver(vector);
  const later = withGuest(heard, { acknowledged: rest });
  return rest.length === 0 ? later : yield* awaitWindow(later);
}

/** An exit of another kind came first: whether the guest is interruptible has to be found out anew. */
export function* withdrawAcknowledgement(exit: Exit): Program<Exit> {
  return isOn(exit.guest.controls, 'acknowledgeInterruptOnExit')
    ? yield* setControls(exit, { acknowledgeInterruptOnExit: false })
    : exit;
}
