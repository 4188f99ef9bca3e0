// SDM Vol. 3C, 27.3 Checking and Loading Guest State, 28.2 to 28.5: what is easily forgotten
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, gva, hpa } from '../../../src/core';
import { EVENT_TYPE, VECTOR } from '../../../src/cpu/event';
import { deliver } from '../../../src/cpu/events';
import { ACTIVITY } from '../../../src/cpu/processor-draft';
import { SLOT } from '../../../src/cpu/slots';
import { EPT_RIGHTS, EptTables, walk } from '../../../src/ept';
import { checkVmEntry } from '../../../src/vmx';
import { AT, CODE, inGuest, VmxMachine } from '../dynamics/machine';

const SYSENTER = [0x0f, 0x34];
const GP = { vector: VECTOR.gp, type: EVENT_TYPE.hardwareException, errorCode: 0x10 } as const;

describe('saving', () => {
  it('the activity state before the exit, which another VM entry restores', () => {
    const machine = inGuest(['externalInterruptExiting']);
    machine.cpu.activity = ACTIVITY.hlt;
    machine.bus.pending = 0x40;
    machine.boundary();
    expect([machine.field('guestActivityState'), machine.cpu.activity]).toEqual([1n, ACTIVITY.active]);
    machine.vmwrite('guestRflags', 0x202n);
    machine.resume();
    expect(machine.cpu.activity).toBe(ACTIVITY.hlt);
  });
  it('access rights without bits 11:8 and 31:17', () => {
    const machine = inGuest();
    machine.cpu.W[2 * SLOT.ds + 1] = 0xc0f3 | 0xf00 | (0x7ff << 17);
    machine.execute(...CODE.vmcall);
    expect(machine.field('guestDsAccessRights')).toBe(0xc0f3n);
  });
});

describe('loading', () => {
  it('DR7 has bits 12 and 15:14 clear and bit 10 set', () => {
    const { cpu } = inGuest(['loadDebugControls'], { guestDr7: 0xd055 });
    expect(cpu.R[SLOT.dr7]).toBe(0x455n);
  });
  it('an unusable SS has B = 1 and keeps its DPL', () => {
    const { cpu } = inGuest([], { guestSsAccessRights: 0x1_0000, guestSsSelector: 0 });
    expect(cpu.W[2 * SLOT.ss + 1]).toBe(0x1_4000);
    expect(cpu.cpl).toBe(0);
  });
});

describe('translations', () => {
  it('are selected anew and, without VPID, dropped at each VM entry and each VM exit', () => {
    const machine = new VmxMachine().ready();
    const { memory } = machine;
    const counts = () => [memory.flushes, memory.contextChanges];
    const before = counts();
    machine.launch();
    const entered = counts();
    expect(entered).toEqual([before[0] + 1, before[1] + 1]);
    machine.execute(...CODE.vmcall);
    expect(counts()).toEqual([entered[0] + 1, entered[1] + 1]);
  });
});

describe('28.2.3 NMI unblocking due to IRET', () => {
  it('does not show in bit 12 during event delivery, and is forgotten by the exit', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.gp });
    const exit = { reason: 'exceptionOrNmi', event: GP } as const;
    machine.cpu.nmiUnblocked = true;
    machine.vmx.performExit(machine.cpu, exit, { vector: 0x20, type: EVENT_TYPE.externalInterrupt });
    expect(machine.field('vmExitInterruptionInfo')).toBe(0x8000_0b0dn);
    expect(machine.cpu.nmiUnblocked).toBe(false);
  });
  it('nor for a double fault', () => {
    const machine = inGuest();
    machine.cpu.nmiUnblocked = true;
    const event = { ...GP, vector: VECTOR.df, errorCode: 0 };
    machine.vmx.performExit(machine.cpu, { reason: 'exceptionOrNmi', event }, undefined);
    expect(machine.field('vmExitInterruptionInfo')).toBe(0x8000_0b08n);
  });
});

