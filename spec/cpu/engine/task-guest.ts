import { processor } from '../../../src/cpu/presets';
import { createMachine, loadImage, type MachineState } from '../../../src/machine';
import { AT, little } from './paged-guest';

export const TASK = { old: 0x18, next: 0x20, gate: 0x28, absent: 0x30 } as const;
export const TSS = { old: 0x8000, next: 0x8100 } as const;
export const ENTRY = 0x1_2000;
export const NEW_STACK = 0xc000;
const [HLT, NOP] = [0xf4, 0x90];
export const FAR_JMP = (selector: number): number[] => [0xea, ...little(0, 4), ...little(selector, 2)];
export const FAR_CALL = (selector: number): number[] => [0x9a, ...little(0, 4), ...little(selector, 2)];

const tssDescriptor = (base: number, type: number): bigint =>
  0x67n | (BigInt(base) << 16n) | (BigInt(0x80 | type) << 40n);
const descriptors = (type: number): number[] =>
  [
    0n,
    0x00cf_9b00_0000_ffffn,
    0x00cf_9300_0000_ffffn,
    tssDescriptor(TSS.old, 11),
    tssDescriptor(TSS.next, type),
    (BigInt(TASK.next) << 16n) | (0x85n << 40n),
    0x00cf_1300_0000_ffffn,
  ].flatMap((value) => little(value, 8));

export interface NewTask {
  readonly ds?: number;
  readonly trap?: boolean;
  readonly code?: readonly number[];
  readonly flags?: number;
  readonly type?: number;
}

/** 32-bit protected mode at CPL 0 without paging; a second task is ready, every exception halts. */
export const taskGuest = (code: readonly number[], task: NewTask = {}): MachineState => {
  const { ds = 0x10, trap = false, flags = 2, type = 9 } = task;
  const machine = createMachine({ processor: processor('skylake', ['-vmx']), memoryBytes: 2 ** 21 });
  const image = Uint8Array.from(code);
  const loaded = loadImage(machine, image, { format: 'raw', mode: 'protected', load: AT.code });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  let { memory } = loaded.value;
  const put = (address: number, bytes: readonly number[]): void => {
    memory = memory.write(address, Uint8Array.from(bytes));
  };
  put(AT.gdt, descriptors(type));
  for (let vector = 0; vector < 32; vector++) {
    const offset = AT.handlers + 16 * vector;
    put(AT.idt + 8 * vector, [...little(offset, 2), 8, 0, 0, 0x8e, 0, 0]);
    put(offset, [HLT]);
  }
  const dwords = (values: readonly number[]): number[] => values.flatMap((value) => little(value, 4));
  put(TSS.next + 0x20, dwords([ENTRY, flags, 1, 2, 3, 4, NEW_STACK, 6, 7, 8, 0x10, 8, 0x10, ds, 0x10, 0x10]));
  put(TSS.next + 0x64, [trap ? 1 : 0]);
  put(ENTRY, task.code ?? [NOP, HLT]);
  const [cpu] = loaded.value.processors;
  return {
    ...loaded.value,
    memory,
    processors: [
      {
        ...cpu,
        registers: cpu.registers.map((value, number) => (number === 4 ? BigInt(AT.stack) : value)),
        segments: {
          ...cpu.segments,
          tr: { selector: TASK.old, limit: 0x67, accessRights: 0x8b, base: BigInt(TSS.old) },
        },
        tables: {
          gdtr: { base: BigInt(AT.gdt), limit: 0x37 },
          idtr: { base: BigInt(AT.idt), limit: 32 * 8 - 1 },
        },
      },
    ],
  };
};
