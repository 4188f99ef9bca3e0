// SDM Vol. 3C, 27 VM Entries
import { describe, expect, it } from 'vitest';
import { Unbuilt } from '../../../src/core';
import { SLOT } from '../../../src/cpu/slots';
import { FULL_CAPABILITIES } from '../../../src/vmx';
import { AT, CODE, inGuest, VmxMachine } from './machine';

describe('27.1 Basic VM-Entry Checks', () => {
  it('VMfailInvalid without a current VMCS', () => {
    const machine = new VmxMachine().on();
    machine.launch();
    expect(machine.flags).toBe('invalid');
  });
  it('VMRESUME needs a launched VMCS, VMLAUNCH a clear one', () => {
    const machine = new VmxMachine().ready();
    machine.resume();
    expect([machine.flags, machine.error]).toEqual(['valid', 5]);
    machine.launch();
    machine.execute(...CODE.vmcall);
    machine.launch();
    expect([machine.flags, machine.error]).toEqual(['valid', 4]);
  });
  it('error 26: blocking by MOV SS', () => {
    const machine = new VmxMachine().ready();
    machine.cpu.blockingByMovSs = true;
    machine.launch();
    expect([machine.flags, machine.error]).toEqual(['valid', 26]);
  });
  it('VMfailInvalid with a shadow VMCS', () => {
    const machine = new VmxMachine(FULL_CAPABILITIES).on();
    machine.memory.writePhysical(AT.vmcs, 4, 0x8000_0004n);
    machine.withPointer(AT.vmcs, ...CODE.vmptrld);
    machine.launch();
    expect(machine.flags).toBe('invalid');
  });
});

describe('27.2 checks on controls and host state', () => {
  it('errors 7 and 8; execution goes on', () => {
    const machine = new VmxMachine().ready({ cr3TargetCount: 5 });
    const { rip } = machine.cpu;
    machine.launch();
    expect([machine.flags, machine.error, machine.cpu.rip]).toEqual(['valid', 7, rip + 3n]);
    machine.set({ cr3TargetCount: 0, hostTrSelector: 0 }).launch();
    expect([machine.flags, machine.error]).toEqual(['valid', 8]);
  });
});

describe('27.8 VM-Entry Failures During or After Loading Guest State', () => {
  it('reason 33 with bit 31: host state, nothing else recorded', () => {
    const machine = new VmxMachine().ready({ guestRflags: 0, vmEntryInterruptionInfo: 0 });
    machine.vmx.current!.data.set('vmExitInstructionLength', 9n);
    machine.cpu.blockingByNmi = true;
    machine.launch();
    expect(machine.field('exitReason')).toBe(0x8000_0021n);
    expect(machine.field('exitQualification')).toBe(0n);
    expect(machine.field('vmExitInstructionLength')).toBe(9n);
    expect([machine.cpu.nonRoot, machine.cpu.rip, machine.cpu.rflags]).toEqual([
      false,
      BigInt(AT.hostCode + 0x100),
      2n,
    ]);
    expect(machine.cpu.blockingByNmi).toBe(true);
    expect(machine.vmx.current!.data.launched).toBe(false);
  });
  it('qualification 4: the VMCS link pointer', () => {
    const machine = new VmxMachine().ready({ vmcsLinkPointer: 0x123 });
    machine.launch();
    expect([machine.field('exitReason'), machine.field('exitQualification')]).toEqual([0x8000_0021n, 4n]);
  });
  it('reason 34 names the entry of the MSR-load area', () => {
    const machine = new VmxMachine();
    machine.memory.writePhysical(AT.msrArea, 8, 0xc000_0102n);
    machine.memory.writePhysical(AT.msrArea + 16, 8, 0xc000_0100n);
    machine.ready({ vmEntryMsrLoadCount: 2, vmEntryMsrLoadAddress: AT.msrArea });
    machine.launch();
    expect([machine.field('exitReason'), machine.field('exitQualification')]).toEqual([0x8000_0022n, 2n]);
    expect([machine.cpu.nonRoot, machine.vmx.current!.data.launched]).toEqual([false, false]);
  });
});