describe('28.1 Architectural State Before a VM Exit', () => {
  /** The IDT is not mapped, and page faults exit. */
  const withoutTable = (values: Parameters<typeof inGuest>[1] = {}): VmxMachine => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.pf, ...values });
    machine.memory.absent.add(AT.guestIdt >> 12);
    return machine;
  };
  it('an interrupt whose delivery exits has ended the HLT state', () => {
    const machine = withoutTable({ guestRflags: 0x202n });
    machine.cpu.activity = ACTIVITY.hlt;
    machine.bus.pending = 0x51;
    machine.boundary();
    expect(machine.field('idtVectoringInfo')).toBe(0x8000_0051n);
    expect(machine.field('guestActivityState')).toBe(0n);
  });
  it('an exception whose delivery exits has ended blocking by MOV SS and by STI', () => {
    for (const shadow of ['blockingByMovSs', 'blockingBySti'] as const) {
      const machine = withoutTable({ guestRflags: 0x102n });
      machine.cpu[shadow] = true;
      machine.cpu.pendingDebug = 0x1001;
      expect(deliver(machine.cpu, GP)).toBe('exited');
      expect(machine.field('idtVectoringInfo')).toBe(0x8000_0b0dn);
      expect(machine.field('guestInterruptibilityState')).toBe(0n);
      expect(machine.field('guestPendingDebugExceptions')).toBe(0n);
    }
  });
  it('an exception that exits itself has not', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.gp });
    machine.cpu.blockingByMovSs = true;
    expect(deliver(machine.cpu, GP)).toBe('exited');
    expect(machine.field('guestInterruptibilityState')).toBe(2n);
  });
});

describe('28.2.2 Information for VM Exits Due to Vectored Events', () => {
  it('of a guest in real-address mode no exception has an error code', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.gp });
    machine.cpu.R[SLOT.cr0] = 0x30n;
    const raised = machine.execute(...SYSENTER).interruption;
    expect(deliver(machine.cpu, raised!)).toBe('exited');
    expect(machine.field('vmExitInterruptionInfo')).toBe(0x8000_030dn);
    expect(machine.field('vmExitInterruptionErrorCode')).toBe(0n);
  });
});

describe('28.2.4 IDT-vectoring error code', () => {
  it('is that of the event being delivered', () => {
    const machine = inGuest([], { exceptionBitmap: 1 << VECTOR.np });
    machine.gate(VECTOR.gp, 0x5000, 0x0e);
    deliver(machine.cpu, GP);
    expect(machine.field('vmExitInterruptionInfo')).toBe(0x8000_0b0bn);
    expect([machine.field('idtVectoringInfo'), machine.field('idtVectoringErrorCode')]).toEqual([
      0x8000_0b0dn,
      0x10n,
    ]);
  });
});

