// SDM Vol. 3C, 28.3 Saving Guest State, 28.5 Loading Host State
import { describe, expect, it } from 'vitest';
import { FLAG, SLOT } from '../../../src/cpu/slots';
import { AT, CODE, inGuest, VmxMachine } from '../dynamics/machine';

describe('28.3 Saving Guest State', () => {
  it('registers', () => {
    const machine = inGuest();
    const { R, W } = machine.cpu;
    R[SLOT.rsp] = 0x1111n;
    R[SLOT.cr3] = 0x3000n;
    R[SLOT.gsBase] = 0xffff_8000_0000_0001n;
    R[SLOT.sysenterEip] = 0x2222n;
    R[SLOT.sysenterCs] = 0x33n;
    R[SLOT.idtrBase] = 0x4444n;
    W[2 * SLOT.idtrLimit] = 0x55;
    W[2 * SLOT.ldtr] = 0x28;
    W[2 * SLOT.ldtr + 1] = 0x82;
    machine.cpu.rflags = BigInt(FLAG.cf | FLAG.of | FLAG.if | 2);
    machine.execute(...CODE.vmcall);
    expect(machine.field('guestRsp')).toBe(0x1111n);
    expect(machine.field('guestCr3')).toBe(0x3000n);
    expect(machine.field('guestGsBase')).toBe(0xffff_8000_0000_0001n);
    expect(machine.field('guestIa32SysenterEip')).toBe(0x2222n);
    expect(machine.field('guestIa32SysenterCs')).toBe(0x33n);
    expect(machine.field('guestIdtrBase')).toBe(0x4444n);
    expect(machine.field('guestIdtrLimit')).toBe(0x55n);
    expect(machine.field('guestLdtrSelector')).toBe(0x28n);
    expect(machine.field('guestLdtrAccessRights')).toBe(0x82n);
    expect(machine.field('guestRflags')).toBe(BigInt(FLAG.cf | FLAG.of | FLAG.if | 2));
  });

  it.each([
    ['saveIa32Pat', 'guestIa32Pat', 'pat'],
    ['saveIa32Efer', 'guestIa32Efer', 'efer'],
    ['saveDebugControls', 'guestDr7', 'dr7'],
  ] as const)('%s', (control, field, slot) => {
    for (const on of [false, true]) {
      const controls = on ? [control] : [];
      const machine = inGuest(controls, { [field]: 0x400n });
      machine.cpu.R[SLOT[slot]] = 0x501n;
      machine.execute(...CODE.vmcall);
      expect(machine.field(field)).toBe(on ? 0x501n : 0x400n);
    }
  });

  it('blocking by STI and MOV SS, and traps that MOV SS holds back', () => {
    const machine = inGuest();
    machine.cpu.blockingByMovSs = true;
    machine.cpu.pendingDebug = 0x1001;
    machine.execute(...CODE.vmcall);
    expect(machine.field('guestInterruptibilityState')).toBe(2n);
    expect(machine.field('guestPendingDebugExceptions')).toBe(0x1001n);
    expect([machine.cpu.blockingByMovSs, machine.cpu.pendingDebug]).toEqual([false, 0]);
    const sti = inGuest();
    sti.cpu.blockingBySti = true;
    sti.cpu.pendingDebug = 0x4000;
    sti.execute(...CODE.vmcall);
    expect(sti.field('guestInterruptibilityState')).toBe(1n);
    expect(sti.field('guestPendingDebugExceptions')).toBe(0n);
  });

  it.each([
    ['single step', FLAG.tf, 0n, 0, 0x4000n],
    ['single step and a breakpoint', FLAG.tf, 0n, 0x1001, 0x5001n],
    ['BTF: no branch was taken', FLAG.tf, 2n, 0, 0n],
    ['no TF', 0, 0n, 0x1001, 0x1001n],
  ])('what MOV SS holds back stays pending: %s', (_, flags, debugctl, pending, saved) => {
    const machine = inGuest();
    machine.cpu.rflags = BigInt(flags | 2);
    machine.cpu.R[SLOT.debugctl] = debugctl;
    machine.cpu.blockingByMovSs = true;
    machine.cpu.pendingDebug = pending;
    machine.execute(...CODE.vmcall);
    expect(machine.field('guestPendingDebugExceptions')).toBe(saved);
  });
});

