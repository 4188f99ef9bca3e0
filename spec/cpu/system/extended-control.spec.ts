import { describe, expect, test } from 'vitest';
import {
  type ArchitecturalEvent,
  createMachine,
  loadImage,
  type MachineState,
  processor,
  step,
} from '../../../src/api';

const CR4_OSXSAVE = 1n << 18n;
const XGETBV = [0x0f, 0x01, 0xd0];
const XSETBV = [0x0f, 0x01, 0xd1];

const guest = (code: readonly number[], registers: readonly [rax: bigint, rcx: bigint, rdx: bigint]) => {
  const machine = createMachine({ processor: processor('skylake', ['+xsave']), memoryBytes: 2 ** 23 });
  const loaded = loadImage(machine, Uint8Array.from(code), { format: 'raw', mode: 'long', load: 0x10_0000 });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  const [cpu] = loaded.value.processors;
  const values = [...cpu.registers];
  [values[0], values[1], values[2]] = registers;
  return { ...loaded.value, processors: [{ ...cpu, registers: values }] } satisfies MachineState;
};

const enabled = (state: MachineState): MachineState => {
  const [cpu] = state.processors;
  const control = { ...cpu.control, cr4: cpu.control.cr4 | CR4_OSXSAVE };
  return { ...state, processors: [{ ...cpu, control }] };
};

const xcr0 = (state: MachineState): bigint => state.processors[0].control.xcr0;
/** Without an IDT every exception ends in a triple fault: XCR0 tells whether the instruction did anything. */
const stops = (events: readonly ArchitecturalEvent[]): boolean =>
  events.some(({ kind }) => kind === 'stopped');

// SDM Vol. 2, XSETBV
describe('XSETBV and XGETBV', () => {
  test.each([
    ['x87 and SSE', 3n, 0n, 3n],
    ['x87 alone', 1n, 0n, 1n],
  ])('write %s and read it back', (_, value, high, expected) => {
    const written = step(enabled(guest([...XSETBV, ...XGETBV], [value, 0n, high]))).state;
    expect(xcr0(written)).toBe(expected);
    const read = step(written).state.processors[0].registers;
    expect([read[0], read[2]]).toEqual([expected, 0n]);
  });

  test.each([
    ['without x87 state', 2n, 0n, 0n],
    ['with a component that the processor lacks', 7n, 0n, 0n],
    ['with a bit above 31', 1n, 0n, 1n],
    ['of another register', 3n, 1n, 0n],
  ])('refuse a value %s', (_, rax, rcx, rdx) => {
    const { state, events } = step(enabled(guest(XSETBV, [rax, rcx, rdx])));
    expect(stops(events)).toBe(true);
    expect(xcr0(state)).toBe(1n);
  });

  test('are undefined without CR4.OSXSAVE', () => {
    const { state, events } = step(guest(XSETBV, [3n, 0n, 0n]));
    expect(stops(events)).toBe(true);
    expect(xcr0(state)).toBe(1n);
  });

  test('CPUID tells what XCR0 may hold, when XSAVE is announced', () => {
    const { eax, ebx, ecx, edx } = processor('skylake', ['+xsave']).cpuid.lookup(0x0d, 0);
    expect([eax, ebx, ecx, edx]).toEqual([0x203, 576, 0xa88, 0]);
    expect(processor('skylake', ['-xsave']).cpuid.lookup(0x0d, 0).eax).toBe(0);
  });
});
