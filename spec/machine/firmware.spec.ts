import { describe, expect, it } from 'vitest';
import {
  createMachine,
  createMonitoredMachine,
  deserialize,
  hardwareAssistedMonitor,
  loadFirmware,
  type MachineState,
  processor,
  run,
  type StopReason,
  serialize,
  stateHash,
} from '../../src/api';

const KIB = 1024;
const MIB = KIB * KIB;

/** Firmware of 128 KiB: `code` at F000:0000, and a far jump to it at the reset vector. */
const firmware = (code: readonly number[], size = 128 * KIB): Uint8Array => {
  const bytes = new Uint8Array(size);
  bytes.set(code, size - 64 * KIB);
  bytes.set([0xea, 0x00, 0x00, 0x00, 0xf0], size - 16);
  return bytes;
};

const machine = (memoryBytes = 2 * MIB): MachineState =>
  createMachine({ processor: processor('skylake'), memoryBytes });

const loaded = (code: readonly number[], size?: number): MachineState => {
  const outcome = loadFirmware(machine(), firmware(code, size));
  if (!outcome.ok) throw new Error(outcome.fault.says);
  return outcome.value;
};

const outb = (port: number, value: number): readonly number[] => [
  0xba,
  port & 0xff,
  port >>> 8, // mov dx, port
  0xb0,
  value, // mov al, value
  0xee, // out dx, al
];
/** mov eax, address; mov dx, 0xcf8; out dx, eax */
const configure = (address: number): readonly number[] => [
  0x66,
  0xb8,
  address & 0xff,
  (address >>> 8) & 0xff,
  (address >>> 16) & 0xff,
  address >>> 24,
  0xba,
  0xf8,
  0x0c,
  0x66,
  0xef,
];
/** Segment 0xF000 attributed by bits 5:4 of PAM0. */
const pam0 = (value: number): readonly number[] => [...configure(0x8000_0058), ...outb(0xcfd, value)];
/** mov [cs:0x100 + at], value, in the firmware's own segment by DS = 0xF000. */
const store = (at: number, value: number): readonly number[] => [
  0xb8,
  0x00,
  0xf0, // mov ax, 0xf000
  0x8e,
  0xd8, // mov ds, ax
  0xc6,
  0x06,
  at & 0xff,
  at >>> 8,
  value, // mov byte [at], value
];
/** Ends the run with the byte at DS:at. */
const exitWith = (at: number): readonly number[] => [
  0xa0,
  at & 0xff,
  at >>> 8, // mov al, [at]
  0xe6,
  0xf4, // out 0xf4, al
];

const stops = (code: readonly number[], tier?: 'oracle' | 'closures' | 'generated'): StopReason =>
  run(loaded(code), { maxInstructions: 1000, ...(tier === undefined ? {} : { tier }) }).stop;
const exit = (code: number): StopReason => ({ kind: 'exit', code, status: ((code << 1) | 1) & 0xff });

describe('SDM Vol. 3A, 10.1.4 First Instruction Executed', () => {
  it.each(['oracle', 'closures', 'generated'] as const)('begins at the reset vector (%s)', (tier) => {
    expect(stops(outb(0xf4, 0x21), tier)).toEqual(exit(0x21));
  });
  it.each([64, 256, 512])('has an image of %i KiB', (size) => {
    expect(run(loaded(outb(0xf4, 7), size * KIB), { maxInstructions: 10 }).stop).toEqual(exit(7));
  });
  it('ignores writes to the ROM', () => {
    expect(stops([...store(0x100, 0x55), ...exitWith(0x100)])).toEqual(exit(0));
  });
  it('reads and modifies ROM without a change', () => {
    const increment = [0xb8, 0x00, 0xf0, 0x8e, 0xd8, 0xfe, 0x06, 0x00, 0x01];
    expect(stops([...increment, ...exitWith(0x100)])).toEqual(exit(0));
  });
});

describe('82441FX data sheet, 3.2.18 PAM', () => {
  it('gives RAM for the ROM, with the bytes of the ROM to begin with', () => {
    expect(stops([...pam0(0x30), ...store(0x100, 0x55), ...exitWith(0x100)])).toEqual(exit(0x55));
  });
  it('makes it read-only again with what was written', () => {
    const code = [
      ...pam0(0x30),
      ...store(0x100, 0x55),
      ...pam0(0x10),
      ...store(0x100, 0x66),
      ...exitWith(0x100),
    ];
    expect(stops(code)).toEqual(exit(0x55));
  });
  it('shows the ROM again', () => {
    expect(stops([...pam0(0x30), ...store(0x100, 0x55), ...pam0(0), ...exitWith(0x100)])).toEqual(exit(0));
  });
  it('shows nothing where no firmware is', () => {
    const code = [0xb8, 0x00, 0xc0, 0x8e, 0xd8, ...exitWith(0)];
    expect(stops(code)).toEqual(exit(0xff));
  });
});

