import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import type { ProcessorDraft } from '../../../src/cpu/processor-draft';
import { ACCESS_RIGHTS, FLAG, SLOT } from '../../../src/cpu/slots';
import { NEW_TASK_CHECKS } from '../../../src/cpu/tasks';
import type { TaskSwitchAttempt, Virtualization } from '../../../src/cpu/virtualization';
import { GP, NP, SS, TS } from '../faults';
import { GDT, SELECTOR, STACK, setGate, stackWords, TSS } from '../system/system-processor';
import {
  atUser,
  callTask,
  ENTRY,
  FIELD,
  jumpTask,
  NEW_TSS,
  oldTss,
  returnTask,
  setSelector,
  setTaskGate,
  setTaskVector,
  setTss,
  TASK,
  taskMachine,
  typeAt,
} from './task-machine';

type Machine = ReturnType<typeof taskMachine>;

const interrupt: InterruptionEvent = {
  vector: 0x40,
  type: EVENT_TYPE.softwareInterrupt,
  instructionLength: 2,
};
const external: InterruptionEvent = { vector: 0x40, type: EVENT_TYPE.externalInterrupt };

/** Nothing of the switch has happened. */
const expectOldTask = (machine: Machine): void => {
  const { cpu } = machine;
  expect([cpu.W[2 * SLOT.tr], cpu.W[2 * SLOT.cs], cpu.R[SLOT.rsp]]).toEqual([
    TASK.current,
    SELECTOR.code,
    STACK,
  ]);
  expect(typeAt(machine, TASK.current)).toBe(11);
  expect(oldTss(machine, FIELD.eip)).toBe(0n);
  expect(cpu.taskSwitched).toBe(false);
};

// SDM Vol. 3A, Table 8-1 Exception Conditions Checked During a Task Switch
describe('the new TSS is refused before anything has changed', () => {
  const rows: readonly (readonly [string, (machine: Machine) => void, object])[] = [
    ['busy', (machine) => setTss(machine, { type: 11 }), GP(TASK.next)],
    ['not present', (machine) => setTss(machine, { present: false }), NP(TASK.next)],
    ['a limit of 66H', (machine) => setTss(machine, { limit: 0x66 }), TS(TASK.next)],
    ['16-bit with a limit of 2AH', (machine) => setTss(machine, { type: 1, limit: 0x2a }), TS(TASK.next)],
    [
      'an old TSS too small for the state',
      ({ cpu }) => {
        cpu.R[SLOT.trLimit] = 0x5cn;
      },
      TS(TASK.current),
    ],
    [
      'an old TSS that cannot be written',
      ({ memory }) => memory.readOnly.add(TSS >> 12n),
      { vector: VECTOR.pf, errorCode: 3, address: TSS + 0x20n },
    ],
    [
      'a new TSS that is absent',
      ({ memory }) => memory.absent.add(NEW_TSS >> 12n),
      { vector: VECTOR.pf, errorCode: 0 },
    ],
    [
      'a GDT that cannot be written',
      ({ memory }) => memory.readOnly.add(GDT >> 12n),
      { vector: VECTOR.pf, errorCode: 3 },
    ],
  ];
  it.each(rows)('%s', (_, prepare, expected) => {
    for (const go of [callTask, jumpTask])
      for (const selector of [TASK.next, TASK.gate]) {
        const machine = taskMachine();
        prepare(machine);
        expect(go(machine, selector)).toMatchObject(expected);
        machine.memory.readOnly.clear();
        expectOldTask(machine);
      }
  });

  it('the link of the new TSS is written by CALL alone', () => {
    const machine = taskMachine();
    machine.memory.readOnly.add(NEW_TSS >> 12n);
    expect(callTask(machine)).toMatchObject({ vector: VECTOR.pf, errorCode: 3, address: NEW_TSS });
    expectOldTask(machine);
    expect(jumpTask(machine)).toBeUndefined();
  });

  it('a selector beyond the table, or of the LDT', () => {
    const machine = taskMachine();
    expect(jumpTask(machine, 0x200)).toMatchObject(GP(0x200));
    expect(jumpTask(machine, TASK.next | 4)).toMatchObject(GP(TASK.next | 4));
    for (const selector of [0x200, TASK.next | 4, 0, SELECTOR.data]) {
      setTaskGate(machine, { selector });
      expect(jumpTask(machine, TASK.gate)).toMatchObject(GP(selector));
    }
    expectOldTask(machine);
  });

  it('a TSS in the LDT is none', () => {
    const machine = taskMachine();
    const { cpu, memory } = machine;
    cpu.W[2 * SLOT.ldtr + 1] = 0x82;
    cpu.R[SLOT.ldtrLimit] = 0xffn;
    cpu.R[SLOT.ldtrBase] = 0x3c000n;
    memory.write(0x3c008n, 8, memory.read(GDT + BigInt(TASK.next), 8));
    expect(jumpTask(machine, 0x0c)).toMatchObject(GP(0x0c));
  });
});

