import { describe, expect, it } from 'vitest';
import {
  createMachine,
  deserialize,
  loadImage,
  type MachineState,
  processor,
  run,
  serialize,
} from '../../src/api';
import { several } from './several';

const MIB = 2 ** 20;
const read32 = (bytes: Uint8Array, at: number): number => new DataView(bytes.buffer).getUint32(at, true);
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

const loaded = (code: readonly number[], cpus = 1): MachineState => {
  const machine = createMachine({
    processor: processor('skylake'),
    memoryBytes: 2 * MIB,
    board: { processors: cpus },
  });
  const outcome = loadImage(machine, Uint8Array.from(code), { format: 'raw', load: 0x7c00, mode: 'real' });
  if (!outcome.ok) throw new Error(outcome.fault.says);
  return outcome.value;
};

describe('ACPI Specification 6.0, 5.2 ACPI System Description Tables', () => {
  const { memory } = loaded([0xf4], 3);
  const table = (at: number): Uint8Array => memory.read(at, read32(memory.read(at, 8), 4));
  const signature = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(0, 4));
  const rsdp = memory.read(0xf_0000, 20);
  const rsdt = table(read32(rsdp, 16));
  const [fadt, madt] = [0, 1].map((at) => table(read32(rsdt, 36 + 4 * at)));

  it('begin at an RSDP whose bytes add up to zero', () => {
    expect(new TextDecoder().decode(rsdp.subarray(0, 8))).toBe('RSD PTR ');
    expect(sum(rsdp)).toBe(0);
  });
  it('have signatures and checksums', () => {
    const tables = [rsdt, fadt, madt, table(read32(fadt, 40))];
    expect(tables.map(signature)).toEqual(['RSDT', 'FACP', 'APIC', 'DSDT']);
    expect(tables.map(sum)).toEqual([0, 0, 0, 0]);
    expect(fadt.length).toBe(116);
  });
  it('point to a FACS on 64 bytes and to the power management ports', () => {
    const facs = read32(fadt, 36);
    expect(facs % 64).toBe(0);
    expect(signature(memory.read(facs, 64))).toBe('FACS');
    expect([56, 64, 76].map((at) => read32(fadt, at))).toEqual([0x600, 0x604, 0x608]);
  });
  it('name every processor', () => {
    const entries: number[][] = [];
    for (let at = 44; at < madt.length; at += madt[at + 1]) entries.push([...madt.subarray(at, at + 4)]);
    expect(entries.filter(([type]) => type === 0)).toEqual([0, 1, 2].map((id) => [0, 8, id, id]));
    expect(entries.map(([type]) => type)).toEqual([0, 0, 0, 1, 2, 2, 4]);
  });
});

const out8 = (port: number, value: number): readonly number[] => [
  0xba,
  port & 0xff,
  port >> 8,
  0xb0,
  value,
  0xee,
];
const out16 = (port: number, value: number): readonly number[] => [
  0xba,
  port & 0xff,
  port >> 8,
  0xb8,
  value & 0xff,
  value >> 8,
  0xef,
];

describe('the sleeping state S3', () => {
  // The alarm clock after each update wakes; the waking vector of the FACS is 0x7d00, where the code ends the run.
  const code = new Array<number>(0x106).fill(0x90);
  const start = [
    ...[0xb8, 0x00, 0xf0, 0x8e, 0xd8], // mov ax, 0xf000; mov ds, ax
    ...[0xc7, 0x06, 0x4c, 0x00, 0x00, 0x7d], // mov word [0x4c], 0x7d00
    ...out16(0x602, 0x400),
    ...out8(0x70, 11),
    ...out8(0x71, 0x12),
    ...out16(0x604, 0x2400),
    ...out8(0xf4, 0x66),
  ];
  start.forEach((byte, at) => {
    code[at] = byte;
  });
  [0xb0, 0x33, 0xe6, 0xf4].forEach((byte, at) => {
    code[0x100 + at] = byte;
  });

  it('goes on at the waking vector, in real mode', () => {
    const { stop, state } = run(loaded(code), { maxInstructions: 100 });
    expect(stop).toMatchObject({ kind: 'exit', code: 0x33 });
    expect(state.clock).toBeGreaterThan(2_900_000_000);
    expect(state.processors[0].segments.cs).toMatchObject({ selector: 0x7d0, base: 0x7d00n });
  });
  it('is kept in a snapshot', () => {
    let state = loaded(code);
    while (state.processors[0].hidden.activity === 0) state = run(state, { maxInstructions: 1 }).state;
    const outcome = deserialize(serialize(state));
    if (!outcome.ok) throw new Error(outcome.fault.says);
    expect(run(outcome.value, { maxInstructions: 100 }).stop).toMatchObject({ kind: 'exit', code: 0x33 });
  });
  it('is one of all processors', () => {
    // mov dx, 0x604; mov ax, 0x2400; out dx, ax
    const sleeps = [...[0x66, 0xba, 0x04, 0x06], ...[0x66, 0xb8, 0x00, 0x24], ...[0x66, 0xef]];
    for (let seed = 0; seed < 8; seed++) {
      let state = several([sleeps, [0xeb, 0xfe]], { seed });
      while (state.processors[0].hidden.activity === 0) state = run(state, { maxInstructions: 1 }).state;
      expect(state.processors.map(({ hidden }) => hidden.activity)).toEqual([3, 3]);
    }
  });
  it('has no end when nothing can wake it', () => {
    expect(run(loaded(out16(0x604, 0x2400)), { maxInstructions: 100 }).stop).toEqual({ kind: 'stuck' });
  });
});

it('a reset with shutdown status 0x0A goes on through 40:67', () => {
  const code = [
    ...[0x31, 0xc0, 0x8e, 0xd8], // xor ax, ax; mov ds, ax
    ...[0xc7, 0x06, 0x67, 0x04, 0x80, 0x7c], // mov word [0x467], 0x7c80
    ...[0xa3, 0x69, 0x04], // mov [0x469], ax
    ...out8(0x70, 0x0f),
    ...out8(0x71, 0x0a),
    ...out8(0x64, 0xfe),
    0xf4,
  ];
  while (code.length < 0x80) code.push(0x90);
  code.push(0xb0, 0x44, 0xe6, 0xf4);
  expect(run(loaded(code), { maxInstructions: 100 }).stop).toMatchObject({ kind: 'exit', code: 0x44 });
});