describe('27.3.2 Loading Guest State', () => {
  it('control registers; CD, NW and ET stay', () => {
    const machine = new VmxMachine().ready({ guestCr0: 0xe000_0031n, guestCr4: 0x2020n | 8n });
    machine.launch();
    expect(machine.cpu.R[SLOT.cr0]).toBe(0x8000_0031n);
    expect(machine.cpu.R[SLOT.cr4]).toBe(0x2028n);
  });
  it('segments and descriptor tables', () => {
    const { R, W } = inGuest([], { guestFsBase: 0x1234, guestGdtrLimit: 0x7777 }).cpu;
    expect([W[2 * SLOT.cs], W[2 * SLOT.cs + 1], R[SLOT.csLimit]]).toEqual([8, 0xa09b, 0xffff_ffffn]);
    expect([W[2 * SLOT.fs + 1], R[SLOT.fsBase], R[SLOT.gdtrLimit]]).toEqual([0x1_0000, 0x1234n, 0x7777n]);
  });
  it('debug controls, PAT and EFER as the controls say', () => {
    const machine = inGuest(['loadGuestIa32Pat', 'loadGuestIa32Efer', 'loadDebugControls'], {
      guestIa32Pat: 0x0404_0404_0404_0404n,
      guestIa32Efer: 0xd00,
      guestDr7: 0x4_0401n,
    });
    expect(machine.cpu.R[SLOT.pat]).toBe(0x0404_0404_0404_0404n);
    expect(machine.cpu.R[SLOT.efer]).toBe(0xd00n);
    expect(machine.cpu.R[SLOT.dr7]).toBe(0x4_0401n);
    const without = new VmxMachine();
    without.cpu.R[SLOT.dr7] = 0x402n;
    inGuest([], { guestDr7: 0x4_0401n }, without);
    expect(without.cpu.R[SLOT.dr7]).toBe(0x402n);
  });
  it('the MSR-load area', () => {
    const machine = new VmxMachine();
    machine.memory.writePhysical(AT.msrArea, 8, 0xc000_0102n);
    machine.memory.writePhysical(AT.msrArea + 8, 8, 0x4321n);
    inGuest([], { vmEntryMsrLoadCount: 1, vmEntryMsrLoadAddress: AT.msrArea }, machine);
    expect(machine.cpu.R[SLOT.kernelGsBase]).toBe(0x4321n);
  });
  it('activity, blocking and pending debug exceptions', () => {
    const { cpu } = inGuest([], {
      guestActivityState: 1,
      guestRflags: 0x202,
      guestInterruptibilityState: 8,
    });
    expect([cpu.activity, cpu.blockingByNmi, cpu.boundaryWork]).toEqual([1, true, true]);
    const sti = inGuest([], {
      guestRflags: 0x202,
      guestInterruptibilityState: 1,
      guestPendingDebugExceptions: 0x1001,
    });
    expect([sti.cpu.blockingBySti, sti.cpu.pendingDebug]).toEqual([true, 0x1001]);
  });
});