// SDM Vol. 2, CALL, JMP: TASK-GATE and TASK-STATE-SEGMENT
describe('privilege', () => {
  it('CPL and RPL must not exceed the DPL of the TSS', () => {
    const machine = taskMachine();
    expect(jumpTask(machine, TASK.next | 1)).toMatchObject(GP(TASK.next));
    atUser(machine);
    expect(callTask(machine)).toMatchObject(GP(TASK.next));
  });

  it('nor that of a task gate; then the DPL of the TSS does not matter', () => {
    const machine = taskMachine();
    expect(jumpTask(machine, TASK.gate | 1)).toMatchObject(GP(TASK.gate));
    atUser(machine);
    expect(callTask(machine, TASK.gate)).toMatchObject(GP(TASK.gate));
    setTaskGate(machine, { dpl: 3 });
    expect(callTask(machine, TASK.gate)).toBeUndefined();
  });

  it('a task gate that is not present is #NP of the gate, after its DPL', () => {
    const machine = taskMachine();
    setTaskGate(machine, { present: false });
    expect(jumpTask(machine, TASK.gate)).toMatchObject(NP(TASK.gate));
    expect(jumpTask(machine, TASK.gate | 3)).toMatchObject(GP(TASK.gate));
  });
});

// SDM Vol. 2, IRET: TASK-RETURN
describe('IRET to the previous task', () => {
  const rows: readonly (readonly [string, number, (machine: Machine) => void, object])[] = [
    ['link of the LDT', TASK.next | 4, () => {}, TS(TASK.next | 4)],
    ['link beyond the table', 0x200, () => {}, TS(0x200)],
    ['null link', 0, () => {}, TS(0)],
    ['link to data', SELECTOR.data, () => {}, TS(SELECTOR.data)],
    ['link to a TSS that is not busy', TASK.next, () => {}, TS(TASK.next)],
    ['link to an absent TSS', TASK.next, (m) => setTss(m, { type: 11, present: false }), NP(TASK.next)],
    ['link to a small TSS', TASK.next, (m) => setTss(m, { type: 11, limit: 0x66 }), TS(TASK.next)],
  ];
  it.each(rows)('%s', (_, link, prepare, expected) => {
    const machine = taskMachine();
    prepare(machine);
    expect(returnTask(machine, link)).toMatchObject(expected);
    expectOldTask(machine);
    expect(machine.cpu.flag(FLAG.nt)).toBe(true);
  });

  it('a TSS without room for its link', () => {
    const machine = taskMachine();
    machine.cpu.R[SLOT.trLimit] = 0n;
    expect(returnTask(machine)).toMatchObject(TS(TASK.current));
  });
});

// SDM Vol. 2, INT n: TASK-GATE
describe('task gates of the IDT', () => {
  /** The error code that the handler of a fault finds; its gate is an interrupt gate. */
  const refused = (machine: Machine, vector: number, event: InterruptionEvent): bigint => {
    setGate(machine, vector);
    expect(deliver(machine.cpu, event)).toBe('delivered');
    expect(machine.cpu.rip).toBe(0x9000n);
    return stackWords(machine, 1, 4)[0];
  };
  const rows: readonly (readonly [string, (machine: Machine) => void, number, number])[] = [
    ['a busy TSS', (m) => setTss(m, { type: 11 }), VECTOR.gp, TASK.next],
    ['a TSS that is absent', (m) => setTss(m, { present: false }), VECTOR.np, TASK.next],
    ['a small TSS', (m) => setTss(m, { limit: 0x66 }), VECTOR.ts, TASK.next],
    ['a selector of the LDT', (m) => setTaskVector(m, 0x40, TASK.next | 4), VECTOR.gp, TASK.next | 4],
    ['a selector beyond the table', (m) => setTaskVector(m, 0x40, 0x200), VECTOR.gp, 0x200],
    ['no TSS', (m) => setTaskVector(m, 0x40, SELECTOR.data), VECTOR.gp, SELECTOR.data],
  ];
  it.each(rows)('%s', (_, prepare, vector, errorCode) => {
    for (const event of [interrupt, external]) {
      const machine = taskMachine();
      setTaskVector(machine, 0x40);
      prepare(machine);
      expect(refused(machine, vector, event)).toBe(BigInt(errorCode | (event === external ? 1 : 0)));
    }
  });
});

