// SDM Vol. 3A, 11.6 Issuing Interprocessor Interrupts
import { produce } from 'immer';
import {
  type DeviceEffect,
  type DeviceTransition,
  type IpiEffect,
  type MessageDeliveryMode,
  NO_EFFECTS,
} from '../device';
import { APIC_ERRORS, acceptInterrupt, detectErrors } from './priority';
import type { LocalApicState } from './state';

/** Bits of the ICR's low half that software can write; the delivery status (bit 12) is always idle. */
export const ICR_BITS = 0x000c_cfff;

const DELIVERY_MODES: readonly (MessageDeliveryMode | undefined)[] = [
  'fixed',
  'lowest-priority',
  'smi',
  undefined,
  'nmi',
  'init',
  'startup',
  undefined,
];
const SHORTHANDS: readonly IpiEffect['shorthand'][] = ['none', 'self', 'all', 'others'];

const report = (says: string): readonly DeviceEffect[] => [{ kind: 'undefined', device: 'local-apic', says }];

/** A fixed interrupt from the processor to itself. */
export const sendSelf = (state: LocalApicState, vector: number): LocalApicState =>
  vector < 16
    ? detectErrors(state, APIC_ERRORS.sendIllegalVector | APIC_ERRORS.receiveIllegalVector)
    : acceptInterrupt(state, vector);

const send = (state: LocalApicState, low: number): DeviceTransition<LocalApicState> => {
  const deliveryMode = DELIVERY_MODES[(low >>> 8) & 7];
  const shorthand = SHORTHANDS[(low >>> 18) & 3];
  const vector = low & 0xff;
  if (deliveryMode === undefined)
    return { state, effects: report(`ICR delivery mode ${(low >>> 8) & 7} is reserved`) };
  if ((shorthand === 'self' || shorthand === 'all') && deliveryMode !== 'fixed')
    return {
      state,
      effects: report(`ICR shorthand ${shorthand} with delivery mode ${deliveryMode} is invalid`),
    };
  // INIT level de-assert: nothing happens on processors since the Pentium 4.
  if (deliveryMode === 'init' && (low & 0xc000) === 0x8000) return { state, effects: NO_EFFECTS };
  const carriesVector = deliveryMode === 'fixed' || deliveryMode === 'lowest-priority';
  if (shorthand === 'self') return { state: sendSelf(state, vector), effects: NO_EFFECTS };
  if (carriesVector && vector < 16)
    return { state: detectErrors(state, APIC_ERRORS.sendIllegalVector), effects: NO_EFFECTS };
  const mode = (low & 0x800) !== 0 ? 'logical' : 'physical';
  const ipi: IpiEffect = {
    kind: 'ipi',
    sender: state.options.initialId,
    deliveryMode,
    vector,
    trigger: 'edge',
    shorthand,
    destination: state.x2apic
      ? { mode, id: state.commandHigh, wide: true }
      : { mode, id: state.commandHigh >>> 24 },
  };
  return { state, effects: [ipi] };
};

/** A write to the low half of the ICR sends; the IPI is complete at once, whether or not anyone receives it. */
export const writeCommandLow = (state: LocalApicState, value: number): DeviceTransition<LocalApicState> => {
  const low = (value & ICR_BITS) >>> 0;
  const stored =
    low === state.commandLow
      ? state
      : produce(state, (draft) => {
          draft.commandLow = low;
        });
  return send(stored, low);
};
