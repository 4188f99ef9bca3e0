import { maskOf } from '../core';
import type { PresetName } from '../cpu/presets';
import { type ControlField, EPT_VPID_CAP, VMX_MISC } from './capabilities';
import { CONTROLS, type ControlRow } from './vmcs/controls';

/** VMX of a real part, as its capability MSRs report it. SDM Vol. 3D, Appendix A VMX Capability Reporting Facility */
export interface VmxPart {
  readonly revision: bigint;
  /** Allowed-1 settings of each control field, also of what the model lacks. */
  readonly controls: Readonly<Record<ControlField, number>>;
  /** With the same rate of the preemption timer on all parts. */
  readonly misc: bigint;
  readonly eptVpid: bigint;
}

const NEHALEM: VmxPart = {
  revision: 0x0en,
  controls: {
    pinBasedControls: 0x7f,
    primaryProcBasedControls: 0xfff9fffe,
    // EPT, VPID and APIC accesses; no unrestricted guest.
    secondaryProcBasedControls: 0x7f,
    tertiaryProcBasedControls: 0,
    vmExitControls: 0x7fffff,
    secondaryVmExitControls: 0,
    vmEntryControls: 0xffff,
    vmFunctionControls: 0,
  },
  misc: 0x401c5n,
  eptVpid: 0xf01_0611_4141n,
};

const SKYLAKE: VmxPart = {
  revision: 4n,
  controls: {
    pinBasedControls: 0xff,
    primaryProcBasedControls: 0xfff9fffe,
    secondaryProcBasedControls: 0x25f7fff,
    tertiaryProcBasedControls: 0,
    vmExitControls: 0x1ffffff,
    secondaryVmExitControls: 0,
    vmEntryControls: 0x3ffff,
    vmFunctionControls: 1,
  },
  misc: 0x7004c1e5n,
  eptVpid: 0xf01_0673_4141n,
};

const SAPPHIRE_RAPIDS: VmxPart = {
  revision: 0x13n,
  controls: {
    pinBasedControls: 0xff,
    primaryProcBasedControls: 0xfffbfffe,
    secondaryProcBasedControls: 0xcfffffff,
    // IPI virtualization and virtualized IA32_SPEC_CTRL.
    tertiaryProcBasedControls: 0x90,
    vmExitControls: 0xff7fffff,
    secondaryVmExitControls: 8,
    vmEntryControls: 0x7effff,
    vmFunctionControls: 1,
  },
  misc: 0x7004c1e5n,
  eptVpid: 0xf01_06f3_41c1n,
};

const everyControl = (field: ControlField): number =>
  Object.values<ControlRow>(CONTROLS)
    .filter((row) => row.field === field)
    .reduce((mask, { bit }) => mask | (1 << bit), 0);

const allOnes = (layout: { reserved(width: number): bigint }): bigint => maskOf(64) & ~layout.reserved(64);

/** No real part: every control and capability that has a name. The preset of that name and the made-up processor of the rules begin here. */
export const EVERYTHING: VmxPart = {
  revision: 0x7fn,
  controls: {
    pinBasedControls: everyControl('pinBasedControls'),
    primaryProcBasedControls: everyControl('primaryProcBasedControls'),
    secondaryProcBasedControls: everyControl('secondaryProcBasedControls'),
    tertiaryProcBasedControls: everyControl('tertiaryProcBasedControls'),
    vmExitControls: everyControl('vmExitControls'),
    secondaryVmExitControls: everyControl('secondaryVmExitControls'),
    vmEntryControls: everyControl('vmEntryControls'),
    vmFunctionControls: everyControl('vmFunctionControls'),
  },
  misc: VMX_MISC.set(
    VMX_MISC.set(allOnes(VMX_MISC) & maskOf(32), 'cr3TargetCount', 4n),
    'preemptionTimerRate',
    5n,
  ),
  eptVpid: EPT_VPID_CAP.set(allOnes(EPT_VPID_CAP), 'maxHlatPrefixSize', 52n),
};

/** By preset; a part without VMX has none. */
export const PARTS: Readonly<Partial<Record<PresetName, VmxPart>>> = {
  nehalem: NEHALEM,
  skylake: SKYLAKE,
  'sapphire-rapids': SAPPHIRE_RAPIDS,
  // 512 entries in an MSR area, as all parts have.
  everything: { ...EVERYTHING, misc: VMX_MISC.set(EVERYTHING.misc, 'maxMsrs', 0n) },
};