type Broken = readonly [says: string, prepare: (machine: Machine) => void, expected: object];

const put =
  (segment: number, selector: number) =>
  (machine: Machine): void =>
    setSelector(machine, segment, selector);
const putTable =
  (selector: number) =>
  ({ memory }: Machine): void =>
    memory.write(NEW_TSS + BigInt(FIELD.ldt), 2, BigInt(selector));
const [ES, CS, STACK_SEGMENT, DS] = [0, 1, 2, 3];
const user = SELECTOR.userData & ~3;

/** One way to break each check, by the rows of the table. */
const BROKEN: Readonly<Record<keyof typeof NEW_TASK_CHECKS, readonly Broken[]>> = {
  ldtr: [
    ['names an LDT of the GDT', putTable(SELECTOR.data), TS(SELECTOR.data)],
    ['is present', putTable(TASK.absentLdt), TS(TASK.absentLdt)],
  ],
  stack: [
    ['is not null', put(STACK_SEGMENT, 0), TS(0)],
    ['is writable data', put(STACK_SEGMENT, SELECTOR.readOnly), TS(SELECTOR.readOnly)],
    ['is present', put(STACK_SEGMENT, SELECTOR.absent), SS(SELECTOR.absent)],
    ['has the CPL as DPL', put(STACK_SEGMENT, user), TS(user)],
    ['has the CPL as RPL', put(STACK_SEGMENT, SELECTOR.data | 1), TS(SELECTOR.data)],
  ],
  code: [
    ['is not null', put(CS, 0), TS(0)],
    ['is code', put(CS, SELECTOR.data), TS(SELECTOR.data)],
    ['has the RPL as DPL, or a lower one if conforming', put(CS, TASK.conforming3), TS(TASK.conforming3)],
    ['is present', put(CS, SELECTOR.absentCode), NP(SELECTOR.absentCode)],
  ],
  data: [
    ['is readable', put(DS, TASK.executeOnly), TS(TASK.executeOnly)],
    ['is visible at this CPL and RPL', put(DS, SELECTOR.data | 3), TS(SELECTOR.data)],
    ['is present', put(ES, SELECTOR.absent), NP(SELECTOR.absent)],
  ],
};
const CASES = Object.entries(BROKEN).flatMap(([of, rows]) => rows.map((row) => [of, ...row] as const));

