import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { CR4, FLAG, SLOT } from '../../../src/cpu/slots';
import {
  asUser,
  INTERRUPT_STACK,
  KERNEL_STACK,
  machine64,
  SELECTOR,
  STACK,
  setGate,
  stackWords,
} from '../system/system-processor';

const exception = (vector: number, errorCode?: number): InterruptionEvent => ({
  vector,
  type: EVENT_TYPE.hardwareException,
  ...(errorCode === undefined ? {} : { errorCode }),
});
const software = (vector: number): InterruptionEvent => ({
  vector,
  type: EVENT_TYPE.softwareInterrupt,
  instructionLength: 2,
});
const GP_GATE = VECTOR.gp * 8 + 2;

// SDM Vol. 3A, 6.14 Exception and Interrupt Handling in 64-bit Mode
describe('delivery in 64-bit mode', () => {
  it('pushes SS, RSP, RFLAGS, CS, RIP and the error code on an aligned stack', () => {
    const machine = machine64();
    const { cpu } = machine;
    setGate(machine, VECTOR.gp, { offset: 0xffff8000_00009000n });
    cpu.R[SLOT.rsp] = STACK - 4n;
    cpu.rflags = BigInt(FLAG.if | FLAG.tf | FLAG.nt | FLAG.ac | FLAG.cf | 2);
    const flags = cpu.rflags;
    expect(deliver(cpu, exception(VECTOR.gp, 0x18))).toBe('delivered');
    expect(stackWords(machine, 6)).toEqual([
      0x18n,
      0x1000n,
      BigInt(SELECTOR.code),
      flags | BigInt(FLAG.rf),
      STACK - 4n,
      BigInt(SELECTOR.data),
    ]);
    expect(cpu.R[SLOT.rsp]).toBe(STACK - 16n - 48n);
    expect(cpu.rip).toBe(0xffff8000_00009000n);
    expect(cpu.rflags).toBe(BigInt(FLAG.ac | FLAG.cf | 2));
    expect(cpu.W[2 * SLOT.ss]).toBe(SELECTOR.data);
  });

  it('a trap gate leaves IF, and an interrupt pushes RF as it is', () => {
    const machine = machine64();
    setGate(machine, 0x30, { rights: 0x8f });
    machine.cpu.rflags = BigInt(FLAG.if | 2);
    deliver(machine.cpu, { vector: 0x30, type: EVENT_TYPE.externalInterrupt });
    expect(stackWords(machine, 3)[2]).toBe(BigInt(FLAG.if | 2));
    expect(machine.cpu.flag(FLAG.if)).toBe(true);
  });

  it('changes to RSP0 with a null SS when CPL changes', () => {
    const machine = machine64();
    const { cpu } = machine;
    asUser(machine);
    setGate(machine, 0x80, { rights: 0xee });
    expect(deliver(cpu, software(0x80))).toBe('delivered');
    expect(cpu.cpl).toBe(0);
    expect(cpu.W[2 * SLOT.ss]).toBe(0);
    expect(cpu.R[SLOT.rsp]).toBe(KERNEL_STACK - 40n);
    expect(stackWords(machine, 5)).toEqual([
      0x1002n,
      BigInt(SELECTOR.userCode),
      2n,
      STACK,
      BigInt(SELECTOR.userData),
    ]);
  });

  it('uses the interrupt stack table at any CPL and then keeps SS', () => {
    const machine = machine64();
    setGate(machine, VECTOR.df, { interruptStack: 1 });
    expect(deliver(machine.cpu, exception(VECTOR.df, 0))).toBe('delivered');
    expect(machine.cpu.R[SLOT.rsp]).toBe(INTERRUPT_STACK - 48n);
    expect(machine.cpu.W[2 * SLOT.ss]).toBe(SELECTOR.data);
  });

  it('a page fault loads CR2 before its handler; an injected one does not', () => {
    const machine = machine64();
    const { cpu } = machine;
    setGate(machine, VECTOR.pf);
    deliver(cpu, { ...exception(VECTOR.pf, 2), address: 0x1234n });
    expect(cpu.R[SLOT.cr2]).toBe(0x1234n);
    deliver(cpu, { ...exception(VECTOR.pf, 2), address: 0x5678n, injected: true });
    expect(cpu.R[SLOT.cr2]).toBe(0x1234n);
  });

  it('#DB updates DR6 and clears DR7.GD', () => {
    const machine = machine64();
    const { cpu } = machine;
    setGate(machine, VECTOR.db);
    cpu.R[SLOT.dr6] = 0xffff4ff2n;
    cpu.R[SLOT.dr7] = 0x2400n;
    deliver(cpu, { ...exception(VECTOR.db), debugStatus: 1 });
    expect(cpu.R[SLOT.dr6]).toBe(0xffff4ff1n);
    expect(cpu.R[SLOT.dr7]).toBe(0x400n);
  });

  it('an NMI blocks NMIs, ends the shadows and wakes a halted processor', () => {
    const machine = machine64();
    const { cpu } = machine;
    setGate(machine, VECTOR.nmi);
    cpu.activity = ACTIVITY.hlt;
    cpu.blockingBySti = true;
    deliver(cpu, { vector: VECTOR.nmi, type: EVENT_TYPE.nmi });
    expect([cpu.blockingByNmi, cpu.blockingBySti, cpu.activity]).toEqual([true, false, ACTIVITY.active]);
  });
});

