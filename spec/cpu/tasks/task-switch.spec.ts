import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { boundaryEvent, deliver } from '../../../src/cpu/events';
import { ACCESS_RIGHTS, CR0, FLAG, SLOT } from '../../../src/cpu/slots';
import { execute, GDT, machine64, memoryAt, SELECTOR, STACK, TSS } from '../system/system-processor';
import {
  atUser,
  callTask,
  ENTRY,
  FIELD,
  FIELD16,
  fillTss16,
  jumpTask,
  LDT,
  NEW_STACK,
  NEW_TSS,
  newTss,
  oldTss,
  returnTask,
  SELECTORS,
  setSelector,
  setTaskVector,
  setTss,
  TASK,
  taskMachine,
  typeAt,
} from './task-machine';

type Machine = ReturnType<typeof taskMachine>;
const AVAILABLE = 9;
const BUSY = 11;

const segments = ({ cpu }: Machine): number[] => SELECTORS.map((_, i) => cpu.W[2 * (SLOT.es + i)]);
const exception = (vector: number, errorCode?: number): InterruptionEvent => ({
  vector,
  type: EVENT_TYPE.hardwareException,
  ...(errorCode === undefined ? {} : { errorCode }),
});

// SDM Vol. 3A, 8.3 Task Switching
describe('a task switch', () => {
  it('saves the old task and loads the new one', () => {
    const machine = taskMachine();
    const { cpu } = machine;
    for (let i = 0; i < 8; i++) if (i !== 4) cpu.R[i] = BigInt(0xa0000000 + i);
    cpu.rflags = BigInt(FLAG.cf | FLAG.if | 2);
    expect(jumpTask(machine)).toBeUndefined();

    expect(oldTss(machine, FIELD.eip)).toBe(0x1003n);
    expect(oldTss(machine, FIELD.flags)).toBe(BigInt(FLAG.cf | FLAG.if | 2));
    for (let i = 0; i < 8; i++)
      expect(oldTss(machine, FIELD.general + 4 * i)).toBe(i === 4 ? STACK : BigInt(0xa0000000 + i));
    const saved = SELECTORS.map((_, i) => Number(oldTss(machine, FIELD.selectors + 4 * i, 2)));
    expect(saved).toEqual([SELECTOR.data, SELECTOR.code, ...Array(4).fill(SELECTOR.data)]);

    expect([cpu.rip, cpu.nextRip, cpu.rflags]).toEqual([ENTRY, ENTRY, 0x202n]);
    for (let i = 0; i < 8; i++) expect(cpu.R[i]).toBe(i === 4 ? NEW_STACK : BigInt(0x1111 * (i + 1)));
    expect(segments(machine)).toEqual(SELECTORS);
    expect(cpu.W[2 * SLOT.gs + 1] & ACCESS_RIGHTS.unusable).not.toBe(0);
    expect([cpu.W[2 * SLOT.tr], cpu.R[SLOT.trBase]]).toEqual([TASK.next, NEW_TSS]);
    expect(cpu.W[2 * SLOT.tr + 1] & 15).toBe(BUSY);
    expect(cpu.W[2 * SLOT.cr0] & CR0.ts).not.toBe(0);
    expect(cpu.taskSwitched).toBe(false);
  });

  it('never writes what is static: stacks of inner levels, LDT, T and the map base', () => {
    const machine = taskMachine();
    for (let offset = 4; offset < 0x20; offset += 4)
      machine.memory.write(TSS + BigInt(offset), 4, 0x5a5a5a5an);
    for (const offset of [0x60, 0x64]) machine.memory.write(TSS + BigInt(offset), 4, 0x5a5a5a5an);
    callTask(machine);
    for (const offset of [4, 8, 0xc, 0x10, 0x14, 0x18, 0x1c, 0x60, 0x64])
      expect(oldTss(machine, offset)).toBe(0x5a5a5a5an);
    // The reserved halves of the selector fields stay too.
    machine.memory.write(TSS + 0x4an, 2, 0x77n);
    expect(oldTss(machine, 0x48)).toBe(0x770010n);
  });

  it('clears the local enables of DR7, not the global ones', () => {
    const machine = taskMachine();
    machine.cpu.R[SLOT.dr7] = 0x7ffn;
    jumpTask(machine);
    expect(machine.cpu.R[SLOT.dr7]).toBe(0x6aan);
  });

  it('a user may CALL and JMP to a TSS of DPL 3, and gets the CPL of the new task', () => {
    for (const go of [callTask, jumpTask]) {
      const machine = taskMachine();
      atUser(machine);
      setTss(machine, { dpl: 3 });
      expect(go(machine)).toBeUndefined();
      expect(machine.cpu.cpl).toBe(0);
    }
  });

  it('to a task at CPL 3', () => {
    const machine = taskMachine();
    for (const [segment, selector] of [
      [1, SELECTOR.userCode],
      [2, SELECTOR.userData],
      [0, SELECTOR.userData],
      [3, SELECTOR.userData],
      [4, 0],
    ])
      setSelector(machine, segment, selector);
    expect(jumpTask(machine)).toBeUndefined();
    expect([machine.cpu.cpl, machine.cpu.W[2 * SLOT.cs]]).toEqual([3, SELECTOR.userCode]);
  });

  it('loads the LDT first: the other selectors may be its own', () => {
    const machine = taskMachine();
    machine.memory.write(NEW_TSS + BigInt(FIELD.ldt), 2, BigInt(TASK.ldt));
    machine.memory.write(LDT + 8n, 8, 0x00cf_9200_0000_ffffn);
    setSelector(machine, 3, 0x0c);
    expect(jumpTask(machine)).toBeUndefined();
    expect([machine.cpu.W[2 * SLOT.ldtr], machine.cpu.R[SLOT.ldtrBase]]).toEqual([TASK.ldt, LDT]);
    expect(machine.cpu.W[2 * SLOT.ds]).toBe(0x0c);
    expect(machine.memory.read(LDT + 13n, 1)).toBe(0x93n);
  });

  it('to virtual-8086 mode loads segments without descriptors', () => {
    const machine = taskMachine();
    const { cpu, memory } = machine;
    memory.write(NEW_TSS + BigInt(FIELD.flags), 4, BigInt(FLAG.vm | FLAG.if | 2));
    SELECTORS.forEach((_, i) => {
      setSelector(machine, i, 0x1000 * (i + 1) + 1);
    });
    expect(jumpTask(machine)).toBeUndefined();
    expect([cpu.virtual8086, cpu.cpl]).toEqual([true, 3]);
    expect(cpu.R[SLOT.csBase]).toBe(0x20010n);
    expect([cpu.W[2 * SLOT.gsLimit], cpu.W[2 * SLOT.gs + 1]]).toEqual([0xffff, 0xf3]);
  });

  it('the T flag of the new TSS is a debug trap before its first instruction, with BT', () => {
    const machine = taskMachine();
    machine.memory.write(NEW_TSS + BigInt(FIELD.trap), 2, 1n);
    jumpTask(machine);
    expect(boundaryEvent(machine.cpu)).toMatchObject({ vector: VECTOR.db, debugStatus: 1 << 15 });
    expect(boundaryEvent(machine.cpu)).toBeUndefined();
  });

  it('RF of the new flags suppresses an instruction breakpoint', () => {
    const machine = taskMachine();
    const { cpu, memory } = machine;
    memory.write(NEW_TSS + BigInt(FIELD.flags), 4, BigInt(FLAG.rf | 2));
    cpu.R[SLOT.dr0] = ENTRY;
    cpu.R[SLOT.dr7] = 0x402n;
    jumpTask(machine);
    cpu.rip = cpu.nextRip;
    expect(boundaryEvent(cpu)).toBeUndefined();
  });

  it('loads CR3 while paging is on', () => {
    const machine = taskMachine();
    machine.memory.write(NEW_TSS + 0x1cn, 4, 0x77000n);
    jumpTask(machine);
    expect(machine.cpu.R[SLOT.cr3]).toBe(0n);
    const paged = taskMachine();
    paged.memory.write(NEW_TSS + 0x1cn, 4, 0x77000n);
    paged.cpu.W[2 * SLOT.cr0] |= CR0.pg;
    jumpTask(paged);
    expect(paged.cpu.R[SLOT.cr3]).toBe(0x77000n);
    expect(paged.memory.flushes).toBeGreaterThan(0);
  });
});

