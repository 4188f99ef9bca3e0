// Intel 82093AA I/O Advanced Programmable Interrupt Controller data sheet (290566), 3.0 Register Description
import { freeze } from 'immer';
import {
  type Device,
  type DeviceEffect,
  type DeviceTransition,
  type InterruptLine,
  type InterruptMessage,
  type MessageDestination,
  NO_EFFECTS,
} from './device';
import { isAddressed, type LocalApicState } from './local-apic';

export const IO_APIC_ADDRESS = 0xfec0_0000;
export const IO_APIC_PINS = 24;

/** An I/O APIC; words are unsigned 32-bit numbers in the layout of the registers. */
export interface IoApicState {
  /** The register that IOREGSEL selects, 8 bits. */
  readonly select: number;
  /** 4 bits. */
  readonly id: number;
  /** The redirection table: low words (with delivery status 0 and remote IRR) and high words. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Levels of the inputs, pin 0 in bit 0. */
  readonly lines: number;
}

const MASKED = 0x1_0000;
const LEVEL = 0x8000;
const REMOTE_IRR = 0x4000;
const ACTIVE_LOW = 0x2000;
const LOGICAL = 0x800;
const WRITABLE = 0x1_afff;
const EXTINT = 7;
const VERSION = ((IO_APIC_PINS - 1) << 16) | 0x11;

const MODES: readonly (InterruptMessage['deliveryMode'] | undefined)[] = [
  'fixed',
  'lowest-priority',
  'smi',
  undefined,
  'nmi',
  'init',
  undefined,
  undefined,
];

/** Which input a line of the board is: IRQ0 leads to INTIN2 and the 8259 pair to INTIN0, the others have their number. */
const pinOf = (line: InterruptLine): number => (line === 'intr' ? 0 : line === 0 ? 2 : Number(line));

const isActive = (state: IoApicState, pin: number): boolean => {
  const high = (state.lines & (1 << pin)) !== 0;
  return (state.low[pin] & ACTIVE_LOW) !== 0 ? !high : high;
};

const destination = (state: IoApicState, pin: number): MessageDestination => ({
  mode: (state.low[pin] & LOGICAL) !== 0 ? 'logical' : 'physical',
  id: state.high[pin] >>> 24,
});

/** Sends the message of an input; level-triggered ones wait for their EOI with remote IRR set. */
const send = (state: IoApicState, pin: number): DeviceTransition<IoApicState> => {
  const low = state.low[pin];
  const deliveryMode = MODES[(low >>> 8) & 7];
  if ((low & MASKED) !== 0 || deliveryMode === undefined) return { state, effects: NO_EFFECTS };
  const level = (low & LEVEL) !== 0 && (deliveryMode === 'fixed' || deliveryMode === 'lowest-priority');
  if (level && (low & REMOTE_IRR) !== 0) return { state, effects: NO_EFFECTS };
  const message: InterruptMessage = {
    kind: 'message',
    deliveryMode,
    vector: low & 0xff,
    trigger: level ? 'level' : 'edge',
    destination: destination(state, pin),
  };
  return {
    state: level ? freeze({ ...state, low: freeze(state.low.with(pin, low | REMOTE_IRR)) }) : state,
    effects: [message],
  };
};

/** A level-triggered input that is active asks for service, whenever it may. */
const sendLevel = (state: IoApicState, pin: number): DeviceTransition<IoApicState> =>
  (state.low[pin] & LEVEL) !== 0 && isActive(state, pin) ? send(state, pin) : { state, effects: NO_EFFECTS };

const withLine = (state: IoApicState, pin: number, high: boolean): DeviceTransition<IoApicState> => {
  const bit = 1 << pin;
  if (((state.lines & bit) !== 0) === high) return { state, effects: NO_EFFECTS };
  const after = freeze({ ...state, lines: (high ? state.lines | bit : state.lines & ~bit) >>> 0 });
  if ((after.low[pin] & LEVEL) !== 0) return sendLevel(after, pin);
  return isActive(after, pin) ? send(after, pin) : { state: after, effects: NO_EFFECTS };
};

