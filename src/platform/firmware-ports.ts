import { ISA_ACCESS } from './clock-rate';
import { type Device, NO_EFFECTS } from './device';

/** Port 0x80: the power-on self test code, each write an effect; reads give the last one. */
export const postCode: Device<number> = {
  name: 'post-code',
  accessTime: ISA_ACCESS,
  ranges: [{ space: 'port', first: 0x80, last: 0x80 }],
  byteWide: true,
  reset: () => 0,
  read: (state) => ({ state, value: state }),
  write: (_, __, value) => ({ state: value, effects: [{ kind: 'post-code', code: value }] }),
};

/** What a read of the debug port gives: that there is one. */
const DEBUG_PRESENT = 0xe9;

/** Port 0x402: bytes for whoever debugs the firmware. QEMU documentation: isa-debugcon */
export const debugPort: Device<null> = {
  name: 'debug-port',
  ranges: [{ space: 'port', first: 0x402, last: 0x402 }],
  byteWide: true,
  reset: () => null,
  read: (state) => ({ state, value: DEBUG_PRESENT }),
  write: (state, _, value) => ({ state, effects: [{ kind: 'debug', byte: value }] }),
};

const SHUTDOWN = 'Shutdown';

/** Port 0x8900: the text "Shutdown" switches the machine off. Bochs documentation: unmapped device */
export const shutdownPort: Device<number> = {
  name: 'shutdown-port',
  ranges: [{ space: 'port', first: 0x8900, last: 0x8900 }],
  byteWide: true,
  reset: () => 0,
  read: (state) => ({ state, value: 0xff }),
  write: (state, _, value) => {
    const letter = String.fromCharCode(value);
    const seen = letter === SHUTDOWN[state] ? state + 1 : letter === SHUTDOWN[0] ? 1 : 0;
    return seen === SHUTDOWN.length
      ? { state: 0, effects: [{ kind: 'power-off' }] }
      : { state: seen, effects: NO_EFFECTS };
  },
};

const A20 = 2;
const FAST_RESET = 1;

/** Port 0x92: the fast part of the A20 gate (bit 1) and the fast reset (bit 0). 82371SB data sheet, Port 92 */
export const systemControlPort: Device<number> = {
  name: 'port-92',
  accessTime: ISA_ACCESS,
  ranges: [{ space: 'port', first: 0x92, last: 0x92 }],
  byteWide: true,
  reset: () => A20,
  passesLine20: (state) => (state & A20) !== 0,
  read: (state) => ({ state, value: state }),
  write: (state, _, value) => ({
    state: value & ~FAST_RESET,
    effects:
      (value & FAST_RESET) !== 0 && (state & FAST_RESET) === 0
        ? [{ kind: 'reset', cause: 'software' }]
        : NO_EFFECTS,
  }),
};