// SDM Vol. 3A, 8.3 Task Switching: after the commit point
describe('a segment of the new task is refused in the new task', () => {
  it('every check has a case', () => {
    for (const [of, checks] of Object.entries(NEW_TASK_CHECKS))
      expect(BROKEN[of as keyof typeof BROKEN].map(([says]) => says)).toEqual(checks.map(({ says }) => says));
  });

  it.each(CASES)('%s %s', (_, __, prepare, expected) => {
    const machine = taskMachine();
    const { cpu } = machine;
    prepare(machine);
    expect(jumpTask(machine)).toMatchObject(expected);
    expect([cpu.W[2 * SLOT.tr], cpu.rip, cpu.taskSwitched]).toEqual([TASK.next, ENTRY, true]);
    expect([typeAt(machine, TASK.current), typeAt(machine, TASK.next)]).toEqual([9, 11]);
    expect(oldTss(machine, FIELD.eip)).toBe(0x1003n);
  });

  it('an LDT selector with TI, or beyond the GDT', () => {
    for (const selector of [TASK.ldt | 4, 0x200]) {
      const machine = taskMachine();
      putTable(selector)(machine);
      expect(jumpTask(machine)).toMatchObject(TS(selector));
    }
  });

  it('a selector beyond its table', () => {
    for (const segment of [CS, STACK_SEGMENT, DS, 4, 5]) {
      const machine = taskMachine();
      setSelector(machine, segment, 0x200);
      expect(jumpTask(machine)).toMatchObject(TS(0x200));
    }
  });

  it('what was checked before is loaded, the rest is a selector that cannot be used', () => {
    const machine = taskMachine();
    const { cpu } = machine;
    setSelector(machine, DS, SELECTOR.absent);
    expect(jumpTask(machine)).toMatchObject(NP(SELECTOR.absent));
    const usable = [0, 1, 2, 3, 4].map((i) => (cpu.W[2 * (SLOT.es + i) + 1] & ACCESS_RIGHTS.unusable) === 0);
    expect(usable).toEqual([true, true, true, false, false]);
    expect([cpu.W[2 * SLOT.ds], cpu.W[2 * SLOT.fs]]).toEqual([SELECTOR.absent, SELECTOR.data]);
  });

  it('nonconforming code of another DPL', () => {
    const machine = taskMachine();
    setSelector(machine, CS, SELECTOR.userCode & ~3);
    expect(jumpTask(machine)).toMatchObject(TS(SELECTOR.userCode & ~3));
  });

  it('EIP beyond the limit of CS is #GP(0)', () => {
    const machine = taskMachine();
    machine.memory.write(GDT + BigInt(SELECTOR.code), 8, 0x0040_9b00_0000_5fffn);
    expect(jumpTask(machine)).toMatchObject(GP(0));
    expect(machine.cpu.taskSwitched).toBe(true);
  });

  it('through a gate of the IDT the error code has EXT, and the fault combines with the event', () => {
    const machine = taskMachine();
    setTaskVector(machine, 0x40);
    setGate(machine, VECTOR.np);
    setSelector(machine, DS, SELECTOR.absent);
    expect(deliver(machine.cpu, external)).toBe('delivered');
    expect(stackWords(machine, 2, 4)).toEqual([BigInt(SELECTOR.absent | 1), ENTRY]);
    expect([machine.cpu.W[2 * SLOT.tr], machine.cpu.taskSwitched]).toEqual([TASK.next, false]);
  });
});

// SDM Vol. 3C, 26.4.2 Treatment of Task Switches
describe('in VMX non-root operation', () => {
  const guest = (): { readonly machine: Machine; readonly attempts: TaskSwitchAttempt[] } => {
    const machine = taskMachine();
    const attempts: TaskSwitchAttempt[] = [];
    machine.cpu.nonRoot = true;
    machine.cpu.virtualization = {
      interceptTaskSwitch: (cpu: ProcessorDraft, attempt: TaskSwitchAttempt) => {
        attempts.push(attempt);
        cpu.leave('task switch');
      },
      interceptEvent: () => {},
      unblockNmi: () => false,
      performExit: () => {},
    } as unknown as Virtualization;
    return { machine, attempts };
  };

  it('CALL, JMP, IRET and the IDT ask before anything has happened', () => {
    const { machine, attempts } = guest();
    callTask(machine);
    jumpTask(machine, TASK.gate);
    setTss(machine, { type: 11 });
    returnTask(machine);
    setTss(machine);
    setTaskVector(machine, 0x40);
    expect(deliver(machine.cpu, external)).toBe('exited');
    expect(attempts).toEqual([
      { source: 'call', selector: TASK.next, length: 3 },
      { source: 'jmp', selector: TASK.next, length: 3 },
      { source: 'iret', selector: TASK.next, length: 3 },
      { source: 'gate', selector: TASK.next, length: undefined },
    ]);
    expectOldTask(machine);
  });

  it('but the checks of gate and TSS come first', () => {
    const { machine, attempts } = guest();
    for (const [set, expected] of [
      [{ type: 11 }, GP(TASK.next)],
      [{ present: false }, NP(TASK.next)],
      [{ limit: 0x66 }, TS(TASK.next)],
    ] as const) {
      setTss(machine, set);
      expect(jumpTask(machine)).toMatchObject(expected);
    }
    expect(attempts).toEqual([]);
  });
});