// SDM Vol. 3A, 8.4 Task Linking
describe('busy flag, NT and link', () => {
  it('JMP clears the old busy flag and leaves NT and the link', () => {
    const machine = taskMachine();
    machine.memory.write(NEW_TSS, 2, 0x1234n);
    jumpTask(machine);
    expect([typeAt(machine, TASK.current), typeAt(machine, TASK.next)]).toEqual([AVAILABLE, BUSY]);
    expect([machine.cpu.flag(FLAG.nt), newTss(machine, 0, 2)]).toEqual([false, 0x1234n]);
  });

  it('JMP takes NT from the new flags', () => {
    const machine = taskMachine();
    machine.memory.write(NEW_TSS + BigInt(FIELD.flags), 4, BigInt(FLAG.nt | 2));
    jumpTask(machine);
    expect(machine.cpu.flag(FLAG.nt)).toBe(true);
  });

  it('CALL keeps the old busy flag, sets NT in the register alone, and writes the link', () => {
    const machine = taskMachine();
    callTask(machine);
    expect([typeAt(machine, TASK.current), typeAt(machine, TASK.next)]).toEqual([BUSY, BUSY]);
    expect(machine.cpu.flag(FLAG.nt)).toBe(true);
    expect([newTss(machine, 0, 2), newTss(machine, FIELD.flags)]).toEqual([BigInt(TASK.current), 0x202n]);
  });

  it('IRET with NT goes back: old available, NT of its image clear, new still busy', () => {
    const machine = taskMachine();
    setTss(machine, { type: BUSY });
    expect(returnTask(machine)).toBeUndefined();
    expect([typeAt(machine, TASK.current), typeAt(machine, TASK.next)]).toEqual([AVAILABLE, BUSY]);
    expect(oldTss(machine, FIELD.flags)).toBe(2n);
    expect([machine.cpu.rip, machine.cpu.flag(FLAG.nt)]).toEqual([ENTRY, false]);
  });

  it('CALL and IRET are there and back', () => {
    const machine = taskMachine();
    const { cpu } = machine;
    cpu.R[SLOT.rbx] = 0xabcdn;
    callTask(machine);
    cpu.rip = ENTRY;
    expect(execute(machine, 'iret', [], { operandWidth: 32 })).toBeUndefined();
    expect([cpu.rip, cpu.R[SLOT.rbx], cpu.R[SLOT.rsp]]).toEqual([0x1003n, 0xabcdn, STACK]);
    expect([typeAt(machine, TASK.current), typeAt(machine, TASK.next)]).toEqual([BUSY, AVAILABLE]);
    // What the interrupted task finds the next time.
    expect(newTss(machine, FIELD.eip)).toBe(ENTRY + 3n);
  });

  it('IRET ends blocking by NMI, also when it switches tasks', () => {
    const machine = taskMachine();
    setTss(machine, { type: BUSY });
    machine.cpu.blockingByNmi = true;
    returnTask(machine);
    expect([machine.cpu.blockingByNmi, machine.cpu.nmiUnblocked]).toEqual([false, false]);
  });
});

