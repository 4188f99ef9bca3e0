import { describe, expect, test } from 'vitest';
import { processor } from '../../../src/cpu/presets';
import {
  createMachine,
  deserialize,
  loadImage,
  type MachineState,
  permittedChoices,
  run,
  serialize,
  step,
} from '../../../src/machine';
import { AT, exceptionOf32, little, runToHalt, TIERS } from './paged-guest';

const TASK = { old: 0x18, next: 0x20, gate: 0x28, absent: 0x30 } as const;
const TSS = { old: 0x8000, next: 0x8100 } as const;
const ENTRY = 0x1_2000;
const NEW_STACK = 0xc000;
const [HLT, NOP, CLI] = [0xf4, 0x90, 0xfa];
const FAR_JMP = (selector: number): number[] => [0xea, ...little(0, 4), ...little(selector, 2)];
const FAR_CALL = (selector: number): number[] => [0x9a, ...little(0, 4), ...little(selector, 2)];
const IRETD = 0xcf;

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

interface NewTask {
  readonly ds?: number;
  readonly trap?: boolean;
  readonly code?: readonly number[];
  readonly flags?: number;
  readonly type?: number;
}

/** 32-bit protected mode at CPL 0 without paging; a second task is ready, every exception halts. */
const guest = (code: readonly number[], task: NewTask = {}): MachineState => {
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

// SDM Vol. 3A, 8.3 Task Switching
describe.each(TIERS)('a task switch by an instruction, %s', (tier) => {
  test('goes on in the new task', () => {
    for (const selector of [TASK.next, TASK.gate]) {
      const { state } = runToHalt(guest([NOP, ...FAR_JMP(selector)]), tier);
      const [cpu] = state.processors;
      expect([cpu.rip, cpu.registers[4], cpu.segments.tr.selector]).toEqual([
        BigInt(ENTRY + 2),
        BigInt(NEW_STACK),
        TASK.next,
      ]);
    }
  });

  test('CALL and IRET are there and back, again and again', () => {
    const loop = [0xb9, ...little(50, 4), ...FAR_CALL(TASK.next), 0xe2, 0xf7, HLT];
    const { state } = runToHalt(guest(loop, { code: [0x40, IRETD, 0xeb, 0xfc] }), tier);
    const [cpu] = state.processors;
    expect([cpu.rip, cpu.registers[1]]).toEqual([BigInt(AT.code + loop.length), 0n]);
    // EAX of the other task counted.
    expect(state.memory.read(TSS.next + 0x28, 1)[0]).toBe(51);
  });

  test('a fault before the commit point finds the old task at its instruction', () => {
    const { state } = runToHalt(guest([NOP, ...FAR_JMP(TASK.next)], { type: 11 }), tier);
    expect(exceptionOf32(state)).toEqual({ vector: 13, errorCode: TASK.next, rip: AT.code + 1 });
    expect(state.processors[0].segments.tr.selector).toBe(TASK.old);
  });

  test('a fault after it finds the new task at its first instruction', () => {
    const { state } = runToHalt(guest([NOP, ...FAR_JMP(TASK.next)], { ds: TASK.absent }), tier);
    expect(exceptionOf32(state)).toEqual({ vector: 11, errorCode: TASK.absent, rip: ENTRY });
    expect(state.processors[0].segments.tr.selector).toBe(TASK.next);
  });

  test('T gives a debug exception before the first instruction, TF after it', () => {
    const trapped = runToHalt(guest(FAR_JMP(TASK.next), { trap: true }), tier).state;
    expect([trapped.processors[0].rip, trapped.processors[0].debug.dr6]).toEqual([
      BigInt(AT.handlers + 17),
      0xffff8ff0n,
    ]);
    const saved = (state: MachineState): readonly number[] => [
      ...state.memory.read(Number(state.processors[0].registers[4]), 4),
    ];
    expect(saved(trapped)).toEqual(little(ENTRY, 4));
    const stepped = runToHalt(guest(FAR_JMP(TASK.next), { flags: 0x102 }), tier).state;
    expect(stepped.processors[0].debug.dr6).toBe(0xffff4ff0n);
    expect(saved(stepped)).toEqual(little(ENTRY + 1, 4));
  });
});

test('a pending task-switch trap survives a snapshot', () => {
  const start = guest(FAR_JMP(TASK.next), { trap: true });
  const { state } = run(start, { maxInstructions: 1 });
  expect(state.processors[0].hidden.pendingDebug).toBe(1 << 15);
  const again = deserialize(serialize(state));
  if (!again.ok) throw new Error(again.fault.says);
  expect(runToHalt(again.value, 'oracle').state.processors[0].debug.dr6).toBe(0xffff8ff0n);
});

test('what a 16-bit task leaves open is a choice, preferred as processors do it', () => {
  const start = guest([CLI, ...FAR_JMP(TASK.next)], { type: 1 });
  const memory = start.memory.write(TSS.next + 0x0e, Uint8Array.from([...little(0x7000, 2), 2, 0, 1, 0]));
  const segments = [0x10, 8, 0x10, 0x10, 0].flatMap((selector) => little(selector, 2));
  const ready = step({ ...start, memory: memory.write(TSS.next + 0x22, Uint8Array.from(segments)) }).state;
  const [first, second] = permittedChoices(ready);
  expect(step(ready, first).state.processors[0].registers[0]).toBe(0xffff0001n);
  expect(step(ready, second).state.processors[0].registers[0]).toBe(1n);
});
