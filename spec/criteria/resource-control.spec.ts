import { describe, expect, it } from 'vitest';
import { brokenMonitors } from '../../property-tests/mutants/monitors';
import { EMPTY_MEMORY, gpa, hpa, MemoryDraft } from '../../src/core';
import { Efficiency, eptReach, isSensitive, type MonitoredRun } from '../../src/criteria';
import { COMMON_EPT, EptTables, eptPaging } from '../../src/ept';
import type { HostRequest, Monitor } from '../../src/machine';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { CONTROLS } from '../../src/vmx/vmcs/controls';
import { VMCS_FIELDS, type VmcsField } from '../../src/vmx/vmcs/fields';
import { check, code, guestOf, STACK } from './guests';

/** The hardware-assisted monitor, whose VMWRITEs of one field are changed. */
const changing = (field: VmcsField, change: (value: bigint) => bigint): Monitor<unknown> => {
  const monitor = hardwareAssistedMonitor() as Monitor<unknown>;
  const { encoding } = VMCS_FIELDS[field];
  const changed = ([state, request]: readonly [unknown, HostRequest]) =>
    request.op === 'vmwrite' && request.field === encoding
      ? ([state, { ...request, value: change(request.value) }] as const)
      : ([state, request] as const);
  return {
    name: `changes ${field}`,
    start: (host) => changed(monitor.start(host)),
    resume: (state, reply) => changed(monitor.resume(state, reply)),
  };
};
const bit = (control: keyof typeof CONTROLS): bigint => 1n << BigInt(CONTROLS[control].bit);

describe('eptReach', () => {
  it('lists tables and leaves', () => {
    const tables = new EptTables(EMPTY_MEMORY, hpa(0x10_0000))
      .map({ gpa: gpa(0x1000), hpa: hpa(0x5000) })
      .map({ gpa: gpa(0x20_0000), hpa: hpa(0x80_0000), size: '2M' });
    const reach = eptReach(tables.publish(), eptPaging(COMMON_EPT), tables.root);
    expect([...reach.tables]).toEqual([0x100, 0x101, 0x102, 0x103]);
    expect(reach.leaves).toEqual([
      { gpa: 0x1000, frame: 5, count: 1 },
      { gpa: 0x20_0000, frame: 0x800, count: 512 },
    ]);
  });
});

describe('eptReach of tables that are shared', () => {
  it('visits a table once a level, so that one that names itself has an end', () => {
    const root = 0x10_0000;
    const memory = new MemoryDraft(EMPTY_MEMORY);
    const { words } = memory.ownedPage(root / 4096);
    for (let index = 0; index < 512; index++) words[2 * index] = root | 7;
    const reach = eptReach(memory, eptPaging(COMMON_EPT), root);
    expect([...reach.tables]).toEqual([root / 4096]);
    // At the lowest level its entries are leaves whose memory type is uncacheable.
    expect(reach.leaves).toHaveLength(512);
  });
});

