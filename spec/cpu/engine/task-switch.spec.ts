import { describe, expect, test } from 'vitest';
import { deserialize, type MachineState, permittedChoices, run, serialize, step } from '../../../src/machine';
import { AT, exceptionOf32, little, runToHalt, TIERS } from './paged-guest';
import { ENTRY, FAR_CALL, FAR_JMP, NEW_STACK, TASK, TSS, taskGuest } from './task-guest';

const [HLT, NOP, CLI] = [0xf4, 0x90, 0xfa];
const IRETD = 0xcf;

// SDM Vol. 3A, 8.3 Task Switching
describe.each(TIERS)('a task switch by an instruction, %s', (tier) => {
  test('goes on in the new task', () => {
    for (const selector of [TASK.next, TASK.gate]) {
      const { state } = runToHalt(taskGuest([NOP, ...FAR_JMP(selector)]), tier);
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
    const { state } = runToHalt(taskGuest(loop, { code: [0x40, IRETD, 0xeb, 0xfc] }), tier);
    const [cpu] = state.processors;
    expect([cpu.rip, cpu.registers[1]]).toEqual([BigInt(AT.code + loop.length), 0n]);
    // EAX of the other task counted.
    expect(state.memory.read(TSS.next + 0x28, 1)[0]).toBe(51);
  });

  test('a fault before the commit point finds the old task at its instruction', () => {
    const { state } = runToHalt(taskGuest([NOP, ...FAR_JMP(TASK.next)], { type: 11 }), tier);
    expect(exceptionOf32(state)).toEqual({ vector: 13, errorCode: TASK.next, rip: AT.code + 1 });
    expect(state.processors[0].segments.tr.selector).toBe(TASK.old);
  });

  test('a fault after it finds the new task at its first instruction', () => {
    const { state } = runToHalt(taskGuest([NOP, ...FAR_JMP(TASK.next)], { ds: TASK.absent }), tier);
    expect(exceptionOf32(state)).toEqual({ vector: 11, errorCode: TASK.absent, rip: ENTRY });
    expect(state.processors[0].segments.tr.selector).toBe(TASK.next);
  });

  test('T gives a debug exception before the first instruction, TF after it', () => {
    const trapped = runToHalt(taskGuest(FAR_JMP(TASK.next), { trap: true }), tier).state;
    expect([trapped.processors[0].rip, trapped.processors[0].debug.dr6]).toEqual([
      BigInt(AT.handlers + 17),
      0xffff8ff0n,
    ]);
    const saved = (state: MachineState): readonly number[] => [
      ...state.memory.read(Number(state.processors[0].registers[4]), 4),
    ];
    expect(saved(trapped)).toEqual(little(ENTRY, 4));
    const stepped = runToHalt(taskGuest(FAR_JMP(TASK.next), { flags: 0x102 }), tier).state;
    expect(stepped.processors[0].debug.dr6).toBe(0xffff4ff0n);
    expect(saved(stepped)).toEqual(little(ENTRY + 1, 4));
  });
});

test('a pending task-switch trap survives a snapshot', () => {
  const start = taskGuest(FAR_JMP(TASK.next), { trap: true });
  const { state } = run(start, { maxInstructions: 1 });
  expect(state.processors[0].hidden.pendingDebug).toBe(1 << 15);
  const again = deserialize(serialize(state));
  if (!again.ok) throw new Error(again.fault.says);
  expect(runToHalt(again.value, 'oracle').state.processors[0].debug.dr6).toBe(0xffff8ff0n);
});

test('what a 16-bit task leaves open is a choice, preferred as processors do it', () => {
  const start = taskGuest([CLI, ...FAR_JMP(TASK.next)], { type: 1 });
  const memory = start.memory.write(TSS.next + 0x0e, Uint8Array.from([...little(0x7000, 2), 2, 0, 1, 0]));
  const segments = [0x10, 8, 0x10, 0x10, 0].flatMap((selector) => little(selector, 2));
  const ready = step({ ...start, memory: memory.write(TSS.next + 0x22, Uint8Array.from(segments)) }).state;
  const [first, second] = permittedChoices(ready);
  expect(step(ready, first).state.processors[0].registers[0]).toBe(0xffff0001n);
  expect(step(ready, second).state.processors[0].registers[0]).toBe(1n);
});
