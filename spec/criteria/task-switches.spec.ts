// Task switches that the hardware-assisted monitor makes are those of the bare processor.
import { expect, test } from 'vitest';
import type { MachineState } from '../../src/machine';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { little } from '../cpu/engine/paged-guest';
import { FAR_CALL, FAR_JMP, TASK, TSS, taskGuest } from '../cpu/engine/task-guest';
import { check } from './guests';

const [HLT, NOP, IRETD] = [0xf4, 0x90, 0xcf];
/** mov eax, 0xff; mov dr7, eax */
const ENABLE_BREAKPOINTS = [0xb8, 0xff, 0, 0, 0, 0x0f, 0x23, 0xf8];
/** mov eax, cr0; mov ebx, dr7; str cx */
const SHOW = [0x0f, 0x20, 0xc0, 0x0f, 0x21, 0xfb, 0x0f, 0x00, 0xc9];

/** A 16-bit task at 7000H, which halts. */
const task16 = (): MachineState => {
  const start = taskGuest([NOP, ...FAR_JMP(TASK.next)], { type: 1 });
  const selectors = [0x10, 8, 0x10, 0x10, 0].flatMap((selector) => little(selector, 2));
  const memory = start.memory
    .write(TSS.next + 0x0e, Uint8Array.from([...little(0x7000, 2), 2, 0, 1, 0]))
    .write(TSS.next + 0x22, Uint8Array.from(selectors))
    .write(0x7000, Uint8Array.of(HLT));
  return { ...start, memory };
};

const GUESTS: Readonly<Record<string, () => MachineState>> = {
  'JMP to a TSS': () => taskGuest([NOP, ...FAR_JMP(TASK.next)]),
  'JMP through a task gate': () => taskGuest([NOP, ...FAR_JMP(TASK.gate)]),
  'CALL and IRET, again and again': () =>
    taskGuest([0xb9, ...little(50, 4), ...FAR_CALL(TASK.next), 0xe2, 0xf7, HLT], {
      code: [0x40, IRETD, 0xeb, 0xfc],
    }),
  'CR0.TS, DR7 and TR after it': () =>
    taskGuest([...ENABLE_BREAKPOINTS, ...FAR_JMP(TASK.next)], { code: [...SHOW, HLT] }),
  'the T flag of the new TSS': () => taskGuest(FAR_JMP(TASK.next), { trap: true }),
  'TF in the flags of the new task': () => taskGuest(FAR_JMP(TASK.next), { flags: 0x102 }),
  'reserved bits in the flags of the new task': () =>
    taskGuest(FAR_JMP(TASK.next), { flags: 0x8000_802a, code: [0x9c, 0x58, HLT] }),
  'a TSS that is busy': () => taskGuest([NOP, ...FAR_JMP(TASK.next)], { type: 11 }),
  'a 16-bit task': task16,
};

test.each(Object.keys(GUESTS))('%s', async (name) => {
  const report = await check(GUESTS[name](), hardwareAssistedMonitor());
  expect(report.equivalence.divergence).toBeUndefined();
  expect(report.end.kind).toBe('stuck');
  expect(report.holds).toBe(true);
});
