import { type BitRange, bitfield, maskOf, shiftRight } from '../core';
import { CONTROLS, type Control, type ControlRow } from './vmcs/controls';
import type { FieldRow } from './vmcs/field-row';
import { VMCS_FIELDS } from './vmcs/fields';

/**
 * The MSRs that say what VMX can do here, as 64-bit values; `undefined` where the MSR does not exist.
 * SDM Vol. 3D, Appendix A VMX Capability Reporting Facility
 */
export interface VmxCapabilities {
  readonly ia32FeatureControl: bigint | undefined;
  readonly ia32VmxBasic: bigint;
  readonly ia32VmxPinbasedCtls: bigint;
  readonly ia32VmxProcbasedCtls: bigint;
  readonly ia32VmxExitCtls: bigint;
  readonly ia32VmxEntryCtls: bigint;
  readonly ia32VmxMisc: bigint;
  readonly ia32VmxCr0Fixed0: bigint;
  readonly ia32VmxCr0Fixed1: bigint;
  readonly ia32VmxCr4Fixed0: bigint;
  readonly ia32VmxCr4Fixed1: bigint;
  readonly ia32VmxVmcsEnum: bigint;
  readonly ia32VmxProcbasedCtls2: bigint | undefined;
  readonly ia32VmxEptVpidCap: bigint | undefined;
  readonly ia32VmxTruePinbasedCtls: bigint | undefined;
  readonly ia32VmxTrueProcbasedCtls: bigint | undefined;
  readonly ia32VmxTrueExitCtls: bigint | undefined;
  readonly ia32VmxTrueEntryCtls: bigint | undefined;
  readonly ia32VmxVmfunc: bigint | undefined;
  readonly ia32VmxProcbasedCtls3: bigint | undefined;
  readonly ia32VmxExitCtls2: bigint | undefined;
}

export type CapabilityMsr = keyof VmxCapabilities;

/** MSR index of each capability. SDM Vol. 3D, Appendix A VMX Capability Reporting Facility */
export const CAPABILITY_MSRS = {
  ia32FeatureControl: 0x03a,
  ia32VmxBasic: 0x480,
  ia32VmxPinbasedCtls: 0x481,
  ia32VmxProcbasedCtls: 0x482,
  ia32VmxExitCtls: 0x483,
  ia32VmxEntryCtls: 0x484,
  ia32VmxMisc: 0x485,
  ia32VmxCr0Fixed0: 0x486,
  ia32VmxCr0Fixed1: 0x487,
  ia32VmxCr4Fixed0: 0x488,
  ia32VmxCr4Fixed1: 0x489,
  ia32VmxVmcsEnum: 0x48a,
  ia32VmxProcbasedCtls2: 0x48b,
  ia32VmxEptVpidCap: 0x48c,
  ia32VmxTruePinbasedCtls: 0x48d,
  ia32VmxTrueProcbasedCtls: 0x48e,
  ia32VmxTrueExitCtls: 0x48f,
  ia32VmxTrueEntryCtls: 0x490,
  ia32VmxVmfunc: 0x491,
  ia32VmxProcbasedCtls3: 0x492,
  ia32VmxExitCtls2: 0x493,
} as const satisfies Record<CapabilityMsr, number>;

const msrByIndex = new Map<number, CapabilityMsr>(
  Object.entries(CAPABILITY_MSRS).map(([name, index]) => [index, name as CapabilityMsr]),
);

/** What RDMSR of a capability MSR returns; `undefined` when this processor has no such MSR (#GP(0)). */
export const capabilityMsr = (capabilities: VmxCapabilities, index: number): bigint | undefined => {
  const name = msrByIndex.get(index);
  return name === undefined ? undefined : capabilities[name];
};

/** SDM Vol. 3C, 24.7 Enabling and Entering VMX Operation */
export const FEATURE_CONTROL = bitfield({
  lock: 0,
  enableVmxInSmx: 1,
  enableVmxOutsideSmx: 2,
  senterLocalEnables: [14, 8],
  senterGlobalEnable: 15,
  sgxLaunchControl: 17,
  sgxGlobalEnable: 18,
  lmceOn: 20,
});

/** SDM Vol. 3D, A.1 Basic VMX Information. Bits 57 and 58 are newer than the edition of 2016. */
export const VMX_BASIC = bitfield({
  vmcsRevisionId: [30, 0],
  vmcsRegionSize: [44, 32],
  physicalAddressWidth32: 48,
  dualMonitor: 49,
  memoryType: [53, 50],
  insOutsInfo: 54,
  trueControls: 55,
  anyErrorCode: 56,
  nestedException: 58,
});

