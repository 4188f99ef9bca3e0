// SDM Vol. 3D, Appendix A VMX Capability Reporting Facility
import { describe, expect, it } from 'vitest';
import { type PresetName, processor } from '../../../src/cpu/presets';
import {
  allowed0,
  allowed1,
  BUILT_CONTROLS,
  CAPABILITY_MSRS,
  capabilityMsr,
  controlSupported,
  eptVpidCap,
  FULL_CAPABILITIES,
  partHasControl,
  revisionIdentifier,
  SKYLAKE_CAPABILITIES,
  vmxBasic,
  vmxCapabilities,
  vmxMisc,
} from '../../../src/vmx';

import { CONTROLS, type Control, type ControlRow } from '../../../src/vmx/vmcs';

describe('A VMX Capability Reporting Facility', () => {
  it('A.1: reports the region that software must provide', () => {
    expect(revisionIdentifier(SKYLAKE_CAPABILITIES)).toBe(4);
    expect(vmxBasic(SKYLAKE_CAPABILITIES)).toMatchObject({ vmcsRegionSize: 4096n, memoryType: 6n });
  });

  it('A.2: the TRUE MSRs let the default1 controls with a name be 0', () => {
    expect(allowed0(SKYLAKE_CAPABILITIES, 'primaryProcBasedControls')).toBe(0x0400_6172n);
    const old = { ...SKYLAKE_CAPABILITIES, ia32VmxBasic: 4n };
    expect(allowed0(old, 'primaryProcBasedControls')).toBe(0x0401_e172n);
    expect(allowed0(SKYLAKE_CAPABILITIES, 'vmExitControls')).toBe(0x3_6dfbn);
    expect(allowed0(old, 'vmExitControls')).toBe(0x3_6dffn);
  });

  it('A.3 to A.5: what must be 1 may be 1', () => {
    for (const capabilities of [SKYLAKE_CAPABILITIES, FULL_CAPABILITIES])
      for (const { field } of Object.values(CONTROLS))
        expect(allowed0(capabilities, field) & ~allowed1(capabilities, field)).toBe(0n);
  });

  it('the full processor has every control; Skylake has unrestricted guest and no APIC accesses', () => {
    const names = Object.keys(CONTROLS) as Control[];
    expect(names.filter((name) => !controlSupported(FULL_CAPABILITIES, name))).toEqual([]);
    for (const name of ['virtualizeApicAccesses', 'subPageWritePermissions', 'pasidTranslation'] as const)
      expect(controlSupported(SKYLAKE_CAPABILITIES, name)).toBe(false);
    for (const name of [
      'enableEpt',
      'enableVpid',
      'unrestrictedGuest',
      'cr3LoadExiting',
      'loadHostIa32Efer',
    ] as const)
      expect(controlSupported(SKYLAKE_CAPABILITIES, name)).toBe(true);
  });

  it('A.6 and A.10: decodes', () => {
    expect(vmxMisc(SKYLAKE_CAPABILITIES)).toMatchObject({
      preemptionTimerRate: 5n,
      activityHlt: 1n,
      activityShutdown: 1n,
      activityWaitForSipi: 1n,
      cr3TargetCount: 4n,
      maxMsrs: 0n,
    });
    expect(eptVpidCap(SKYLAKE_CAPABILITIES)).toMatchObject({
      executeOnly: 1n,
      accessedDirty: 1n,
      advancedVmexitInfo: 1n,
      walkLength5: 0n,
      invvpid: 1n,
    });
  });

  it('A.10: 5-level EPT came with Sapphire Rapids; Nehalem has no accessed and dirty flags', () => {
    const of = (name: 'nehalem' | 'sapphire-rapids') => eptVpidCap(vmxCapabilities(processor(name)));
    expect(of('sapphire-rapids')).toMatchObject({ walkLength4: 1n, walkLength5: 1n, accessedDirty: 1n });
    expect(of('nehalem')).toMatchObject({ walkLength5: 0n, accessedDirty: 0n, advancedVmexitInfo: 0n });
  });

  it('an MSR that does not exist reads as undefined', () => {
    expect(
      capabilityMsr(vmxCapabilities(processor('nehalem')), CAPABILITY_MSRS.ia32VmxVmfunc),
    ).toBeUndefined();
    expect(capabilityMsr(SKYLAKE_CAPABILITIES, CAPABILITY_MSRS.ia32VmxVmfunc)).toBe(1n);
    expect(capabilityMsr(SKYLAKE_CAPABILITIES, 0x494)).toBeUndefined();
    expect(capabilityMsr(SKYLAKE_CAPABILITIES, 0x480)).toBe(0xd8_1000_0000_0004n);
  });

  it('each part has what it has: Nehalem without unrestricted guest, the Pentium nothing', () => {
    const nehalem = vmxCapabilities(processor('nehalem'));
    expect(controlSupported(nehalem, 'unrestrictedGuest')).toBe(false);
    expect(controlSupported(nehalem, 'enableEpt')).toBe(true);
    expect(partHasControl('nehalem', 'virtualizeApicAccesses')).toBe(true);
    expect(partHasControl('pentium', 'hltExiting')).toBe(false);
    expect(revisionIdentifier(vmxCapabilities(processor('sapphire-rapids')))).toBe(0x13);
  });

  it('`everything` has each control that is built, and no other beside those that are always 1', () => {
    const capabilities = vmxCapabilities(processor('everything'));
    for (const [name, { default1 }] of Object.entries<ControlRow>(CONTROLS))
      expect(controlSupported(capabilities, name as Control), name).toBe(
        BUILT_CONTROLS.has(name as Control) || default1 === true,
      );
  });

  it('a control of something that the processor lacks is not there', () => {
    const lacking = (edit: string, ...names: readonly Control[]): void => {
      const without = vmxCapabilities(processor('everything', [edit]));
      for (const name of names) expect(controlSupported(without, name), `${edit}: ${name}`).toBe(false);
    };
    lacking('-rdrand', 'rdrandExiting');
    lacking('-xsaves', 'enableXsavesXrstors');
    lacking('-waitpkg', 'enableUserWaitAndPause');
    lacking('-pks', 'loadGuestPkrs', 'loadHostPkrs');
    lacking('-perfmon', 'loadGuestIa32PerfGlobalCtrl', 'loadHostIa32PerfGlobalCtrl', 'saveIa32PerfGlobalCtl');
  });

  it('A.9: the highest index is that of a field that exists', () => {
    const highest = (name: PresetName): bigint => vmxCapabilities(processor(name)).ia32VmxVmcsEnum;
    expect([highest('nehalem'), highest('skylake')]).toEqual([0x2en, 0x32n]);
  });

  it('A.8: CR4 bits that may be 1 are those of the features', () => {
    const { ia32VmxCr4Fixed1 } = vmxCapabilities(processor('skylake'));
    const without = vmxCapabilities(processor('skylake', ['-smap']));
    expect(ia32VmxCr4Fixed1 ^ without.ia32VmxCr4Fixed1).toBe(1n << 21n);
  });
});