// SDM Vol. 3A, 8.6 16-Bit Task-State Segment (TSS)
describe('16-bit tasks', () => {
  const ready = (): Machine => {
    const machine = taskMachine();
    fillTss16(machine);
    setTss(machine, { type: 1, limit: 0x2b, selector: TASK.next16 });
    return machine;
  };

  it('load 16 bits of each register; bits 31:16 are ones, FS and GS null', () => {
    const machine = ready();
    const { cpu } = machine;
    cpu.rflags = BigInt(FLAG.ac | 2);
    expect(jumpTask(machine, TASK.next16)).toBeUndefined();
    expect([cpu.rip, cpu.R[0], cpu.R[4]]).toEqual([ENTRY, 0xffff1111n, 0xffff8000n]);
    expect([cpu.W[2 * SLOT.fs], cpu.W[2 * SLOT.gs], cpu.rflags]).toEqual([0, 0, 0x202n]);
    expect(cpu.W[2 * SLOT.tr + 1] & 15).toBe(3);
    expect(typeAt(machine, TASK.next16)).toBe(3);
  });

  it('save 16 bits of each register', () => {
    const machine = ready();
    const { cpu } = machine;
    callTask(machine, TASK.next16);
    cpu.R[SLOT.rax] = 0x12345678n;
    cpu.rip = 0x7000n;
    expect(execute(machine, 'iret', [], { operandWidth: 16 })).toBeUndefined();
    expect([newTss(machine, FIELD16.general, 2), newTss(machine, FIELD16.ip, 2)]).toEqual([0x5678n, 0x7003n]);
    expect(newTss(machine, FIELD16.flags, 2)).toBe(0x202n);
    expect(typeAt(machine, TASK.next16)).toBe(1);
    expect(cpu.W[2 * SLOT.tr]).toBe(TASK.current);
  });

  it('push an error code of 16 bits', () => {
    const machine = ready();
    setTaskVector(machine, VECTOR.gp, TASK.next16);
    expect(deliver(machine.cpu, exception(VECTOR.gp, 0x1234))).toBe('delivered');
    expect(machine.cpu.R[4]).toBe(0xffff7ffen);
    expect(machine.memory.read(0xffff7ffen, 2)).toBe(0x1234n);
  });

  it('keep CR3 and know no T flag', () => {
    const machine = ready();
    machine.cpu.W[2 * SLOT.cr0] |= CR0.pg;
    machine.cpu.R[SLOT.cr3] = 0x5000n;
    jumpTask(machine, TASK.next16);
    expect([machine.cpu.R[SLOT.cr3], machine.cpu.pendingDebug]).toEqual([0x5000n, 0]);
  });
});