/** SDM Vol. 3D, A.6 Miscellaneous Data */
export const VMX_MISC = bitfield({
  preemptionTimerRate: [4, 0],
  storeLma: 5,
  activityHlt: 6,
  activityShutdown: 7,
  activityWaitForSipi: 8,
  intelPt: 14,
  rdmsrSmbase: 15,
  cr3TargetCount: [24, 16],
  maxMsrs: [27, 25],
  smmMonitorCtl2: 28,
  vmwriteAnyField: 29,
  zeroLengthInjection: 30,
  msegRevisionId: [63, 32],
});

/** SDM Vol. 3D, A.10 VPID and EPT Capabilities. Bits 7, 22, 23 and 53:48 are newer than the edition of 2016. */
export const EPT_VPID_CAP = bitfield({
  executeOnly: 0,
  walkLength4: 6,
  walkLength5: 7,
  memtypeUc: 8,
  memtypeWb: 14,
  page2m: 16,
  page1g: 17,
  invept: 20,
  accessedDirty: 21,
  advancedVmexitInfo: 22,
  supervisorShadowStack: 23,
  inveptSingle: 25,
  inveptAll: 26,
  invvpid: 32,
  invvpidIndividual: 40,
  invvpidSingle: 41,
  invvpidAll: 42,
  invvpidSingleNonGlobal: 43,
  maxHlatPrefixSize: [53, 48],
});

export const vmxBasic = (capabilities: VmxCapabilities) => VMX_BASIC.decode(capabilities.ia32VmxBasic);
export const vmxMisc = (capabilities: VmxCapabilities) => VMX_MISC.decode(capabilities.ia32VmxMisc);
/** All zero where the MSR does not exist. */
export const eptVpidCap = (capabilities: VmxCapabilities) =>
  EPT_VPID_CAP.decode(capabilities.ia32VmxEptVpidCap ?? 0n);

/** Bits 30:0 of IA32_VMX_BASIC, the first word of every VMXON and VMCS region. SDM Vol. 3C, 25.2 Format of the VMCS Region */
export const revisionIdentifier = (capabilities: VmxCapabilities): number =>
  Number(VMX_BASIC.get(capabilities.ia32VmxBasic, 'vmcsRevisionId'));

/** A field whose bits are controls. */
export type ControlField = (typeof CONTROLS)[Control]['field'];

const HIGH_HALF = 32n;

/** The MSR with both halves: the TRUE one where the field has one and this processor too. */
const settingsOf = (c: VmxCapabilities, field: ControlField): bigint | undefined => {
  const useTrue = VMX_BASIC.get(c.ia32VmxBasic, 'trueControls') === 1n;
  switch (field) {
    case 'pinBasedControls':
      return useTrue ? c.ia32VmxTruePinbasedCtls : c.ia32VmxPinbasedCtls;
    case 'primaryProcBasedControls':
      return useTrue ? c.ia32VmxTrueProcbasedCtls : c.ia32VmxProcbasedCtls;
    case 'vmExitControls':
      return useTrue ? c.ia32VmxTrueExitCtls : c.ia32VmxExitCtls;
    case 'vmEntryControls':
      return useTrue ? c.ia32VmxTrueEntryCtls : c.ia32VmxEntryCtls;
    case 'secondaryProcBasedControls':
      return c.ia32VmxProcbasedCtls2;
    // These report 64 allowed-1 settings and no allowed-0 half.
    case 'tertiaryProcBasedControls':
    case 'secondaryVmExitControls':
    case 'vmFunctionControls':
      return undefined;
  }
};

/** Bits that must be 1 in a control field. SDM Vol. 3D, A.2 Reserved Controls and Default Settings */
export const allowed0 = (capabilities: VmxCapabilities, field: ControlField): bigint =>
  (settingsOf(capabilities, field) ?? 0n) & maskOf(32);

/** Bits that may be 1 in a control field; none where the MSR does not exist. SDM Vol. 3D, A.2 Reserved Controls and Default Settings */
export const allowed1 = (capabilities: VmxCapabilities, field: ControlField): bigint => {
  switch (field) {
    case 'tertiaryProcBasedControls':
      return capabilities.ia32VmxProcbasedCtls3 ?? 0n;
    case 'secondaryVmExitControls':
      return capabilities.ia32VmxExitCtls2 ?? 0n;
    case 'vmFunctionControls':
      return capabilities.ia32VmxVmfunc ?? 0n;
    default:
      return shiftRight(settingsOf(capabilities, field) ?? 0n, HIGH_HALF);
  }
};