describe('resource control', () => {
  const guest = guestOf(code.movEax(1), code.store(STACK), code.show, code.exit(0));

  it('holds under the hardware-assisted monitor, which comes back from an endless loop', async () => {
    const loop = guestOf(code.jumpToSelf);
    const report = await check(loop, hardwareAssistedMonitor({ preemptionTimerPeriod: 100 }), {
      maxInstructions: 50_000,
    });
    expect(report.holds).toBe(true);
    expect(report.efficiency.exits.preemptionTimerExpired).toBeGreaterThan(10);
    expect(report.resourceControl.longestStay).toBeLessThanOrEqual(3200);
  });

  it('fails without the preemption timer', async () => {
    const { resourceControl } = await check(guest, hardwareAssistedMonitor({ preemptionTimerPeriod: 0 }));
    expect(resourceControl.violations.map(({ kind }) => kind)).toEqual(['no-return']);
    expect(resourceControl.longestLease).toBe(-1);
  });

  it('fails when the guest reaches ports by itself', async () => {
    const monitor = changing('primaryProcBasedControls', (value) => value & ~bit('useIoBitmaps'));
    const { resourceControl, equivalence } = await check(guest, monitor);
    expect(equivalence.holds).toBe(true);
    expect(resourceControl.violations[0]).toMatchObject({
      kind: 'device',
      instruction: { address: '0x20000c', text: 'out 0x80, eax' },
    });
  });

  it('fails when the guest reaches a frame of the host', async () => {
    const LAST_PAGE = 0xff_f000;
    const { resourceControl } = await check(
      guestOf(code.movEax(1), code.store(LAST_PAGE), code.exit(0)),
      brokenMonitors().mapsMonitorMemory,
    );
    expect(resourceControl.violations).toContainEqual({
      kind: 'foreign-frame',
      says: 'write to host frame 0x1ff000 (data)',
      count: 1,
    });
  });

  it('fails when a structure of the processor lies with the guest', async () => {
    const guestMemory = 0x1_0000_0000n;
    const monitor = changing('msrBitmapAddress', () => guestMemory);
    const { resourceControl } = await check(guest, monitor);
    expect(resourceControl.violations.map(({ kind }) => kind)).toEqual(['exposed-structure']);
  });

  it('fails when a structure lies with the guest for a single stay', async () => {
    const { resourceControl } = await check(
      guestOf(...Array.from({ length: 8 }, () => code.cpuid), code.exit(0)),
      brokenMonitors().movesMsrBitmap,
    );
    expect(resourceControl.violations).toEqual([
      { kind: 'exposed-structure', says: "MSR bitmap at 0x100fff000 lies in the guest's memory", count: 1 },
    ]);
  });

  it('fails when EPT maps too much for a single stay', async () => {
    const { resourceControl } = await check(
      guestOf(...Array.from({ length: 8 }, () => code.cpuid), code.exit(0)),
      brokenMonitors().switchesEpt,
    );
    expect(resourceControl.violations).toEqual([
      {
        kind: 'foreign-mapping',
        says: 'EPT maps guest-physical 0x0 to 262144 host frames from 0x100000000 on',
        count: 1,
      },
    ]);
  });

  it('fails when the guest reads an MSR of the host', async () => {
    const { resourceControl } = await check(
      guestOf(code.movEcx(0x1b), code.rdmsr, code.movEcx(0x10), code.rdmsr, code.exit(0)),
      brokenMonitors().passesMsr,
    );
    expect(resourceControl.violations).toEqual([
      {
        kind: 'register',
        says: "read of the host's IA32_APIC_BASE in non-root operation",
        count: 1,
        instruction: { address: '0x200005', text: 'rdmsr' },
      },
    ]);
  });

  it('fails when the guest writes an MSR that VM exit does not load', async () => {
    const writesEfer = guestOf(
      code.movEcx(0xc000_0080),
      code.rdmsr,
      code.wrmsr,
      code.movEcx(0xc000_0082),
      code.wrmsr,
      code.exit(0),
    );
    expect((await check(writesEfer, hardwareAssistedMonitor())).resourceControl.holds).toBe(true);
    const monitor = changing('vmExitControls', (value) => value & ~bit('loadHostIa32Efer'));
    const { resourceControl } = await check(writesEfer, monitor);
    expect(resourceControl.violations.map(({ says }) => says)).toEqual([
      "write of the host's IA32_EFER in non-root operation",
    ]);
  });
});

describe('efficiency', () => {
  it('counts exits and the instructions that need none', async () => {
    const { efficiency } = await check(
      guestOf(code.nop, code.nop, code.cpuid, code.exit(0)),
      hardwareAssistedMonitor(),
    );
    expect(efficiency).toMatchObject({ holds: true, direct: 3, exits: { cpuid: 1, ioInstruction: 1 } });
    expect(efficiency.share).toBe(0.6);
  });

  it('fails when an innocuous instruction exits because of what it is', () => {
    // No VMX control of the presets makes an innocuous instruction exit: a run that reports such an exit.
    const at = (address: bigint, mnemonic: string) =>
      ({
        machine: { cpu: { rip: address } },
        code: { at: () => ({ mnemonic }), describe: () => ({ address, text: mnemonic }) },
        stay: 1,
        position: 2,
      }) as unknown as MonitoredRun;
    const efficiency = new Efficiency();
    efficiency.left(at(1n, 'pause'), { reason: 'pause', length: 2 });
    efficiency.left(at(1n, 'pause'), { reason: 'pause', length: 2 });
    efficiency.left(at(3n, 'cpuid'), { reason: 'cpuid', length: 2 });
    efficiency.left(at(4n, 'add'), { reason: 'preemptionTimerExpired' });
    expect(efficiency.result(at(5n, 'nop'))).toMatchObject({
      holds: false,
      needless: [{ reason: 'pause', instruction: { address: 1n, text: 'pause' }, count: 2 }],
      exits: { pause: 2, cpuid: 1, preemptionTimerExpired: 1 },
    });
  });

  it('fails when the monitor executes an innocuous instruction itself', async () => {
    const monitor = brokenMonitors({ preemptionTimerPeriod: 1 }).executesNops;
    const nops = Array.from({ length: 200 }, () => code.nop);
    const { equivalence, efficiency } = await check(guestOf(...nops, code.exit(0)), monitor);
    expect(equivalence.holds).toBe(true);
    expect(efficiency.holds).toBe(false);
    expect(efficiency.needless[0]).toMatchObject({
      reason: 'preemptionTimerExpired',
      instruction: { text: 'nop' },
    });
    const after = await check(guestOf(code.cpuid, code.nop, code.exit(0)), brokenMonitors().executesNops);
    expect(after.efficiency.needless).toMatchObject([{ reason: 'cpuid', instruction: { text: 'nop' } }]);
  });

  it('knows sensitive instructions', () => {
    expect(['cpuid', 'hlt', 'out', 'mov_cr', 'vmcall', 'sgdt', 'popf'].every(isSensitive)).toBe(true);
    expect(['add', 'mov', 'movs', 'jcc', 'pause', 'nop'].some(isSensitive)).toBe(false);
  });
});
