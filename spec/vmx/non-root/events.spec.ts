// SDM Vol. 3C, 26.2 Other Causes of VM Exits
import { describe, expect, it } from 'vitest';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import { deliver, PENDING } from '../../../src/cpu/events';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { FLAG, SLOT } from '../../../src/cpu/slots';
import type { VmcsField } from '../../../src/vmx';
import { AT, CODE, inGuest, type VmxMachine } from '../dynamics/machine';

const VALID = 1n << 31n;
const read = (machine: VmxMachine, ...names: VmcsField[]): bigint[] =>
  names.map((name) => machine.field(name));
const exception = (vector: number, more: object = {}) => ({
  vector,
  type: EVENT_TYPE.hardwareException,
  ...more,
});

describe('exceptions', () => {
  it('the exception bitmap decides', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.gp });
    deliver(machine.cpu, exception(VECTOR.gp, { errorCode: 0x18 }));
    expect(read(machine, 'exitReason', 'vmExitInterruptionInfo', 'vmExitInterruptionErrorCode')).toEqual([
      0n,
      VALID | 0xb0dn,
      0x18n,
    ]);
    expect(machine.field('idtVectoringInfo')).toBe(0n);
    const delivered = inGuest();
    delivered.gate(VECTOR.gp, 0x5000);
    expect(deliver(delivered.cpu, exception(VECTOR.gp, { errorCode: 0 }))).toBe('delivered');
    expect(delivered.cpu.rip).toBe(0x5000n);
  });

  it.each([
    [1n, 0, 0, 7, true],
    [1n, 1, 1, 7, true],
    [1n, 1, 0, 7, false],
    [0n, 1, 0, 7, true],
    [0n, 1, 1, 7, false],
  ])('page fault: bitmap %s, mask %s, match %s, error code %s', (bit, mask, match, errorCode, exits) => {
    const machine = inGuest([], {
      exceptionBitmap: bit << 14n,
      pageFaultErrorCodeMask: mask,
      pageFaultErrorCodeMatch: match,
    });
    machine.gate(VECTOR.pf, 0x5000);
    const cr2 = machine.cpu.R[SLOT.cr2];
    const outcome = deliver(machine.cpu, exception(VECTOR.pf, { errorCode, address: 0x1234_5000n }));
    expect(outcome).toBe(exits ? 'exited' : 'delivered');
    if (!exits) return;
    expect(machine.field('exitQualification')).toBe(0x1234_5000n);
    expect(machine.cpu.R[SLOT.cr2]).toBe(cr2);
  });

  it('a debug exception leaves DR6 and shows the bits in the qualification', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.db });
    const dr6 = machine.cpu.R[SLOT.dr6];
    deliver(machine.cpu, exception(VECTOR.db, { debugStatus: 0x4002 }));
    expect([machine.field('exitQualification'), machine.cpu.R[SLOT.dr6]]).toEqual([0x4002n, dr6]);
  });

  it('RF is 1 in the image that a fault would have pushed, 0 after an instruction exit', () => {
    const fault = inGuest([], { exceptionBitmap: 1 << VECTOR.ud });
    deliver(fault.cpu, exception(VECTOR.ud));
    expect(fault.field('guestRflags') & BigInt(FLAG.rf)).toBe(BigInt(FLAG.rf));
    const instruction = inGuest([], { guestRflags: 2 | FLAG.rf });
    instruction.execute(...CODE.vmcall);
    expect(instruction.field('guestRflags')).toBe(2n);
  });

  it('INT3 exits with its length and its own RIP; INT n never does', () => {
    const machine = inGuest([], { exceptionBitmap: 0xffff_ffffn });
    deliver(machine.cpu, { vector: VECTOR.bp, type: EVENT_TYPE.softwareException, instructionLength: 1 });
    expect(read(machine, 'vmExitInterruptionInfo', 'vmExitInstructionLength', 'guestRip')).toEqual([
      VALID | 0x603n,
      1n,
      BigInt(AT.guestCode),
    ]);
    const software = inGuest([], { exceptionBitmap: 0xffff_ffffn });
    software.gate(3, 0x5000);
    const event = { vector: 3, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 } as const;
    expect(deliver(software.cpu, event)).toBe('delivered');
  });
});