// SDM Vol. 3A, 6.13 Error Code: the faults of a delivery, seen as the error code that a working #GP, #NP, #SS or #TS gate pushes
describe('faults of a delivery', () => {
  type Row = readonly [
    what: string,
    gate: Parameters<typeof setGate>[2],
    event: InterruptionEvent,
    vector: number,
    errorCode: number,
  ];
  const rows: readonly Row[] = [
    ['gate type', { rights: 0x85 }, software(0x40), VECTOR.gp, 0x202],
    ['gate type, external', { rights: 0x85 }, { vector: 0x40, type: 0 }, VECTOR.gp, 0x203],
    ['gate not present', { rights: 0x0e }, software(0x40), VECTOR.np, 0x202],
    ['null code selector', { selector: 0 }, software(0x40), VECTOR.gp, 0],
    ['null code selector, external', { selector: 0 }, exception(0x40), VECTOR.gp, 1],
    ['selector beyond the table', { selector: SELECTOR.beyond }, software(0x40), VECTOR.gp, 0x400],
    ['data selector', { selector: SELECTOR.data }, software(0x40), VECTOR.gp, 0x10],
    ['32-bit code', { selector: SELECTOR.code32 }, software(0x40), VECTOR.gp, 0x28],
    ['outer code', { selector: SELECTOR.userCode }, software(0x40), VECTOR.gp, 0x18],
    ['code not present', { selector: SELECTOR.absentCode }, software(0x40), VECTOR.np, 0x50],
    ['non-canonical handler', { offset: 0x8000_0000_0000n }, software(0x40), VECTOR.gp, 0],
  ];
  it.each(rows)('%s', (_, gate, event, vector, errorCode) => {
    const machine = machine64();
    for (const good of [VECTOR.ts, VECTOR.np, VECTOR.ss, VECTOR.gp])
      setGate(machine, good, { offset: BigInt(0x9000 + good) });
    setGate(machine, 0x40, gate);
    expect(deliver(machine.cpu, event)).toBe('delivered');
    expect(machine.cpu.rip).toBe(BigInt(0x9000 + vector));
    const [code, rip] = stackWords(machine, 2);
    expect(code).toBe(BigInt(errorCode));
    expect(rip).toBe(0x1000n);
  });

  it('a software interrupt through a gate of a lower DPL', () => {
    const machine = machine64();
    asUser(machine);
    setGate(machine, VECTOR.gp);
    setGate(machine, 0x40, { rights: 0x8e });
    deliver(machine.cpu, software(0x40));
    expect(stackWords(machine, 1)[0]).toBe(0x202n);
  });

  it('a vector beyond the IDT', () => {
    const machine = machine64();
    setGate(machine, VECTOR.gp);
    machine.cpu.R[SLOT.idtrLimit] = BigInt(0x40 * 16 - 1);
    deliver(machine.cpu, software(0x40));
    expect(stackWords(machine, 1)[0]).toBe(0x202n);
  });

  it('a TSS too short gives #TS with the selector of TR', () => {
    const machine = machine64();
    setGate(machine, VECTOR.ts);
    setGate(machine, 0x40, { interruptStack: 7 });
    machine.cpu.R[SLOT.trLimit] = 0x30n;
    deliver(machine.cpu, software(0x40));
    expect(stackWords(machine, 1)[0]).toBe(BigInt(SELECTOR.tss));
  });

  it('a non-canonical stack gives #SS', () => {
    const machine = machine64();
    setGate(machine, VECTOR.ss, { interruptStack: 1 });
    setGate(machine, 0x40);
    machine.cpu.R[SLOT.rsp] = 0x8000_0000_0010n;
    deliver(machine.cpu, software(0x40));
    expect(machine.cpu.R[SLOT.rsp]).toBe(INTERRUPT_STACK - 48n);
    expect(stackWords(machine, 1)[0]).toBe(0n);
  });
});