describe('windows and timer', () => {
  it('an interrupt window does not wake the shutdown state, the timer does', () => {
    const machine = inGuest(['interruptWindowExiting'], { guestRflags: 0x202 });
    machine.cpu.activity = ACTIVITY.shutdown;
    expect(() => machine.vmx.instructionBoundary(machine.cpu, 'interrupt')).not.toThrow();
    const timed = inGuest(['activateVmxPreemptionTimer']);
    timed.cpu.activity = ACTIVITY.shutdown;
    expect(timed.boundary().exit).toEqual({ reason: 'preemptionTimerExpired' });
  });
  it('the timer is not part of the state in root operation', () => {
    const machine = inGuest(['activateVmxPreemptionTimer'], { vmxPreemptionTimerValue: 9 });
    machine.execute(...CODE.vmcall);
    expect(machine.vmx.publish().timerDeadline).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('VMX operands', () => {
  it('wrap at the address size', () => {
    const machine = new VmxMachine().on();
    machine.memory.writePhysical(AT.operand, 8, BigInt(AT.vmcs));
    machine.cpu.R[SLOT.rax] = 0xffff_fff0n;
    // vmptrld [eax+4010h]
    machine.execute(0x67, 0x0f, 0xc7, 0xb0, 0x10, 0x40, 0x00, 0x00);
    expect([machine.flags, machine.vmx.current?.address]).toEqual(['succeed', AT.vmcs]);
  });
});

describe('MSR areas', () => {
  it.each([0x9bn, 0x9en, 0x79n, 0x8bn, 0x800n, 0xc000_0100n, 0xc000_0101n])('never load MSR %s', (index) => {
    const machine = new VmxMachine();
    machine.memory.writePhysical(AT.msrArea, 8, index);
    inGuest([], { vmExitMsrLoadCount: 1, vmExitMsrLoadAddress: AT.msrArea }, machine);
    machine.execute(...CODE.vmcall);
    expect(machine.vmx.abortIndicator).toBe(4);
  });
});

// SDM Vol. 3D, A.6 Miscellaneous Data: what is undefined there fails at the first entry too many, whatever the count.
describe('MSR areas longer than IA32_VMX_MISC recommends', () => {
  const filled = (): VmxMachine => {
    const machine = new VmxMachine();
    for (let place = 0; place < 513; place++)
      machine.memory.writePhysical(AT.msrArea + 16 * place, 8, 0xc000_0102n);
    return machine;
  };
  it.each([
    [512, 0],
    [513, 4],
    [0xffff_ffff, 4],
  ])('a VM-exit MSR-load area of %i entries', (count, indicator) => {
    const machine = inGuest([], { vmExitMsrLoadCount: count, vmExitMsrLoadAddress: AT.msrArea }, filled());
    machine.execute(...CODE.vmcall);
    expect(machine.vmx.abortIndicator).toBe(indicator);
  });
  it.each([
    [512, 0],
    [513, 1],
  ])('a VM-exit MSR-store area of %i entries', (count, indicator) => {
    const machine = inGuest([], { vmExitMsrStoreCount: count, vmExitMsrStoreAddress: AT.msrArea }, filled());
    machine.execute(...CODE.vmcall);
    expect(machine.vmx.abortIndicator).toBe(indicator);
  });
  it('a VM-entry MSR-load area fails as checkVmEntry says', () => {
    const machine = filled();
    machine.ready({ vmEntryMsrLoadCount: 513, vmEntryMsrLoadAddress: AT.msrArea });
    const { permitted } = checkVmEntry(
      { vmcs: machine.vmx.current!.data },
      { capabilities: machine.vmx.capabilities },
    );
    expect(permitted).toEqual([
      {
        kind: 'failed',
        failure: { kind: 'exit', reason: 34, qualification: 513 },
        because: ['msr-load.count'],
      },
      { kind: 'entered' },
    ]);
    machine.launch();
    expect([machine.field('exitReason'), machine.field('exitQualification')]).toEqual([0x8000_0022n, 513n]);
  });
});

describe('VMXOFF', () => {
  it('is remembered by a launched VMCS, also in the published state', () => {
    const machine = inGuest();
    machine.execute(...CODE.vmcall);
    machine.execute(...CODE.vmxoff);
    const state = machine.vmx.publish();
    expect(state.active[0].vmxoffSinceLaunch).toBe(true);
    const { vmx } = new VmxMachine();
    vmx.load(state);
    expect(vmx.active.get(AT.vmcs)?.vmxoffSinceLaunch).toBe(true);
  });
});

describe('a guest table that EPT lets execute but not read', () => {
  it('is an EPT violation of the read, with the rights of the path', () => {
    const tables = new EptTables(EMPTY_MEMORY, hpa(AT.ept)).mapRange({ gpa: gpa(0), hpa: hpa(0) }, 0x2_0000);
    tables.map({ gpa: gpa(0x3000), hpa: hpa(0x3000), rights: EPT_RIGHTS.execute });
    const { outcome } = walk({ memory: tables.publish(), address: gva(0n), cr3: 0x3000n, eptp: tables.eptp });
    expect(outcome).toMatchObject({
      ok: false,
      fault: { kind: 'ept-violation', gpa: 0x3000, rights: EPT_RIGHTS.execute, pagingStructure: true },
    });
  });
});
