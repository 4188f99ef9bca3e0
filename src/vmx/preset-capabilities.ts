import type { BitRange, bitfield } from '../core';
import { cr4Bits } from '../cpu/control-registers';
import { announces, type FeatureName, type PresetName, type Processor, processor } from '../cpu/presets';
import { BUILT_CONTROLS } from './built-controls';
import {
  type ControlField,
  EPT_VPID_CAP,
  FEATURE_CONTROL,
  VMX_BASIC,
  VMX_MISC,
  type VmxCapabilities,
} from './capabilities';
import { EVERYTHING, PARTS, type VmxPart } from './preset-parts';
import { CONTROLS, type Control, type ControlRow } from './vmcs/controls';
import { VMCS_FIELDS } from './vmcs/fields';
import { supportedFields } from './vmcs/supported-fields';
import { FIELD_NAMES } from './vmcs/vmcs';

/** The allowed-1 settings of a control MSR are its upper half. */
const HIGH_HALF = 32n;

/** The word in which exactly these named parts are set. */
const compose = <L extends Record<string, BitRange>>(
  layout: ReturnType<typeof bitfield<L>>,
  parts: Partial<Record<keyof L & string, bigint>>,
): bigint =>
  Object.entries(parts).reduce(
    (word, [name, value]) => layout.set(word, name as keyof L & string, value as bigint),
    0n,
  );

const bits = (field: ControlField, chosen: (name: Control, row: ControlRow) => boolean): bigint =>
  Object.entries(CONTROLS)
    .filter(([name, row]) => row.field === field && chosen(name as Control, row))
    .reduce((mask, [, row]) => mask | (1n << BigInt(row.bit)), 0n);

const isReserved = (row: ControlRow): boolean => row.name.startsWith('Reserved');

/** The control MSRs of a processor that has these controls; default1 bits that have a name may be 0 by the TRUE MSRs. */
const controlMsrs = (has: (control: Control) => boolean) => {
  const may = (field: ControlField) => bits(field, (name, row) => row.default1 === true || has(name));
  const plain = (field: ControlField) =>
    (may(field) << HIGH_HALF) | bits(field, (_, row) => row.default1 === true);
  const exact = (field: ControlField) =>
    (may(field) << HIGH_HALF) | bits(field, (_, row) => row.default1 === true && isReserved(row));
  const ifActivated = (activation: Control, field: ControlField, shift: bigint) =>
    has(activation) ? may(field) << shift : undefined;
  return {
    ia32VmxPinbasedCtls: plain('pinBasedControls'),
    ia32VmxProcbasedCtls: plain('primaryProcBasedControls'),
    ia32VmxExitCtls: plain('vmExitControls'),
    ia32VmxEntryCtls: plain('vmEntryControls'),
    ia32VmxTruePinbasedCtls: exact('pinBasedControls'),
    ia32VmxTrueProcbasedCtls: exact('primaryProcBasedControls'),
    ia32VmxTrueExitCtls: exact('vmExitControls'),
    ia32VmxTrueEntryCtls: exact('vmEntryControls'),
    ia32VmxProcbasedCtls2: ifActivated('activateSecondaryControls', 'secondaryProcBasedControls', HIGH_HALF),
    ia32VmxProcbasedCtls3: ifActivated('activateTertiaryControls', 'tertiaryProcBasedControls', 0n),
    ia32VmxExitCtls2: ifActivated('activateSecondaryVmExitControls', 'secondaryVmExitControls', 0n),
    ia32VmxVmfunc: ifActivated('enableVmFunctions', 'vmFunctionControls', 0n),
  };
};

const COMMON = {
  ia32FeatureControl: compose(FEATURE_CONTROL, { lock: 1n, enableVmxOutsideSmx: 1n }),
  // PE, NE and PG must be 1; bits 63:32 must be 0.
  ia32VmxCr0Fixed0: 0x8000_0021n,
  ia32VmxCr0Fixed1: 0xffff_ffffn,
  // VMXE must be 1.
  ia32VmxCr4Fixed0: 0x2000n,
};

/** What IA32_VMX_MISC may say. */
const BUILT_MISC = compose(VMX_MISC, {
  preemptionTimerRate: 0x1fn,
  storeLma: 1n,
  activityHlt: 1n,
  activityShutdown: 1n,
  activityWaitForSipi: 1n,
  cr3TargetCount: 0x1ffn,
  vmwriteAnyField: 1n,
  zeroLengthInjection: 1n,
});

