import type { HostRequest } from '../../machine/host-port';
import {
  allowed0,
  allowed1,
  CAPABILITY_MSRS,
  type CapabilityMsr,
  type ControlField,
  controlSupported,
  eptVpidCap,
  FEATURE_CONTROL,
  type VmxCapabilities,
} from '../../vmx/capabilities';
import { CONTROLS, type Control } from '../../vmx/vmcs/controls';
import { controlBit } from './controls';
import { ask, halt, type Program, resultOf, tell } from './program';

/** Without these the monitor cannot run an unmodified guest. */
export const REQUIRED: readonly Control[] = [
  'externalInterruptExiting',
  'hltExiting',
  'cr8LoadExiting',
  'cr8StoreExiting',
  'useTscOffsetting',
  'useIoBitmaps',
  'useMsrBitmaps',
  'activateSecondaryControls',
  'enableEpt',
  'unrestrictedGuest',
  'saveDebugControls',
  'hostAddressSpaceSize',
  'saveIa32Pat',
  'loadHostIa32Pat',
  'saveIa32Efer',
  'loadHostIa32Efer',
  'loadDebugControls',
  'loadGuestIa32Pat',
  'loadGuestIa32Efer',
];
/** Needed later, off at first. */
const REQUIRED_LATER: readonly Control[] = [
  'interruptWindowExiting',
  'acknowledgeInterruptOnExit',
  'ia32eModeGuest',
];
/** On where the processor has them: without them the guest lacks an instruction that CPUID announces. */
const WELCOME: readonly Control[] = [
  'enableVpid',
  'enableRdtscp',
  'enableInvpcid',
  'enableXsavesXrstors',
  'enableUserWaitAndPause',
];

const ENTRIES = Object.entries(CAPABILITY_MSRS) as readonly (readonly [CapabilityMsr, number])[];
const FEATURE_CONTROL_MSR = CAPABILITY_MSRS.ia32FeatureControl;
const ENABLED = FEATURE_CONTROL.set(FEATURE_CONTROL.set(0n, 'lock', 1n), 'enableVmxOutsideSmx', 1n);

/** What the monitor needs of a processor and this one lacks, by the manual's names. */
export const missingControls = (capabilities: VmxCapabilities): readonly string[] =>
  [...REQUIRED, ...REQUIRED_LATER]
    .filter((control) => !controlSupported(capabilities, control))
    .map((control) => CONTROLS[control].name);

/**
 * Reads what VMX can do here; an MSR that raises #GP does not exist. Enables VMX outside SMX when firmware left that open, and ends when it
 * is off or a feature is missing. SDM Vol. 3C, 24.7 Enabling and Entering VMX Operation; Vol. 3D, Appendix A
 */
export function* readCapabilities(): Program<VmxCapabilities> {
  const replies = yield* ask(ENTRIES.map(([, index]): HostRequest => ({ op: 'rdmsr', index })));
  const values = Object.fromEntries(ENTRIES.map(([name], i) => [name, resultOf(replies[i])]));
  const capabilities = values as unknown as VmxCapabilities;
  const featureControl = capabilities.ia32FeatureControl;
  if (featureControl === undefined || values.ia32VmxBasic === undefined)
    return yield* halt('the processor has no VMX');
  if (FEATURE_CONTROL.get(featureControl, 'lock') === 0n)
    yield* tell([{ op: 'wrmsr', index: FEATURE_CONTROL_MSR, value: featureControl | ENABLED }]);
  else if (FEATURE_CONTROL.get(featureControl, 'enableVmxOutsideSmx') === 0n)
    return yield* halt('firmware has disabled VMX');
  const missing = missingControls(capabilities);
  if (missing.length > 0) return yield* halt(`VMX lacks: ${missing.join(', ')}`);
  const { walkLength4, memtypeWb } = eptVpidCap(capabilities);
  if (walkLength4 === 0n || memtypeWb === 0n) return yield* halt('EPT lacks 4 levels or write-back memory');
  return capabilities;
}

/** The value of a control field: what must be 1, and of the controls that the monitor wants those that may be. */
const wordOf = (capabilities: VmxCapabilities, field: ControlField, wanted: readonly Control[]): bigint =>
  wanted
    .filter((control) => CONTROLS[control].field === field && controlSupported(capabilities, control))
    .reduce((word, control) => word | controlBit(control), allowed0(capabilities, field)) &
  allowed1(capabilities, field);

/** All control words for a guest that starts in IA-32e mode or not, with the preemption timer or without. */
export const chosenControls = (capabilities: VmxCapabilities, ia32eMode: boolean, timer: boolean) => {
  const wanted: readonly Control[] = [
    ...REQUIRED,
    ...WELCOME,
    ...(ia32eMode ? (['ia32eModeGuest'] as const) : []),
    ...(timer ? (['activateVmxPreemptionTimer'] as const) : []),
  ];
  return {
    pinBasedControls: wordOf(capabilities, 'pinBasedControls', wanted),
    primaryProcBasedControls: wordOf(capabilities, 'primaryProcBasedControls', wanted),
    secondaryProcBasedControls: wordOf(capabilities, 'secondaryProcBasedControls', wanted),
    vmExitControls: wordOf(capabilities, 'vmExitControls', wanted),
    vmEntryControls: wordOf(capabilities, 'vmEntryControls', wanted),
  };
};
