import { bitfield, maskOf, shiftRight } from '../core';
import { CONTROLS, type Control } from './vmcs/controls';

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

/** A capability MSR by name. */
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

/** The manual's name: IA32_VMX_BASIC for `ia32VmxBasic`. */
export const capabilityMsrName = (msr: CapabilityMsr): string =>
  msr
    .replace('ia32', 'IA32')
    .replaceAll(/([A-Z][a-z])/g, '_$1')
    .toUpperCase();

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

/** IA32_VMX_BASIC by field. SDM Vol. 3D, A.1 Basic VMX Information */
export const vmxBasic = (capabilities: VmxCapabilities) => VMX_BASIC.decode(capabilities.ia32VmxBasic);
/** IA32_VMX_MISC by field. SDM Vol. 3D, A.6 Miscellaneous Data */
export const vmxMisc = (capabilities: VmxCapabilities) => VMX_MISC.decode(capabilities.ia32VmxMisc);
/**
 * Entries that an MSR area may have: what bits 27:25 of IA32_VMX_MISC recommend. Beyond them the manual leaves the behaviour undefined; in the model
 * the entry after the last one fails. SDM Vol. 3D, A.6 Miscellaneous Data
 */
export const mostAreaEntries = (capabilities: VmxCapabilities): number =>
  512 * (Number(VMX_MISC.get(capabilities.ia32VmxMisc, 'maxMsrs')) + 1);
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
