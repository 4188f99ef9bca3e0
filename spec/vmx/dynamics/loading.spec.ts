// SDM Vol. 3C, 27.3.2 Loading Guest State, 27.6 Event Injection, 27.8 VM-Entry Failures During or After Loading Guest State: each register
import { describe, expect, it } from 'vitest';
import { type MachineState, step } from '../../../src/api';
import { MSR } from '../../../src/cpu/msr-index';
import { readMsr } from '../../../src/cpu/msrs';
import { SLOT } from '../../../src/cpu/slots';
import { AT, inGuest, VmxMachine } from './machine';
import { beforeLaunch, exitOf, field, fields, launched, type Setting, vmxOf, words } from './whole-machine';

const KERNEL_GS_BASE = 0xc000_0102n;
const PAT = 0x277n;
const HANDLER = 0x5000;
const INJECT = 0x8000_0000;

describe('27.3.2.1 control registers, debug registers and MSRs', () => {
  it('reserved bits of CR0, CD, NW and ET keep their value; CR3 and CR4 come from their fields', () => {
    const { R } = inGuest([], {
      guestCr0: 0xfff9_ffe1n & ~0x5_0000n,
      guestCr3: 0x5000n,
      guestCr4: 0x20a0n,
    }).cpu;
    expect([R[SLOT.cr0], R[SLOT.cr3], R[SLOT.cr4]]).toEqual([0x8000_0031n, 0x5000n, 0x20a0n]);
  });

  it('IA32_DEBUGCTL with its control, and not without', () => {
    for (const loads of [false, true]) {
      const machine = new VmxMachine();
      machine.cpu.R[SLOT.debugctl] = 1n;
      inGuest(loads ? ['loadDebugControls'] : [], { guestIa32Debugctl: 2 }, machine);
      expect(machine.cpu.R[SLOT.debugctl]).toBe(loads ? 2n : 1n);
    }
  });

  it('the SYSENTER MSRs; bits 63:32 of IA32_SYSENTER_CS are cleared', () => {
    const machine = new VmxMachine();
    machine.cpu.R[SLOT.sysenterCs] = 0xffff_ffff_0000_0000n;
    const { R } = inGuest(
      [],
      {
        guestIa32SysenterCs: 0x1234_5678,
        guestIa32SysenterEsp: 0xffff_8000_0000_1000n,
        guestIa32SysenterEip: 0x7fff_0000_2000n,
      },
      machine,
    ).cpu;
    expect([R[SLOT.sysenterCs], R[SLOT.sysenterEsp], R[SLOT.sysenterEip]]).toEqual([
      0x1234_5678n,
      0xffff_8000_0000_1000n,
      0x7fff_0000_2000n,
    ]);
  });

  it('the MSRs of the FS and GS bases show the bases of the segments', () => {
    const { cpu } = inGuest([], { guestFsBase: 0x1234n, guestGsBase: 0xffff_8000_0000_5678n });
    expect([readMsr(cpu, MSR.IA32_FS_BASE), readMsr(cpu, MSR.IA32_GS_BASE)]).toEqual([
      0x1234n,
      0xffff_8000_0000_5678n,
    ]);
  });

  it.each([
    ['a 64-bit guest', {}, 0x500n],
    ['a guest with paging outside IA-32e mode', { host: 'pae' }, 0n],
    [
      'an unrestricted guest without paging: LME stays',
      {
        controls: ['activateSecondaryControls', 'enableEpt', 'unrestrictedGuest'],
        without: ['ia32eModeGuest'],
        fields: { guestCr0: 0x31, guestCsAccessRights: 0xc09b },
      },
      0x100n,
    ],
  ] as readonly (readonly [string, Setting, bigint])[])('LMA and LME of %s', (_, setting, bits) => {
    expect(launched(setting).processors[0].control.efer & 0x500n).toBe(bits);
  });
});