describe('28.2.4 exits during event delivery', () => {
  it('a fault in the delivery of INT n: IDT-vectoring information and instruction length', () => {
    const machine = inGuest([], { exceptionBitmap: (1 << VECTOR.np) | (1 << VECTOR.gp) });
    const event = { vector: 0x40, type: EVENT_TYPE.softwareInterrupt, instructionLength: 2 } as const;
    expect(deliver(machine.cpu, event)).toBe('exited');
    expect(read(machine, 'vmExitInterruptionInfo', 'idtVectoringInfo', 'vmExitInstructionLength')).toEqual([
      VALID | 0xb0dn,
      VALID | 0x440n,
      2n,
    ]);
  });

  it('a double fault that exits is none', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.df });
    expect(deliver(machine.cpu, exception(VECTOR.np, { errorCode: 4 }))).toBe('exited');
    expect(read(machine, 'vmExitInterruptionInfo', 'idtVectoringInfo')).toEqual([VALID | 0xb08n, 0n]);
  });

  it('a triple fault exits with reason 2', () => {
    const machine = inGuest();
    expect(deliver(machine.cpu, exception(VECTOR.np, { errorCode: 4 }))).toBe('exited');
    expect(read(machine, 'exitReason', 'vmExitInterruptionInfo', 'idtVectoringInfo')).toEqual([2n, 0n, 0n]);
  });
});

describe('NMIs', () => {
  it('exit, and are blocked in the host', () => {
    const machine = inGuest(['nmiExiting']);
    machine.cpu.nmiPending = true;
    machine.boundary();
    expect(read(machine, 'exitReason', 'vmExitInterruptionInfo')).toEqual([0n, VALID | 0x202n]);
    expect([machine.cpu.blockingByNmi, machine.field('guestInterruptibilityState')]).toEqual([true, 0n]);
  });
  it('IRET unblocks them unless they exit', () => {
    const virtual = inGuest(['nmiExiting'], { guestInterruptibilityState: 8 });
    expect([virtual.vmx.unblockNmi(virtual.cpu), virtual.cpu.blockingByNmi]).toEqual([false, true]);
    const plain = inGuest([], { guestInterruptibilityState: 8 });
    expect([plain.vmx.unblockNmi(plain.cpu), plain.cpu.blockingByNmi]).toEqual([true, false]);
  });
  it('bit 12 says that IRET had unblocked them', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.gp });
    machine.cpu.nmiUnblocked = true;
    deliver(machine.cpu, exception(VECTOR.gp, { errorCode: 0 }));
    expect(machine.field('vmExitInterruptionInfo')).toBe(VALID | 0x1b0dn);
  });
});

describe('INIT signals', () => {
  it('exit with reason 3, before pending traps, which are saved', () => {
    const machine = inGuest();
    const { cpu } = machine;
    cpu.initPending = true;
    cpu.pendingDebug = PENDING.bs;
    machine.boundary();
    expect(read(machine, 'exitReason', 'exitQualification', 'guestPendingDebugExceptions')).toEqual([
      3n,
      0n,
      BigInt(PENDING.bs),
    ]);
    expect([cpu.nonRoot, cpu.initPending]).toEqual([false, false]);
  });
  it('wake a halted guest', () => {
    const machine = inGuest([], { guestActivityState: 1 });
    machine.cpu.initPending = true;
    machine.boundary();
    expect(read(machine, 'exitReason', 'guestActivityState')).toEqual([3n, 1n]);
  });
  it('are blocked in VMX root operation, and taken after VMXOFF', () => {
    const machine = inGuest();
    const { cpu } = machine;
    cpu.initPending = true;
    machine.boundary();
    cpu.initPending = true;
    machine.boundary();
    expect([cpu.initPending, cpu.activity]).toEqual([true, ACTIVITY.active]);
    machine.execute(0x0f, 0x01, 0xc4);
    machine.boundary();
    expect([cpu.initPending, cpu.rip, cpu.R[SLOT.cr4]]).toEqual([false, 0xfff0n, 0n]);
  });
});