describe('28.5 Loading Host State', () => {
  const machine = inGuest();
  machine.cpu.R[SLOT.dr7] = 0x401n;
  machine.cpu.R[SLOT.debugctl] = 1n;
  machine.cpu.R[SLOT.cr0] |= 0x6000_0000n;
  machine.execute(...CODE.vmcall);
  const { R, W } = machine.cpu;
  const segment = (slot: number) => [W[2 * slot], W[2 * slot + 1]];

  it('control registers; CD, NW and ET stay', () => {
    expect(R[SLOT.cr0]).toBe(0xe000_0031n);
    expect([R[SLOT.cr3], R[SLOT.cr4]]).toEqual([0x1000n, 0x2020n]);
  });
  it('RIP, RSP, RFLAGS', () => {
    expect(machine.cpu.rip).toBe(BigInt(AT.hostCode + 0x100));
    expect(machine.cpu.rflags).toBe(2n);
    expect(R[SLOT.rsp]).toBe(BigInt(AT.hostStack - 0x100));
  });
  it('segments', () => {
    expect(segment(SLOT.cs)).toEqual([8, 0xa09b]);
    expect(segment(SLOT.ss)).toEqual([16, 0xc093]);
    expect(segment(SLOT.fs)).toEqual([0, 0x1_c093]);
    expect(segment(SLOT.tr)).toEqual([24, 0x8b]);
    expect(segment(SLOT.ldtr)).toEqual([0, 0x1_0000]);
    expect([R[SLOT.fsBase], R[SLOT.gsBase], R[SLOT.trBase]]).toEqual([0xf5_0000n, 0x65_0000n, 0x77_0000n]);
    expect([R[SLOT.csLimit], R[SLOT.trLimit]]).toEqual([0xffff_ffffn, 0x67n]);
  });
  it('descriptor tables', () => {
    expect([R[SLOT.gdtrBase], R[SLOT.gdtrLimit]]).toEqual([0x6d_0000n, 0xffffn]);
    expect([R[SLOT.idtrBase], R[SLOT.idtrLimit]]).toEqual([0x1d_0000n, 0xffffn]);
  });
  it('MSRs and debug registers', () => {
    expect([R[SLOT.sysenterCs], R[SLOT.sysenterEsp], R[SLOT.sysenterEip]]).toEqual([0x88n, 0x1234n, 0x5678n]);
    expect([R[SLOT.dr7], R[SLOT.debugctl]]).toEqual([0x400n, 0n]);
    expect(R[SLOT.efer] & 0x500n).toBe(0x500n);
  });
  it('PAT and EFER when asked to', () => {
    const loading = inGuest(['loadHostIa32Pat', 'loadHostIa32Efer'], {
      hostIa32Pat: 0x0606_0606_0606_0606n,
      hostIa32Efer: 0xd01,
    });
    loading.execute(...CODE.vmcall);
    expect(loading.cpu.R[SLOT.pat]).toBe(0x0606_0606_0606_0606n);
    expect(loading.cpu.R[SLOT.efer]).toBe(0xd01n);
  });
  it('without VPID translations are dropped at entry and exit, with VPID not', () => {
    const plain = inGuest();
    const before = plain.memory.flushes;
    plain.execute(...CODE.vmcall);
    expect(plain.memory.flushes).toBe(before + 1);
    const tagged = inGuest(['activateSecondaryControls', 'enableVpid'], { vpid: 1 });
    const flushes = tagged.memory.flushes;
    tagged.execute(...CODE.vmcall);
    expect(tagged.memory.flushes).toBe(flushes);
  });
});

describe('28.4 Saving MSRs, 28.6 Loading MSRs, 28.7 VMX Aborts', () => {
  const KERNEL_GS_BASE = 0xc000_0102n;
  const X2APIC_ID = 0x802n;
  const withAreas = (store: bigint, load: bigint, value = 0x1234n) => {
    const machine = new VmxMachine();
    machine.memory.writePhysical(AT.msrArea, 8, store);
    machine.memory.writePhysical(AT.msrArea + 16, 8, load);
    machine.memory.writePhysical(AT.msrArea + 24, 8, value);
    inGuest(
      [],
      {
        vmExitMsrStoreCount: 1,
        vmExitMsrStoreAddress: AT.msrArea,
        vmExitMsrLoadCount: 1,
        vmExitMsrLoadAddress: AT.msrArea + 16,
      },
      machine,
    );
    machine.cpu.R[SLOT.kernelGsBase] = 0x5678n;
    machine.execute(...CODE.vmcall);
    return machine;
  };

  it('stores the value of the guest and loads that of the host', () => {
    const machine = withAreas(KERNEL_GS_BASE, KERNEL_GS_BASE);
    expect(machine.memory.readPhysical(AT.msrArea + 8, 8)).toBe(0x5678n);
    expect(machine.cpu.R[SLOT.kernelGsBase]).toBe(0x1234n);
    expect(machine.vmx.abortIndicator).toBe(0);
  });
  it.each([
    ['an MSR that must not be stored', X2APIC_ID, KERNEL_GS_BASE, 0n, 1],
    ['an MSR that does not exist', 0x1_3333n, KERNEL_GS_BASE, 0n, 1],
    ['reserved bits of the entry', KERNEL_GS_BASE | (1n << 32n), KERNEL_GS_BASE, 0n, 1],
    ['a value that WRMSR refuses', KERNEL_GS_BASE, KERNEL_GS_BASE, 1n << 60n, 4],
    ['FS base in the load area', KERNEL_GS_BASE, 0xc000_0100n, 0n, 4],
  ])('VMX abort: %s', (_, store, load, value, indicator) => {
    const machine = withAreas(store, load, value);
    expect([machine.abortIndicator(), machine.vmx.publish().abortIndicator]).toEqual([indicator, indicator]);
    expect(machine.cpu.activity).toBe(2);
    // Not even an NMI ends it.
    machine.cpu.nmiPending = true;
    machine.cpu.blockingByNmi = false;
    expect(machine.boundary()).toEqual({ interruption: undefined, exit: undefined });
    expect([machine.cpu.activity, machine.cpu.nmiPending]).toEqual([2, true]);
  });
  it('the TSC is stored without offset', () => {
    const machine = new VmxMachine();
    machine.memory.writePhysical(AT.msrArea, 8, 0x10n);
    inGuest(
      ['useTscOffsetting'],
      { vmExitMsrStoreCount: 1, vmExitMsrStoreAddress: AT.msrArea, tscOffset: 1_000_000 },
      machine,
    );
    machine.execute(...CODE.vmcall);
    expect(machine.memory.readPhysical(AT.msrArea + 8, 8)).toBe(BigInt(machine.now));
  });
});