describe('27.3.2.2 segments and descriptor tables', () => {
  it('all of TR, GDTR and IDTR', () => {
    const { R, W } = inGuest([], {
      guestTrSelector: 0x38,
      guestTrBase: 0xffff_8000_0000_b000n,
      guestTrLimit: 0x2067,
      guestGdtrBase: 0xffff_8000_0000_a000n,
      guestGdtrLimit: 0x1234,
      guestIdtrBase: 0x9990n,
      guestIdtrLimit: 0x567,
    }).cpu;
    expect([W[2 * SLOT.tr], W[2 * SLOT.tr + 1], R[SLOT.trBase], R[SLOT.trLimit]]).toEqual([
      0x38,
      0x8b,
      0xffff_8000_0000_b000n,
      0x2067n,
    ]);
    expect([R[SLOT.gdtrBase], R[SLOT.gdtrLimit]]).toEqual([0xffff_8000_0000_a000n, 0x1234n]);
    expect([R[SLOT.idtrBase], R[SLOT.idtrLimit]]).toEqual([0x9990n, 0x567n]);
  });

  it('of unusable segments the selectors, the bases of FS and GS, and a canonical base of LDTR', () => {
    const { R, W } = inGuest([], {
      guestFsSelector: 0x43,
      guestFsBase: 0xffff_8000_0000_0010n,
      guestGsBase: 0x20n,
      guestLdtrSelector: 0x28,
      guestLdtrBase: 0xffff_8000_0000_0030n,
    }).cpu;
    expect([W[2 * SLOT.fs], W[2 * SLOT.ldtr]]).toEqual([0x43, 0x28]);
    expect([R[SLOT.fsBase], R[SLOT.gsBase], R[SLOT.ldtrBase]]).toEqual([
      0xffff_8000_0000_0010n,
      0x20n,
      0xffff_8000_0000_0030n,
    ]);
  });

  it('bits 63:32 of the bases of unusable SS, DS and ES are cleared', () => {
    const { R } = inGuest([], {
      guestSsSelector: 0,
      ...Object.fromEntries(
        (['Ss', 'Ds', 'Es'] as const).flatMap((name) => [
          [`guest${name}AccessRights`, 0x1_0000],
          [`guest${name}Base`, 0x1234_0000_5670n],
        ]),
      ),
    }).cpu;
    expect([R[SLOT.ssBase], R[SLOT.dsBase], R[SLOT.esBase]]).toEqual([0x5670n, 0x5670n, 0x5670n]);
  });

  it('RIP, RSP and RFLAGS, whose status flags do not say that the VM entry succeeded', () => {
    const machine = new VmxMachine().ready({
      guestRip: 0x7fff_0000_1000n,
      guestRsp: 0x1235n,
      guestRflags: 0x8d7,
    });
    machine.launch();
    const { cpu } = machine;
    expect([cpu.nonRoot, cpu.rip, cpu.R[SLOT.rsp], cpu.rflags]).toEqual([
      true,
      0x7fff_0000_1000n,
      0x1235n,
      0x8d7n,
    ]);
  });
});

describe('27.3.3, 27.4 and 27.7', () => {
  it('address-range monitoring is cleared', () => {
    const machine = new VmxMachine();
    machine.ready();
    machine.cpu.R[SLOT.rcx] = 0n;
    // MONITOR
    machine.execute(0x0f, 0x01, 0xc8);
    expect(machine.cpu.monitoredLine).toBeGreaterThanOrEqual(0);
    machine.launch();
    expect([machine.cpu.nonRoot, machine.cpu.monitoredLine]).toEqual([true, -1]);
  });

  it('the MSR-load area comes after the fields, and in order', () => {
    const state = launched({
      controls: ['loadGuestIa32Pat'],
      fields: {
        guestIa32Pat: 0x0606_0606_0606_0606n,
        vmEntryMsrLoadCount: 3,
        vmEntryMsrLoadAddress: AT.msrArea,
      },
      memory: {
        [AT.msrArea]: words(PAT, 0x0404_0404_0404_0404n, KERNEL_GS_BASE, 1n, KERNEL_GS_BASE, 2n),
      },
    });
    expect(state.processors[0].modelSpecific).toMatchObject({
      pat: 0x0404_0404_0404_0404n,
      kernelGsBase: 2n,
    });
  });

  it('an INIT that VMX root operation has held back exits at once', () => {
    const state = exitOf({ hidden: { initPending: true }, guest: [0x90] });
    expect(fields(state, 'exitReason', 'guestRip')).toEqual({
      exitReason: 3n,
      guestRip: BigInt(AT.guestCode),
    });
  });

  it('a timer that expires in the VM entry exits after the injection, before the handler', () => {
    const state = exitOf({
      handlers: { 6: HANDLER },
      controls: ['activateVmxPreemptionTimer'],
      fields: { vmEntryInterruptionInfo: INJECT + 0x306 },
    });
    expect(fields(state, 'exitReason', 'guestRip', 'idtVectoringInfo')).toEqual({
      exitReason: 52n,
      guestRip: BigInt(HANDLER),
      idtVectoringInfo: 0n,
    });
  });

  it('an injection ends blocking by STI', () => {
    const machine = new VmxMachine();
    machine.gate(6, HANDLER);
    const { cpu } = inGuest(
      [],
      { vmEntryInterruptionInfo: INJECT + 0x306, guestInterruptibilityState: 1, guestRflags: 0x202 },
      machine,
    );
    expect([cpu.rip, cpu.blockingBySti, cpu.blockingByMovSs]).toEqual([BigInt(HANDLER), false, false]);
  });

  it('and blocking by MOV SS', () => {
    const machine = new VmxMachine();
    machine.gate(6, HANDLER);
    const { cpu } = inGuest(
      [],
      { vmEntryInterruptionInfo: INJECT + 0x306, guestInterruptibilityState: 2 },
      machine,
    );
    expect([cpu.rip, cpu.blockingBySti, cpu.blockingByMovSs]).toEqual([BigInt(HANDLER), false, false]);
  });

  it('a host that single-steps has its trap after VMLAUNCH only where VMLAUNCH fails', () => {
    const trapping = (setting: Setting): MachineState => {
      const state = beforeLaunch(setting);
      const [cpu] = state.processors;
      return step({ ...state, processors: [{ ...cpu, rflags: cpu.rflags | 0x100n }] }).state;
    };
    const failed = trapping({ fields: { cr3TargetCount: 5 } }).processors[0];
    expect([failed.nonRoot, failed.hidden.pendingDebug & 0x4000]).toEqual([false, 0x4000]);
    const entered = trapping({}).processors[0];
    expect([entered.nonRoot, entered.hidden.pendingDebug]).toEqual([true, 0]);
  });
});