/** Whether a control may be 1. */
export const controlSupported = (capabilities: VmxCapabilities, control: Control): boolean => {
  const row = CONTROLS[control];
  return ((allowed1(capabilities, row.field) >> BigInt(row.bit)) & 1n) === 1n;
};

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

const SKYLAKE_CONTROLS: ReadonlySet<Control> = new Set<Control>([
  'externalInterruptExiting',
  'nmiExiting',
  'activateVmxPreemptionTimer',
  'interruptWindowExiting',
  'useTscOffsetting',
  'hltExiting',
  'invlpgExiting',
  'rdtscExiting',
  'cr3LoadExiting',
  'cr3StoreExiting',
  'cr8LoadExiting',
  'cr8StoreExiting',
  'movDrExiting',
  'unconditionalIoExiting',
  'useIoBitmaps',
  'useMsrBitmaps',
  'activateSecondaryControls',
  'enableEpt',
  'enableRdtscp',
  'enableVpid',
  'unrestrictedGuest',
  'saveDebugControls',
  'hostAddressSpaceSize',
  'acknowledgeInterruptOnExit',
  'saveIa32Pat',
  'loadHostIa32Pat',
  'saveIa32Efer',
  'loadHostIa32Efer',
  'saveVmxPreemptionTimerValue',
  'loadDebugControls',
  'ia32eModeGuest',
  'loadGuestIa32Pat',
  'loadGuestIa32Efer',
]);

const COMMON = {
  ia32FeatureControl: compose(FEATURE_CONTROL, { lock: 1n, enableVmxOutsideSmx: 1n }),
  // PE, NE and PG must be 1; bits 63:32 must be 0.
  ia32VmxCr0Fixed0: 0x8000_0021n,
  ia32VmxCr0Fixed1: 0xffff_ffffn,
  // VMXE must be 1.
  ia32VmxCr4Fixed0: 0x2000n,
};

/** Index bits 9:1 of the highest field encoding, in place. SDM Vol. 3D, A.9 VMCS Enumeration */
const HIGHEST_FIELD_INDEX: bigint = (Object.values(VMCS_FIELDS) as readonly FieldRow[]).reduce(
  (highest, row) => {
    const index = BigInt(row.encoding & 0x3fe);
    return index > highest ? index : highest;
  },
  0n,
);

/** A processor of the Skylake generation as far as the model builds it: no virtual NMIs or APIC virtualization. */
export const SKYLAKE_CAPABILITIES: VmxCapabilities = {
  ...COMMON,
  ...controlMsrs((control) => SKYLAKE_CONTROLS.has(control)),
  ia32VmxBasic: compose(VMX_BASIC, {
    vmcsRevisionId: 4n,
    vmcsRegionSize: 4096n,
    memoryType: 6n,
    insOutsInfo: 1n,
    trueControls: 1n,
  }),
  ia32VmxMisc: compose(VMX_MISC, { preemptionTimerRate: 5n, activityHlt: 1n, cr3TargetCount: 4n }),
  // VME to OSXMMEXCPT, VMXE, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP may be 1.
  ia32VmxCr4Fixed1: 0x0037_27ffn,
  ia32VmxVmcsEnum: 0x2en,
  ia32VmxEptVpidCap: compose(EPT_VPID_CAP, {
    executeOnly: 1n,
    walkLength4: 1n,
    memtypeUc: 1n,
    memtypeWb: 1n,
    page2m: 1n,
    page1g: 1n,
    invept: 1n,
    inveptSingle: 1n,
    inveptAll: 1n,
    invvpid: 1n,
    invvpidIndividual: 1n,
    invvpidSingle: 1n,
    invvpidAll: 1n,
    invvpidSingleNonGlobal: 1n,
  }),
};

const allOnes = <L extends Record<string, BitRange>>(layout: ReturnType<typeof bitfield<L>>): bigint =>
  maskOf(64) & ~layout.reserved(64);

/** A made-up processor with every control and feature of the tables: for rules whose control the presets lack. */
export const FULL_CAPABILITIES: VmxCapabilities = {
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
  ia32VmxMisc: VMX_MISC.set(
    VMX_MISC.set(allOnes(VMX_MISC) & maskOf(32), 'cr3TargetCount', 4n),
    'preemptionTimerRate',
    5n,
  ),
  // Every CR4 bit with a name, up to FRED (bit 32).
  ia32VmxCr4Fixed1: 0x1_1bff_7fffn,
  ia32VmxVmcsEnum: HIGHEST_FIELD_INDEX,
  ia32VmxEptVpidCap: EPT_VPID_CAP.set(allOnes(EPT_VPID_CAP), 'maxHlatPrefixSize', 52n),
};