describe('27.6 Event Injection', () => {
  const VALID = 0x8000_0000;
  const inject = (information: number, values: Parameters<VmxMachine['set']>[0] = {}) => {
    const machine = new VmxMachine();
    machine.gate(information & 0xff, 0x5000);
    return inGuest(
      [],
      { vmEntryInterruptionInfo: VALID + information, guestRflags: 0x202, ...values },
      machine,
    );
  };
  const pushed = ({ cpu, memory }: VmxMachine, word: number): bigint =>
    memory.readPhysical(Number(cpu.R[SLOT.rsp]) + 8 * word, 8);

  it('an external interrupt enters the handler; guest RIP is pushed', () => {
    const machine = inject(0x30);
    expect(machine.cpu.rip).toBe(0x5000n);
    expect(pushed(machine, 0)).toBe(BigInt(AT.guestCode));
    expect(machine.field('vmEntryInterruptionInfo')).toBe(0x8000_0030n);
  });
  it('an exception pushes the error code as given, and leaves CR2 and DR6', () => {
    const machine = inject(0xb0e, { vmEntryExceptionErrorCode: 6 });
    expect([pushed(machine, 0), pushed(machine, 1)]).toEqual([6n, BigInt(AT.guestCode)]);
    expect([machine.cpu.R[SLOT.cr2], machine.cpu.R[SLOT.dr6]]).toEqual([0n, 0xffff_0ff0n]);
  });
  it('it does not exit, whatever the exception bitmap says; RF of the image is the guest RF', () => {
    const machine = inject(0x306, { exceptionBitmap: 0xffff_ffffn });
    expect([machine.cpu.nonRoot, pushed(machine, 2)]).toEqual([true, 0x202n]);
  });
  it.each([
    ['INT n', 0x440],
    ['INT3', 0x603],
    ['INT1', 0x501],
  ])('%s pushes the RIP of the next instruction', (_, information) => {
    expect(pushed(inject(information, { vmEntryInstructionLength: 2 }), 0)).toBe(BigInt(AT.guestCode + 2));
  });
  it('an NMI blocks further ones; a halted guest wakes', () => {
    const machine = inject(0x202, { guestActivityState: 1 });
    expect([machine.cpu.blockingByNmi, machine.cpu.activity]).toEqual([true, 0]);
  });
  it('the valid bit is cleared by the next exit', () => {
    const machine = inject(0x30);
    machine.execute(...CODE.vmcall);
    expect(machine.field('vmEntryInterruptionInfo')).toBe(0x30n);
    expect(machine.field('idtVectoringInfo')).toBe(0n);
  });
  it('a fault on the way exits by its own vector, with the injected event as IDT-vectoring information', () => {
    const machine = new VmxMachine().ready({
      vmEntryInterruptionInfo: VALID + 0x440,
      vmEntryInstructionLength: 2,
      exceptionBitmap: 0xffff_ffffn,
    });
    machine.launch();
    expect(machine.field('exitReason')).toBe(0n);
    expect(machine.field('vmExitInterruptionInfo')).toBe(0x8000_0b0dn);
    expect(machine.field('idtVectoringInfo')).toBe(0x8000_0440n);
    expect(machine.field('vmExitInstructionLength')).toBe(2n);
    expect(machine.field('guestRip')).toBe(BigInt(AT.guestCode));
    expect([machine.cpu.nonRoot, machine.cpu.rip]).toEqual([false, BigInt(AT.hostCode + 0x100)]);
    expect(machine.vmx.current!.data.launched).toBe(true);
  });
  it('an injected double fault whose delivery faults is a triple fault', () => {
    const machine = new VmxMachine().ready({ vmEntryInterruptionInfo: VALID + 0xb08 });
    machine.launch();
    expect(machine.field('exitReason')).toBe(2n);
  });
  it('with blocking by MOV SS software events keep pending traps', () => {
    const values = { guestPendingDebugExceptions: 0x1001, guestInterruptibilityState: 0 };
    expect(inject(0x30, values).cpu.pendingDebug).toBe(0);
    expect(inject(0x440, { ...values, vmEntryInstructionLength: 2 }).cpu.pendingDebug).toBe(0);
  });
});

describe('what is not built', () => {
  it.each([
    ['pasidTranslation', 'PASID translation'],
    ['instructionTimeout', 'Instruction timeout'],
  ] as const)('%s', (control, name) => {
    const machine = new VmxMachine(FULL_CAPABILITIES);
    machine.ready().control('activateSecondaryControls', control);
    expect(() => machine.launch()).toThrow(new Unbuilt(`the control "${name}"`));
  });
});