/** What IA32_VMX_EPT_VPID_CAP may say. */
const BUILT_EPT_VPID = compose(EPT_VPID_CAP, {
  executeOnly: 1n,
  walkLength4: 1n,
  walkLength5: 1n,
  memtypeUc: 1n,
  memtypeWb: 1n,
  page2m: 1n,
  page1g: 1n,
  accessedDirty: 1n,
  advancedVmexitInfo: 1n,
  invept: 1n,
  inveptSingle: 1n,
  inveptAll: 1n,
  invvpid: 1n,
  invvpidIndividual: 1n,
  invvpidSingle: 1n,
  invvpidAll: 1n,
  invvpidSingleNonGlobal: 1n,
});

const hasControl = ({ controls }: VmxPart, control: Control): boolean =>
  ((controls[CONTROLS[control].field] >>> CONTROLS[control].bit) & 1) === 1;

/** Controls of something that a processor may lack: they are there with one of these features. */
const OF_FEATURES: Readonly<Partial<Record<Control, readonly FeatureName[]>>> = {
  enableRdtscp: ['rdtscp', 'rdpid'],
  rdrandExiting: ['rdrand'],
  enableInvpcid: ['invpcid'],
  rdseedExiting: ['rdseed'],
  enableXsavesXrstors: ['xsaves'],
  enableUserWaitAndPause: ['waitpkg'],
  loadHostIa32PerfGlobalCtrl: ['perfmon'],
  loadHostCetState: ['cet-ss', 'cet-ibt'],
  loadHostPkrs: ['pks'],
  saveIa32PerfGlobalCtl: ['perfmon'],
  loadGuestIa32PerfGlobalCtrl: ['perfmon'],
  loadGuestCetState: ['cet-ss', 'cet-ibt'],
  loadGuestPkrs: ['pks'],
};

/** Whether the real part behind a preset has a control: its capability MSR allows 1. */
export const partHasControl = (preset: PresetName, control: Control): boolean => {
  const part = PARTS[preset];
  return part !== undefined && hasControl(part, control);
};

/** Index bits 9:1 of the highest encoding of a field that the processor has, in place. SDM Vol. 3D, A.9 VMCS Enumeration */
const withHighestField = (capabilities: VmxCapabilities): VmxCapabilities => {
  const supported = supportedFields(capabilities);
  const indexes = FIELD_NAMES.filter((_, index) => supported[index] === 1).map(
    (name) => VMCS_FIELDS[name].encoding & 0x3fe,
  );
  return { ...capabilities, ia32VmxVmcsEnum: BigInt(Math.max(...indexes)) };
};

/**
 * The capability MSRs of a processor: what the part has and the model has built. SDM Vol. 3D, Appendix A VMX Capability Reporting Facility
 */
export const vmxCapabilities = ({ name, cpuid }: Pick<Processor, 'name' | 'cpuid'>): VmxCapabilities => {
  const part = PARTS[name] ?? PARTS.skylake!;
  const controls = controlMsrs(
    (control) =>
      BUILT_CONTROLS.has(control) &&
      hasControl(part, control) &&
      (OF_FEATURES[control]?.some((feature) => announces(cpuid, feature)) ?? true),
  );
  return withHighestField({
    ...COMMON,
    ...controls,
    // The whole page: the layout of an active VMCS's image is the model's own.
    ia32VmxBasic: compose(VMX_BASIC, {
      vmcsRevisionId: part.revision,
      vmcsRegionSize: 4096n,
      memoryType: 6n,
      insOutsInfo: 1n,
      trueControls: 1n,
    }),
    ia32VmxMisc: part.misc & BUILT_MISC,
    ia32VmxCr4Fixed1: BigInt(cr4Bits(cpuid) >>> 0),
    ia32VmxVmcsEnum: 0n,
    ia32VmxEptVpidCap: part.eptVpid & BUILT_EPT_VPID,
  });
};

/** The capabilities of the preset `skylake`. */
export const SKYLAKE_CAPABILITIES: VmxCapabilities = vmxCapabilities(processor('skylake'));

/** A made-up processor with every control and feature of the tables: for rules whose control the presets lack. */
export const FULL_CAPABILITIES: VmxCapabilities = withHighestField({
  ...COMMON,
  ...controlMsrs(() => true),
  ia32VmxBasic: compose(VMX_BASIC, {
    vmcsRevisionId: 4n,
    vmcsRegionSize: 4096n,
    dualMonitor: 1n,
    memoryType: 6n,
    insOutsInfo: 1n,
    trueControls: 1n,
    anyErrorCode: 1n,
    nestedException: 1n,
  }),
  ia32VmxMisc: EVERYTHING.misc,
  // Every CR4 bit with a name, up to FRED (bit 32).
  ia32VmxCr4Fixed1: 0x1_1bff_7fffn,
  ia32VmxVmcsEnum: 0n,
  ia32VmxEptVpidCap: EVERYTHING.eptVpid,
});
