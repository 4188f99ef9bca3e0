import type { VmxCapabilities } from '../capabilities';
import { SKYLAKE_CAPABILITIES } from '../preset-capabilities';
import { VMCS_FIELDS, VmcsData, type VmcsField, type VmcsValues } from '../vmcs';
import type { PhysicalReader, VmEntryContext, VmEntryProcessor } from './context';
import { type NearestValue, nearestPassing } from './nearest';
import { failureOf, isViolated, missingInput, permittedOutcomes, type VmEntryOutcome } from './outcome';
import { tablesOf, type VmEntryRow } from './rule-tables';
import type { VmEntryFailure } from './vm-entry-rule';

/** What `checkVmEntry` is asked about. */
export interface VmEntryInput {
  /** The VMCS, whole, or by field: rules that read a field left out are then not evaluated. */
  readonly vmcs: VmcsData | Partial<VmcsValues>;
  /** Physical memory; without it rules that read memory are not evaluated. */
  readonly memory?: PhysicalReader;
  /** State of the processor where it differs from VMLAUNCH at CPL 0 in 64-bit mode and VMX root operation. */
  readonly state?: Partial<VmEntryProcessor>;
  /** Also the rules that no source settles; off when left out. */
  readonly unconfirmed?: boolean;
}

/** The processor that would execute the VM entry; as in the Skylake preset where left out. */
export interface VmEntryPlatform {
  readonly capabilities?: VmxCapabilities;
  readonly physicalAddressWidth?: number;
  readonly linearAddressWidth?: number;
  readonly features?: ReadonlySet<string>;
}

/** A rule that the VM entry breaks, and what would mend it. */
export interface VmEntryViolation {
  readonly id: string;
  readonly section: string;
  readonly says: string;
  /** Every VMCS field that the rule reads, with its value. */
  readonly fields: readonly { readonly field: VmcsField; readonly value: bigint }[];
  readonly failure: VmEntryFailure;
  /** A change of one field that satisfies this rule, if one was found. */
  readonly nearest: NearestValue | undefined;
}

/** What `checkVmEntry` found. */
export interface VmEntryReport {
  /** In the manual's order, of all stages: a processor reports none of a stage after the first that fails. */
  readonly violations: readonly VmEntryViolation[];
  /** Rules that apply, or may apply, whose inputs are missing. */
  readonly notEvaluated: readonly { readonly id: string; readonly missing: readonly string[] }[];
  /** What a processor may do, as far as the rules could be evaluated. */
  readonly permitted: readonly VmEntryOutcome[];
}

const ORDINARY: VmEntryProcessor = {
  longMode: true,
  ia32eMode: true,
  cpl: 0,
  instruction: 'vmlaunch',
  currentVmcs: 0,
  movSsBlocking: false,
  inSmm: false,
  physicalAddressWidth: 46,
  linearAddressWidth: 48,
  traceEnabled: false,
  features: new Set(),
};

const isField = (name: string): name is VmcsField => name in VMCS_FIELDS;

const vmcsOf = (given: VmEntryInput['vmcs']): VmcsData => {
  if (given instanceof VmcsData) return given;
  const vmcs = new VmcsData();
  for (const [field, value] of Object.entries(given)) vmcs.set(field as VmcsField, value);
  return vmcs;
};

const contextOf = (input: VmEntryInput, platform: VmEntryPlatform): VmEntryContext => {
  const { capabilities = SKYLAKE_CAPABILITIES, ...widthsAndFeatures } = platform;
  return {
    vmcs: vmcsOf(input.vmcs),
    capabilities,
    memory: input.memory,
    processor: { ...ORDINARY, ...widthsAndFeatures, ...input.state },
  };
};

const violation = (rule: VmEntryRow, context: VmEntryContext): VmEntryViolation => ({
  id: rule.id,
  section: rule.section,
  says: rule.says,
  fields: rule.reads.filter(isField).map((field) => ({ field, value: context.vmcs.get(field) })),
  failure: failureOf(rule, context),
  nearest: nearestPassing(rule, context),
});

/**
 * Which checks of VM entry fail, with what, and what the processor may do then. Never throws on any contents of the VMCS.
 * SDM Vol. 3C, 27 VM Entries
 */
export const checkVmEntry = (input: VmEntryInput, processor: VmEntryPlatform = {}): VmEntryReport => {
  const context = contextOf(input, processor);
  const given = input.vmcs;
  const isMissing = (name: string): boolean =>
    isField(name) && !(given instanceof VmcsData) && given[name] === undefined;
  const tables = tablesOf(input.unconfirmed === true);
  const violated = new Set<VmEntryRow>();
  const notEvaluated: { id: string; missing: readonly string[] }[] = [];
  for (const rule of tables.flatMap(({ rules }) => rules)) {
    const fields = rule.reads.filter(isMissing);
    const input = fields.length > 0 || rule.when(context) ? missingInput(rule, context) : undefined;
    const missing = input === undefined ? fields : [...fields, input];
    if (missing.length > 0) notEvaluated.push({ id: rule.id, missing });
    else if (isViolated(rule, context)) violated.add(rule);
  }
  return {
    violations: [...violated].map((rule) => violation(rule, context)),
    notEvaluated,
    permitted: permittedOutcomes(tables, violated, context),
  };
};