describe('a reset', () => {
  /** Counts at 0:0x500, and ends with the count at the third start. */
  const counting = (reset: readonly number[]): readonly number[] => [
    0x31,
    0xc0,
    0x8e,
    0xd8, // xor ax, ax; mov ds, ax
    0xfe,
    0x06,
    0x00,
    0x05, // inc byte [0x500]
    0x80,
    0x3e,
    0x00,
    0x05,
    0x03, // cmp byte [0x500], 3
    0x75,
    0x05, // jne over
    ...exitWith(0x500),
    ...reset,
    0xf4,
  ];
  it.each([
    ['0xCF9', outb(0xcf9, 6)],
    ['port 0x92', outb(0x92, 1)],
    ['the keyboard controller', outb(0x64, 0xfe)],
  ])('by %s starts the firmware again and leaves memory', (_, reset) => {
    expect(stops(counting(reset))).toEqual(exit(3));
  });
  it('brings the ROM back', () => {
    const code = [
      ...[0xb8, 0x00, 0xf0, 0x8e, 0xd8],
      ...[0x31, 0xc0, 0x8e, 0xc0], // xor ax, ax; mov es, ax
      ...[0x26, 0xfe, 0x06, 0x00, 0x05], // inc byte [es:0x500]
      ...[0x26, 0x80, 0x3e, 0x00, 0x05, 0x02], // cmp byte [es:0x500], 2
      ...[0x75, 0x05],
      ...exitWith(0x100),
      ...pam0(0x30),
      ...store(0x100, 0x55),
      ...outb(0xcf9, 6),
    ];
    expect(stops(code)).toEqual(exit(0));
  });
  it('ends the run of a machine without firmware', () => {
    const state = machine();
    const memory = state.memory.write(0x7c00, Uint8Array.from(outb(0xcf9, 6)));
    const { cs } = state.processors[0].segments;
    const start = {
      ...state.processors[0],
      rip: 0x7c00n,
      segments: { ...state.processors[0].segments, cs: { ...cs, selector: 0, base: 0n } },
    };
    expect(run({ ...state, memory, processors: [start] }, { maxInstructions: 100 }).stop).toEqual({
      kind: 'reset',
    });
  });
});

describe('switching off', () => {
  it('by "Shutdown" at port 0x8900', () => {
    const code = Array.from('ShutShutdown', (letter) => outb(0x8900, letter.charCodeAt(0))).flat();
    expect(stops(code)).toEqual({ kind: 'power-off' });
  });
});

describe('what firmware says', () => {
  it('leaves as effects, at the debug port and port 0x80', () => {
    const effects: unknown[] = [];
    const code = [...outb(0x402, 0x41), ...outb(0x80, 0x12), ...outb(0xf4, 0)];
    run(loaded(code), { maxInstructions: 100, onEffect: (effect) => effects.push(effect) });
    expect(effects).toEqual([
      { kind: 'debug', byte: 0x41 },
      { kind: 'post-code', code: 0x12 },
      { kind: 'exit', code: 0 },
    ]);
  });
});

describe('a machine with firmware as a value', () => {
  it('comes back from a snapshot on its way', () => {
    const half = run(loaded([...pam0(0x30), ...store(0x100, 0x55), ...exitWith(0x100)]), {
      maxInstructions: 9,
    }).state;
    const outcome = deserialize(serialize(half));
    if (!outcome.ok) throw new Error(outcome.fault.says);
    expect(stateHash(outcome.value)).toBe(stateHash(half));
    expect(run(outcome.value, { maxInstructions: 100 }).stop).toEqual(exit(0x55));
  });
  it('is no guest of a monitor', () => {
    expect(() => createMonitoredMachine(loaded([0xf4]), hardwareAssistedMonitor())).toThrow('firmware');
  });
});

describe('bad firmware', () => {
  it.each([
    ['no bytes', new Uint8Array(0), 2 * MIB, /size: 0 bytes are no firmware image; give one of 64, 128, 256/],
    ['a size of its own', new Uint8Array(100_000), 2 * MIB, /size: 100000 bytes/],
    ['nothing at its end', new Uint8Array(64 * KIB).fill(0xff), 2 * MIB, /reset vector: nothing but 0xff/],
    ['too little memory', firmware([]), 64 * KIB, /memoryBytes: 65536 bytes of RAM/],
  ])('%s', (_, bytes, memoryBytes, says) => {
    const outcome = loadFirmware(machine(memoryBytes), bytes, { fileName: 'bios.bin' });
    expect(outcome.ok ? '' : outcome.fault.says).toMatch(says);
  });
});
