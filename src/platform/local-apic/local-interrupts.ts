// SDM Vol. 3A, 11.5.1 Local Vector Table
import { freeze } from 'immer';
import { type DeviceTransition, NO_EFFECTS, type ProcessorSignal } from '../device';
import { raiseLocal } from './priority';
import { type LocalApicState, LVT_MASKED, SOFTWARE_ENABLE } from './state';

/** Delivery modes by which a pin reaches the processor itself; ExtINT is no event, for the processor asks for it. */
const SIGNALS: Readonly<Record<number, ProcessorSignal['signal']>> = { 2: 'smi', 4: 'nmi', 5: 'init' };
const FIXED = 0;

const EXTINT = 7 << 8;
const NMI = 4 << 8;

/** The APIC enabled by software, with ExtINT at LINT0 and NMI at LINT1. */
export const connectPins = (state: LocalApicState): LocalApicState =>
  freeze(
    {
      ...state,
      spurious: state.spurious | SOFTWARE_ENABLE,
      lvt: { ...state.lvt, lint0: EXTINT, lint1: NMI },
    },
    true,
  );

/** A local interrupt pin of a processor rises; while the APIC is disabled LINT0 is the INTR pin and LINT1 the NMI pin. */
export const raisePin = (
  state: LocalApicState,
  pin: 'lint0' | 'lint1',
  processor: number,
): DeviceTransition<LocalApicState> => {
  const entry = state.lvt[pin];
  const signals = (signal: ProcessorSignal['signal']): DeviceTransition<LocalApicState> => ({
    state,
    effects: [{ kind: 'signal', processor, signal, vector: 0 }],
  });
  const quiet = { state, effects: NO_EFFECTS };
  if (!state.enabled) return pin === 'lint1' ? signals('nmi') : quiet;
  if ((entry & LVT_MASKED) !== 0) return quiet;
  const mode = (entry >>> 8) & 7;
  if (mode === FIXED) return { state: raiseLocal(state, pin), effects: NO_EFFECTS };
  const signal = SIGNALS[mode];
  return signal === undefined ? quiet : signals(signal);
};