const register = (state: IoApicState): number => {
  const { select } = state;
  if (select === 0 || select === 2) return (state.id << 24) >>> 0;
  if (select === 1) return VERSION;
  const pin = (select - 0x10) >>> 1;
  if (select < 0x10 || pin >= IO_APIC_PINS) return 0;
  return (select & 1) === 0 ? state.low[pin] : state.high[pin];
};

const writeRegister = (state: IoApicState, value: number): DeviceTransition<IoApicState> => {
  const { select } = state;
  if (select === 0) return { state: freeze({ ...state, id: (value >>> 24) & 15 }), effects: NO_EFFECTS };
  const pin = (select - 0x10) >>> 1;
  if (select < 0x10 || pin >= IO_APIC_PINS) return { state, effects: NO_EFFECTS };
  if ((select & 1) === 1)
    return {
      state: freeze({ ...state, high: freeze(state.high.with(pin, (value & 0xff00_0000) >>> 0)) }),
      effects: NO_EFFECTS,
    };
  const before = state.low[pin];
  // An edge-triggered entry has no remote IRR.
  const remote = (value & LEVEL) !== 0 ? before & REMOTE_IRR : 0;
  const low = ((value & WRITABLE) | remote) >>> 0;
  return sendLevel(freeze({ ...state, low: freeze(state.low.with(pin, low)) }), pin);
};

/** Whether the first entry passes the interrupt of the 8259 pair to a local APIC, as ExtINT. */
export const passesExternal = (state: IoApicState, apic: LocalApicState): boolean =>
  (state.low[0] & MASKED) === 0 &&
  ((state.low[0] >>> 8) & 7) === EXTINT &&
  isAddressed(apic, destination(state, 0));

/**
 * The I/O APIC at 0xFEC00000 with 24 inputs: 0 to 15 the ISA lines (IRQ0 at input 2, the 8259 pair at input 0), 16 to 23 those of PCI. Messages arrive at
 * once, so the delivery status is always idle.
 */
export const ioApic: Device<IoApicState> = {
  name: 'io-apic',
  ranges: [{ space: 'memory', first: IO_APIC_ADDRESS, last: IO_APIC_ADDRESS + 0xfff }],
  listens: ['intr', 0, 1, ...Array.from({ length: 21 }, (_, at) => at + 3)],
  reset: () =>
    freeze(
      {
        select: 0,
        id: 0,
        low: new Array<number>(IO_APIC_PINS).fill(MASKED),
        high: new Array<number>(IO_APIC_PINS).fill(0),
        lines: 0,
      },
      true,
    ),
  read: (state, { address, bytes }) => {
    const offset = address & 0xfff;
    const word = (offset & ~3) === 0x10 ? register(state) : (offset & ~3) === 0 ? state.select : 0;
    return { state, value: Math.floor(word / 2 ** (8 * (offset & 3))) % 2 ** (8 * bytes) };
  },
  write: (state, { address, bytes }, value) => {
    const offset = address & 0xfff;
    if (offset === 0) return { state: freeze({ ...state, select: value & 0xff }), effects: NO_EFFECTS };
    if (offset === 0x10 && bytes === 4) return writeRegister(state, value);
    return { state, effects: NO_EFFECTS };
  },
  setLine: (state, line, level) => withLine(state, pinOf(line), level),
  endOfInterrupt: (state, vector) => {
    let after = state;
    const effects: DeviceEffect[] = [];
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      const low = after.low[pin];
      if ((low & REMOTE_IRR) === 0 || (low & 0xff) !== vector) continue;
      const ended = freeze({ ...after, low: freeze(after.low.with(pin, low & ~REMOTE_IRR)) });
      const again = sendLevel(ended, pin);
      after = again.state;
      effects.push(...again.effects);
    }
    return { state: after, effects };
  },
};
