// QEMU documentation: pc-testdev, the device that kvm-unit-tests needs
import { freeze, produce } from 'immer';
import { type BusAccess, type Device, type InterruptLine, NO_EFFECTS } from './device';

export interface TestDeviceState {
  /** What was last written to the echo port, 32 bits. */
  readonly echo: number;
  /** 64 KiB of memory as bytes by offset; what is not here is 0. */
  readonly memory: Readonly<Record<number, number>>;
}

const ECHO = 0xe0;
const FLUSH = 0xe4;
const ECHO_BYTES = 0xe8;
const LINES = 0x2000;
const LINE_COUNT = 24;
const MEMORY = 0xff00_0000;
const MEMORY_BYTES = 0x1_0000;

const mask = (bytes: number): number => 2 ** (8 * bytes) - 1;

const readMemory = ({ memory }: TestDeviceState, { address, bytes }: BusAccess): number => {
  let value = 0;
  for (let at = 0; at < bytes; at++) value += (memory[address - MEMORY + at] ?? 0) * 2 ** (8 * at);
  return value;
};

/**
 * The test device of kvm-unit-tests: a port that echoes what was written (0xE0, and 0xE8 byte by byte), one that asks a host to give a page up and
 * take it again (0xE4, nothing happens here), a port for each interrupt line (0x2000 on), and 64 KiB of device memory at 0xFF000000.
 */
export const pcTestDevice: Device<TestDeviceState> = {
  name: 'pc-testdev',
  ranges: [
    { space: 'port', first: ECHO, last: ECHO_BYTES + 3 },
    { space: 'port', first: LINES, last: LINES + LINE_COUNT - 1 },
    { space: 'memory', first: MEMORY, last: MEMORY + MEMORY_BYTES - 1 },
  ],
  reset: () => freeze({ echo: 0, memory: {} }, true),
  read: (state, access) => {
    const { space, address, bytes } = access;
    if (space === 'memory') return { state, value: readMemory(state, access) };
    if (address >= LINES || (address >= FLUSH && address < ECHO_BYTES)) return { state, value: 0 };
    return { state, value: Math.floor(state.echo / 2 ** (8 * (address & 3))) % 2 ** (8 * bytes) };
  },
  write: (state, { space, address, bytes }, value) => {
    if (space === 'memory')
      return {
        state: produce(state, (draft) => {
          for (let at = 0; at < bytes; at++)
            draft.memory[address - MEMORY + at] = Math.floor(value / 2 ** (8 * at)) % 256;
        }),
        effects: NO_EFFECTS,
      };
    if (address >= LINES) {
      const line = (address - LINES) as InterruptLine;
      return { state, effects: [{ kind: 'line', line, level: value !== 0 }] };
    }
    if (address >= FLUSH && address < ECHO_BYTES) return { state, effects: NO_EFFECTS };
    const unit = 2 ** (8 * (address & 3));
    const kept = state.echo - (Math.floor(state.echo / unit) % (mask(bytes) + 1)) * unit;
    return { state: freeze({ ...state, echo: (kept + value * unit) % 2 ** 32 }), effects: NO_EFFECTS };
  },
};