describe('27.6.1 what an injected event leaves alone, and what comes in its place', () => {
  it('#DB changes neither DR6 nor DR7 nor IA32_DEBUGCTL', () => {
    const state = launched({
      handlers: { 1: HANDLER },
      controls: ['loadDebugControls'],
      fields: {
        vmEntryInterruptionInfo: INJECT + 0x301,
        guestDr7: 0x2401,
        guestIa32Debugctl: 1,
        guestPendingDebugExceptions: 0x1001,
      },
    });
    const [{ rip, debug, modelSpecific }] = state.processors;
    expect(rip).toBe(BigInt(HANDLER));
    expect([debug.dr6, debug.dr7, modelSpecific.debugctl]).toEqual([0xffff_0ff0n, 0x2401n, 1n]);
  });

  it.each([
    ['an external interrupt', 0x030, 1n],
    ['an NMI', 0x202, 1n],
    ['a hardware exception', 0x306, 1n],
    ['INT1', 0x501, 1n],
    ['INT n', 0x440, 0n],
    ['INT3', 0x603, 0n],
  ])('the error code of a fault in the delivery of %s has EXT %s', (_, information, ext) => {
    // No gate is present.
    const machine = new VmxMachine().ready({
      vmEntryInterruptionInfo: INJECT + information,
      vmEntryInstructionLength: 1,
      guestRflags: 0x202,
      exceptionBitmap: 0xffff_ffff,
    });
    machine.launch();
    const vector = BigInt(information & 0xff);
    expect(machine.field('idtVectoringInfo')).toBe(BigInt(INJECT + information));
    expect(machine.field('vmExitInterruptionErrorCode')).toBe(8n * vector + 2n + ext);
  });

  it('a double fault in its place has the error code 0', () => {
    const machine = new VmxMachine().ready({
      vmEntryInterruptionInfo: INJECT + 0xb0d,
      vmEntryExceptionErrorCode: 0x10,
      exceptionBitmap: 1 << 8,
    });
    machine.launch();
    expect([machine.field('vmExitInterruptionInfo'), machine.field('vmExitInterruptionErrorCode')]).toEqual([
      0x8000_0b08n,
      0n,
    ]);
  });
});

describe('27.8 a VM entry that fails late', () => {
  it('neither clears the valid bit nor saves guest state nor stores MSRs', () => {
    const values: Setting['fields'] = {
      vmEntryInterruptionInfo: INJECT + 0x306,
      guestRflags: 0,
      guestRsp: 0x7777,
      guestCr3: 0x5000,
      vmExitMsrStoreCount: 1,
      vmExitMsrStoreAddress: AT.msrArea,
    };
    const before = beforeLaunch({ fields: values, memory: { [AT.msrArea]: words(KERNEL_GS_BASE, 0x55n) } });
    const { state } = step(before);
    expect(field(state, 'exitReason')).toBe(0x8000_0021n);
    const kept = ['vmEntryInterruptionInfo', 'guestRflags', 'guestRsp', 'guestCr3', 'guestRip'] as const;
    expect(fields(state, ...kept)).toEqual(fields(before, ...kept));
    expect(vmxOf(state).active[0].launched).toBe(false);
    expect(state.memory.read(AT.msrArea, 16)).toEqual(before.memory.read(AT.msrArea, 16));
  });
});