describe('external interrupts', () => {
  it('exit with IF = 0, without acknowledgement', () => {
    const machine = inGuest(['externalInterruptExiting']);
    machine.bus.pending = 0x51;
    machine.boundary();
    expect(read(machine, 'exitReason', 'vmExitInterruptionInfo')).toEqual([1n, 0n]);
    expect(machine.bus.pending).toBe(0x51);
  });
  it('are acknowledged on exit when asked to', () => {
    const machine = inGuest(['externalInterruptExiting', 'acknowledgeInterruptOnExit']);
    machine.bus.pending = 0x51;
    machine.boundary();
    expect([machine.field('vmExitInterruptionInfo'), machine.bus.acknowledged]).toEqual([
      VALID | 0x51n,
      [0x51],
    ]);
  });
  it('go to the guest otherwise', () => {
    const machine = inGuest([], { guestRflags: 0x202 });
    machine.gate(0x51, 0x5000);
    machine.bus.pending = 0x51;
    machine.boundary();
    expect([machine.cpu.nonRoot, machine.cpu.rip]).toEqual([true, 0x5000n]);
  });
});

describe('interrupt window', () => {
  it('exits before the next instruction once IF is 1 and nothing blocks', () => {
    const machine = inGuest(['interruptWindowExiting']);
    expect(machine.boundary().exit).toBeUndefined();
    machine.cpu.rflags = 0x202n;
    machine.cpu.blockingBySti = true;
    expect(machine.boundary().exit).toBeUndefined();
    machine.cpu.blockingBySti = false;
    expect(machine.boundary().exit).toEqual({ reason: 'interruptWindow' });
    expect(machine.field('exitReason')).toBe(7n);
  });
  it('wakes HLT, which is saved', () => {
    const machine = inGuest(['interruptWindowExiting'], { guestRflags: 0x202, guestActivityState: 1 });
    expect(machine.boundary().exit).toEqual({ reason: 'interruptWindow' });
    expect([machine.field('guestActivityState'), machine.cpu.activity]).toEqual([1n, 0]);
  });
});

describe('26.5.1 VMX-preemption timer', () => {
  const TIMER = ['activateVmxPreemptionTimer', 'saveVmxPreemptionTimerValue'] as const;
  it('counts once in 32 clocks', () => {
    const machine = inGuest(TIMER, { vmxPreemptionTimerValue: 3 });
    const started = machine.now;
    const deadline = (Math.floor(started / 32) + 3) * 32;
    expect(machine.vmx.nextDeadline(machine.cpu)).toBe(deadline);
    machine.now = deadline - 1;
    expect(machine.boundary().exit).toBeUndefined();
    machine.now = deadline;
    expect(machine.boundary().exit).toEqual({ reason: 'preemptionTimerExpired' });
    expect(read(machine, 'exitReason', 'vmxPreemptionTimerValue')).toEqual([52n, 0n]);
    expect(machine.vmx.nextDeadline(machine.cpu)).toBe(Number.POSITIVE_INFINITY);
  });
  it('with value 0 exits before the first instruction', () => {
    const machine = inGuest(TIMER);
    expect([machine.boundary().exit, machine.field('guestRip')]).toEqual([
      { reason: 'preemptionTimerExpired' },
      BigInt(AT.guestCode),
    ]);
  });
  it('is saved by other exits, and counts in HLT', () => {
    const machine = inGuest(TIMER, { vmxPreemptionTimerValue: 100 });
    machine.now = (Math.floor(machine.now / 32) + 10) * 32;
    machine.execute(...CODE.vmcall);
    expect(machine.field('vmxPreemptionTimerValue')).toBe(90n);
    const halted = inGuest(TIMER, { vmxPreemptionTimerValue: 1, guestActivityState: 1 });
    halted.now += 64;
    expect(halted.boundary().exit).toEqual({ reason: 'preemptionTimerExpired' });
  });
});
