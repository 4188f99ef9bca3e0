import { describe, expect, test } from 'vitest';
import { processor } from '../../../src/cpu/presets';
import { createMachine, loadImage, type MachineState } from '../../../src/machine';
import { exceptionOf32, little, runToHalt, segmentDescriptor, TIERS } from './paged-guest';

const CODE = 0x1_0000;
const GDT = 0x6000;
const IDT = 0x5000;
const HANDLERS = 0x7000;
const BASE = 0x2_0000;

/** Flat code 8, flat data 10H, code of one byte granularity at `BASE` 18H, the same with another base 20H. */
const guest = (limit: number, based: readonly number[]): MachineState => {
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 23 });
  // ljmp 0x18:0
  const code = [0xea, 0, 0, 0, 0, 0x18, 0];
  const loaded = loadImage(machine, Uint8Array.from(code), { format: 'raw', mode: 'protected', load: CODE });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  let { memory } = loaded.value;
  const gdt = [
    ...little(0, 8),
    ...segmentDescriptor(0, 0xfffff, 0xc09b),
    ...segmentDescriptor(0, 0xfffff, 0xc093),
    ...segmentDescriptor(BASE, limit, 0x409b),
    ...segmentDescriptor(BASE + 0x1000, limit, 0x409b),
  ];
  memory = memory.write(GDT, Uint8Array.from(gdt)).write(BASE, Uint8Array.from(based));
  // mov al, 2; hlt
  memory = memory.write(BASE + 0x1000 + 7, Uint8Array.of(0xb0, 2, 0xf4));
  const idt = Array.from({ length: 32 }, (_, vector) => [
    ...little(HANDLERS + 16 * vector, 2),
    ...[8, 0, 0, 0x8e, 0, 0],
  ]).flat();
  memory = memory.write(IDT, Uint8Array.from(idt));
  for (let vector = 0; vector < 32; vector++)
    memory = memory.write(HANDLERS + 16 * vector, Uint8Array.of(0xf4));
  const [cpu] = loaded.value.processors;
  const registers = cpu.registers.map((value, number) => (number === 4 ? 0xa000n : value));
  const tables = { gdtr: { base: BigInt(GDT), limit: 0x27 }, idtr: { base: BigInt(IDT), limit: 0xff } };
  return { ...loaded.value, memory, processors: [{ ...cpu, registers, tables }] };
};

// SDM Vol. 3A, 3.4.3 Segment Registers
describe.each(TIERS)('a code segment that is not flat, %s', (tier) => {
  test('instructions come from base plus EIP', () => {
    // mov al, 1; hlt
    const { state } = runToHalt(guest(0xffff, [0xb0, 1, 0xf4]), tier);
    expect(state.processors[0].registers[0] & 0xffn).toBe(1n);
    expect(state.processors[0].rip).toBe(3n);
  });

  test('another base at the same EIP is other code', () => {
    // ljmp 0x20:7
    const { state } = runToHalt(guest(0xffff, [0xea, 7, 0, 0, 0, 0x20, 0]), tier);
    expect(state.processors[0].registers[0] & 0xffn).toBe(2n);
  });

  // SDM Vol. 3A, 5.3 Limit Checking
  test('an instruction that reaches beyond the limit is #GP(0)', () => {
    // mov al, 1; mov cl, 1, whose last byte is beyond the limit
    const { state } = runToHalt(guest(2, [0xb0, 1, 0xb1, 1, 0xf4]), tier);
    expect(state.processors[0].registers[0] & 0xffn).toBe(1n);
    expect(exceptionOf32(state)).toEqual({ vector: 13, errorCode: 0, rip: 2 });
  });
});