// SDM Vol. 3A, Table 6-5 Conditions for Generating a Double Fault
describe('nested faults', () => {
  it('a contributory fault in the delivery of another becomes #DF', () => {
    const machine = machine64();
    setGate(machine, VECTOR.df, { interruptStack: 1 });
    expect(deliver(machine.cpu, exception(VECTOR.gp, 0x18))).toBe('delivered');
    expect(stackWords(machine, 2)).toEqual([0n, 0x1000n]);
  });

  it('a page fault in the delivery of a page fault becomes #DF and CR2 shows the last', () => {
    const machine = machine64();
    const { cpu, memory } = machine;
    setGate(machine, VECTOR.df, { interruptStack: 1 });
    setGate(machine, VECTOR.pf);
    memory.absent.add((STACK - 1n) >> 12n);
    expect(deliver(cpu, { ...exception(VECTOR.pf, 0), address: 0x77n })).toBe('delivered');
    expect(cpu.R[SLOT.rsp]).toBe(INTERRUPT_STACK - 48n);
    expect(cpu.R[SLOT.cr2]).toBe(STACK - 8n);
  });

  it('a page fault in the delivery of a contributory fault is delivered itself', () => {
    const machine = machine64();
    const { cpu, memory } = machine;
    setGate(machine, VECTOR.gp);
    setGate(machine, VECTOR.pf, { interruptStack: 1, offset: 0x7000n });
    memory.absent.add((STACK - 1n) >> 12n);
    expect(deliver(cpu, exception(VECTOR.gp, 0))).toBe('delivered');
    expect(cpu.rip).toBe(0x7000n);
    expect(stackWords(machine, 1)[0]).toBe(2n);
  });

  it('a fault in the delivery of #DF is a triple fault: shutdown, registers untouched', () => {
    const machine = machine64();
    const { cpu } = machine;
    cpu.R[SLOT.idtrLimit] = 0n;
    const before = cpu.R.slice();
    expect(deliver(cpu, exception(VECTOR.ud))).toBe('triple-fault');
    expect(cpu.activity).toBe(ACTIVITY.shutdown);
    expect(cpu.R).toEqual(before);
  });

  it('nothing is written when a part of the frame faults', () => {
    const machine = machine64();
    const { cpu, memory } = machine;
    setGate(machine, 0x40);
    setGate(machine, VECTOR.pf, { interruptStack: 1 });
    cpu.R[SLOT.rsp] = 0x40010n;
    memory.absent.add(0x3fn);
    deliver(cpu, { vector: 0x40, type: EVENT_TYPE.externalInterrupt });
    expect(memory.pages.has(0x40n)).toBe(false);
    expect(cpu.R[SLOT.cr2]).toBe(0x3fff8n);
  });
});

// SDM Vol. 3B, 18.3.1.2 Data Memory and I/O Breakpoint Exception Conditions
describe('debug conditions of a delivery', () => {
  it('a push onto a watched stack slot leaves #DB pending', () => {
    const machine = machine64();
    const { cpu } = machine;
    asUser(machine);
    setGate(machine, 0x40);
    cpu.R[SLOT.dr0] = KERNEL_STACK - 8n;
    cpu.R[SLOT.dr7] = 0x00090402n;
    deliver(cpu, { vector: 0x40, type: EVENT_TYPE.externalInterrupt });
    expect(cpu.pendingDebug).toBe(0x1001);
  });

  it('CR4.DE alone watches nothing', () => {
    const machine = machine64();
    setGate(machine, 0x40);
    machine.cpu.W[2 * SLOT.cr4] |= CR4.de;
    deliver(machine.cpu, { vector: 0x40, type: EVENT_TYPE.externalInterrupt });
    expect(machine.cpu.pendingDebug).toBe(0);
  });
});

it('the error code of a gate fault names the gate', () => {
  const machine = machine64();
  setGate(machine, VECTOR.gp, { rights: 0x0e });
  setGate(machine, VECTOR.np);
  deliver(machine.cpu, { vector: VECTOR.gp, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 });
  expect(stackWords(machine, 1)[0]).toBe(BigInt(GP_GATE));
});
