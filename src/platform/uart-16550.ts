// PC16550D Universal Asynchronous Receiver/Transmitter data sheet, 8.0 Registers
import { freeze, produce } from 'immer';
import { type BoardConfig, type Device, type DeviceTransition, NO_EFFECTS } from './device';

/** First of the eight ports. */
export const UART_PORT = 0x3f8;

export interface UartState {
  readonly interruptEnable: number;
  readonly lineControl: number;
  readonly modemControl: number;
  readonly scratch: number;
  readonly divisor: number;
  readonly fifoEnabled: boolean;
  /** The transmitter-empty interrupt is due until IIR is read. */
  readonly transmitterEmptyDue: boolean;
  readonly overrun: boolean;
  /** Bits 3:0 of the modem status: what changed since it was read. */
  readonly modemChanges: number;
  /** Bytes that loopback put into the receiver. */
  readonly looped: readonly number[];
  /** Bytes from outside as a byte string, and how many software has taken. */
  readonly input: string;
  readonly taken: number;
}

const FIFO_BYTES = 16;
const LOOPBACK = 0x10;
const DIVISOR_LATCH = 0x80;

const loops = (state: UartState): boolean => (state.modemControl & LOOPBACK) !== 0;
const latched = (state: UartState): boolean => (state.lineControl & DIVISOR_LATCH) !== 0;

const dataReady = (state: UartState): boolean =>
  state.looped.length > 0 || (!loops(state) && state.taken < state.input.length);

const lineStatus = (state: UartState): number => 0x60 | (state.overrun ? 2 : 0) | (dataReady(state) ? 1 : 0);

/** Bits 7:4 of the modem status: carrier, ready and clear to send, or in loopback the four modem control outputs. */
const modemLines = (modemControl: number): number =>
  (modemControl & LOOPBACK) === 0
    ? 0xb0
    : ((modemControl & 1) << 5) |
      ((modemControl & 2) << 3) |
      ((modemControl & 4) << 4) |
      ((modemControl & 8) << 4);

const interruptIdentification = (state: UartState): number => {
  const enabled = state.interruptEnable;
  const fifo = state.fifoEnabled ? 0xc0 : 0;
  if ((enabled & 4) !== 0 && state.overrun) return fifo | 6;
  if ((enabled & 1) !== 0 && dataReady(state)) return fifo | 4;
  if ((enabled & 2) !== 0 && state.transmitterEmptyDue) return fifo | 2;
  if ((enabled & 8) !== 0 && state.modemChanges !== 0) return fifo;
  return fifo | 1;
};

const reset = (config: BoardConfig): UartState =>
  freeze({
    interruptEnable: 0,
    lineControl: 0,
    modemControl: 0,
    scratch: 0,
    divisor: 1,
    fifoEnabled: false,
    transmitterEmptyDue: false,
    overrun: false,
    modemChanges: 0,
    looped: freeze([]),
    input: config.serialInput ?? '',
    taken: 0,
  });

const receive = (state: UartState): { state: UartState; value: number } => {
  if (!dataReady(state)) return { state, value: 0 };
  const value = state.looped.length > 0 ? state.looped[0] : state.input.charCodeAt(state.taken) & 0xff;
  const next = produce(state, (draft) => {
    if (draft.looped.length > 0) draft.looped.shift();
    else draft.taken++;
  });
  return { state: next, value };
};

const read = (state: UartState, register: number): { state: UartState; value: number } => {
  switch (register) {
    case 0:
      return latched(state) ? { state, value: state.divisor & 0xff } : receive(state);
    case 1:
      return { state, value: latched(state) ? state.divisor >>> 8 : state.interruptEnable };
    case 2: {
      const value = interruptIdentification(state);
      return (value & 0xf) === 2
        ? {
            state: produce(state, (draft) => {
              draft.transmitterEmptyDue = false;
            }),
            value,
          }
        : { state, value };
    }
    case 3:
      return { state, value: state.lineControl };
    case 4:
      return { state, value: state.modemControl };
    case 5:
      return {
        state: state.overrun
          ? produce(state, (draft) => {
              draft.overrun = false;
            })
          : state,
        value: lineStatus(state),
      };
    case 6:
      return {
        state:
          state.modemChanges === 0
            ? state
            : produce(state, (draft) => {
                draft.modemChanges = 0;
              }),
        value: modemLines(state.modemControl) | state.modemChanges,
      };
    default:
      return { state, value: state.scratch };
  }
};

const transmit = (state: UartState, byte: number): DeviceTransition<UartState> => {
  const due = (state.interruptEnable & 2) !== 0;
  if (!loops(state)) {
    const next =
      due === state.transmitterEmptyDue
        ? state
        : produce(state, (draft) => {
            draft.transmitterEmptyDue = due;
          });
    return { state: next, effects: [{ kind: 'serial', byte }] };
  }
  const next = produce(state, (draft) => {
    draft.transmitterEmptyDue = due;
    if (draft.looped.length < (draft.fifoEnabled ? FIFO_BYTES : 1)) draft.looped.push(byte);
    else draft.overrun = true;
  });
  return { state: next, effects: NO_EFFECTS };
};

const changed = (before: number, after: number): number => {
  const difference = before ^ after;
  const ringEnded = before & ~after & 0x40;
  return ((difference & 0xb0) | ringEnded) >>> 4;
};

const assign = (state: UartState, register: number, value: number): UartState =>
  produce(state, (draft) => {
    switch (register) {
      case 0:
        draft.divisor = (draft.divisor & 0xff00) | value;
        return;
      case 1:
        if (latched(state)) draft.divisor = (draft.divisor & 0xff) | (value << 8);
        else {
          // Enabling the transmitter-empty interrupt while the transmitter is empty raises it at once.
          if ((value & 2) !== 0 && (draft.interruptEnable & 2) === 0) draft.transmitterEmptyDue = true;
          draft.interruptEnable = value & 0xf;
        }
        return;
      case 2: {
        const enabled = (value & 1) !== 0;
        if (enabled !== draft.fifoEnabled || (enabled && (value & 2) !== 0)) draft.looped = [];
        draft.fifoEnabled = enabled;
        return;
      }
      case 3:
        draft.lineControl = value;
        return;
      case 4: {
        const control = value & 0x1f;
        draft.modemChanges |= changed(modemLines(draft.modemControl), modemLines(control));
        draft.modemControl = control;
        return;
      }
      case 7:
        draft.scratch = value;
    }
  });

/** A 16550 at 0x3F8 to 0x3FF whose transmitter is always empty; each byte sent is a `serial` effect. No interrupt line is wired. */
export const uart16550: Device<UartState> = {
  name: 'uart-16550',
  ranges: [{ space: 'port', first: UART_PORT, last: UART_PORT + 7 }],
  byteWide: true,
  reset,
  read: (state, access) => read(state, access.address & 7),
  write: (state, access, value) => {
    const register = access.address & 7;
    return register === 0 && !latched(state)
      ? transmit(state, value)
      : { state: assign(state, register, value), effects: NO_EFFECTS };
  },
};