// SDM Vol. 3A, 6.12.2 Interrupt Tasks
describe('task gates', () => {
  it('of the GDT for CALL and JMP', () => {
    for (const go of [callTask, jumpTask]) {
      const machine = taskMachine();
      expect(go(machine, TASK.gate)).toBeUndefined();
      expect([machine.cpu.rip, machine.cpu.W[2 * SLOT.tr]]).toEqual([ENTRY, TASK.next]);
    }
  });

  it('of the IDT: an exception pushes its error code on the new stack and saves RF', () => {
    const machine = taskMachine();
    setTaskVector(machine, VECTOR.gp);
    expect(deliver(machine.cpu, exception(VECTOR.gp, 0x18))).toBe('delivered');
    expect([machine.cpu.rip, machine.cpu.R[SLOT.rsp]]).toEqual([ENTRY, NEW_STACK - 4n]);
    expect(machine.memory.read(NEW_STACK - 4n, 4)).toBe(0x18n);
    expect([oldTss(machine, FIELD.eip), oldTss(machine, FIELD.flags)]).toEqual([
      0x1000n,
      BigInt(FLAG.rf | 2),
    ]);
    expect([machine.cpu.flag(FLAG.nt), newTss(machine, 0, 2)]).toEqual([true, BigInt(TASK.current)]);
  });

  it('of the IDT: INT n saves the next instruction; interrupts leave IF to the new task', () => {
    const machine = taskMachine();
    setTaskVector(machine, 0x40);
    deliver(machine.cpu, { vector: 0x40, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 });
    expect([oldTss(machine, FIELD.eip), oldTss(machine, FIELD.flags)]).toEqual([0x1002n, 2n]);
    expect([machine.cpu.R[SLOT.rsp], machine.cpu.flag(FLAG.if)]).toEqual([NEW_STACK, true]);
  });

  it('of the IDT: an interrupt of a user needs no DPL, INT n does', () => {
    const machine = taskMachine();
    atUser(machine);
    setTaskVector(machine, 0x40);
    setTaskVector(machine, VECTOR.gp);
    deliver(machine.cpu, { vector: 0x40, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 });
    expect(machine.memory.read(NEW_STACK - 4n, 4)).toBe(0x40n * 8n + 2n);
    const other = taskMachine();
    atUser(other);
    setTaskVector(other, 0x40);
    expect(deliver(other.cpu, { vector: 0x40, type: EVENT_TYPE.externalInterrupt })).toBe('delivered');
    expect(other.cpu.R[SLOT.rsp]).toBe(NEW_STACK);
  });

  it('of the IDT: the error code does not fit: #SS of the new task with EXT', () => {
    const machine = taskMachine();
    setTaskVector(machine, VECTOR.gp);
    machine.memory.write(NEW_TSS + BigInt(FIELD.general + 16), 4, 2n);
    setTss(machine, { selector: TASK.next16 });
    setTaskVector(machine, VECTOR.df, TASK.next16);
    // #SS in the delivery of #GP is #DF, whose task has a stack again.
    machine.memory.write(GDT + BigInt(TASK.next16), 8, 0x0000_8903_a000_0067n);
    machine.memory.load(0x3a000n, machine.memory.dump(NEW_TSS, 0x68));
    machine.memory.write(0x3a000n + BigInt(FIELD.general + 16), 4, NEW_STACK);
    expect(deliver(machine.cpu, exception(VECTOR.gp, 0))).toBe('delivered');
    expect(machine.cpu.W[2 * SLOT.tr]).toBe(TASK.next16);
    // The second switch saved the state of the first new task.
    expect(newTss(machine, FIELD.eip)).toBe(ENTRY);
    expect(machine.memory.read(0x3a000n, 2)).toBe(BigInt(TASK.next));
  });
});

// SDM Vol. 3A, 8.7 Task Management in 64-bit Mode
describe('IA-32e mode', () => {
  it('has no task switches: a TSS or task gate is #GP', () => {
    for (const mnemonic of ['call_far', 'jmp_far']) {
      const machine = machine64();
      machine.memory.write(GDT + BigInt(SELECTOR.ldt), 8, (BigInt(SELECTOR.tss) << 16n) | (0x85n << 40n));
      for (const selector of [SELECTOR.tss, SELECTOR.ldt]) {
        machine.memory.write(0x2004n, 2, BigInt(selector));
        const left = execute(machine, mnemonic, [memoryAt(0x2000n, 48)]);
        expect(left).toMatchObject({ vector: VECTOR.gp, errorCode: selector });
      }
    }
  });
});
