import type { VmxCapabilities } from '../capabilities';
import { SKYLAKE_CAPABILITIES } from '../preset-capabilities';
import { FIELD_NAMES, VMCS_FIELDS, VmcsData, type VmcsField, type VmcsValues } from '../vmcs';
import type { PhysicalReader, VmEntryContext, VmEntryProcessor } from './context';
import { type FieldValue, nearestPassing } from './nearest';
import { failureOf, missingInput, permittedOutcomes, type VmEntryOutcome } from './outcome';
import { PartialMemory } from './partial-memory';
import { ruleIndex } from './rule-index';
import type { VmEntryRow } from './rule-tables';
import { INPUT_MISSING, PASSES, Verdicts, VIOLATED } from './verdicts';
import type { VmEntryFailure } from './vm-entry-rule';

/** What `checkVmEntry` is asked about. */
export interface VmEntryInput {
  /** The VMCS, whole, or by field: rules that read a field left out are then not evaluated. */
  readonly vmcs: VmcsData | Partial<VmcsValues>;
  /** Launch state of a VMCS given by field; clear when left out. */
  readonly launched?: boolean;
  /** Shadow-VMCS indicator of a VMCS given by field; 0 when left out. */
  readonly shadow?: boolean;
  /** Physical memory; without it rules that read memory are not evaluated. `PartialMemory` is a reader that knows some of it. */
  readonly memory?: PhysicalReader;
  /** The four PDPTEs in the table at guest CR3, where `memory` does not have them. */
  readonly pdptes?: readonly bigint[];
  /** The VM-entry MSR-load area, where `memory` does not have it. */
  readonly msrLoadArea?: readonly { readonly index: number; readonly value: bigint }[];
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
  /**
   * The smallest change of VMCS fields that was found to satisfy this rule: fewest fields, then fewest bits, then smallest value. It may break
   * other rules. Undefined when no change of the VMCS helps. Computed when it is asked for.
   */
  readonly nearest: readonly FieldValue[] | undefined;
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

const vmcsOf = ({ vmcs: given, launched = false, shadow = false }: VmEntryInput): VmcsData => {
  if (given instanceof VmcsData) return given;
  const vmcs = new VmcsData();
  for (const [field, value] of Object.entries(given)) vmcs.set(field as VmcsField, value);
  vmcs.launched = launched;
  vmcs.shadow = shadow;
  return vmcs;
};

const PDPT_BASE = 0xffff_ffe0n;
const ENTRY_BYTES = 16;
const ADDRESS_BITS = (1n << 52n) - 1n;

/** Memory with the tables that were given apart from it. */
const memoryOf = ({ memory, pdptes, msrLoadArea }: VmEntryInput, vmcs: VmcsData) => {
  if (pdptes === undefined && msrLoadArea === undefined) return memory;
  const all = new PartialMemory(memory ?? new PartialMemory());
  const table = Number(vmcs.get('guestCr3') & PDPT_BASE);
  pdptes?.forEach((entry, place) => {
    all.put64(table + 8 * place, entry);
  });
  const area = Number(vmcs.get('vmEntryMsrLoadAddress') & ADDRESS_BITS);
  msrLoadArea?.forEach(({ index, value }, place) => {
    all.put64(area + ENTRY_BYTES * place, BigInt(index)).put64(area + ENTRY_BYTES * place + 8, value);
  });
  return all;
};

const contextOf = (input: VmEntryInput, platform: VmEntryPlatform): VmEntryContext => {
  const { capabilities = SKYLAKE_CAPABILITIES, ...widthsAndFeatures } = platform;
  const vmcs = vmcsOf(input);
  return {
    vmcs,
    capabilities,
    memory: memoryOf(input, vmcs),
    processor: { ...ORDINARY, ...widthsAndFeatures, ...input.state },
  };
};

const violation = (rule: VmEntryRow, context: VmEntryContext): VmEntryViolation => {
  let nearest: readonly FieldValue[] | 'none' | undefined;
  return {
    id: rule.id,
    section: rule.section,
    says: rule.says,
    fields: rule.reads.filter(isField).map((field) => ({ field, value: context.vmcs.get(field) })),
    failure: failureOf(rule, context),
    get nearest() {
      nearest ??= nearestPassing(rule, context) ?? 'none';
      return nearest === 'none' ? undefined : nearest;
    },
  };
};

const verdictsByKind = new Map<boolean, Verdicts>();
const verdictsOf = (unconfirmed: boolean): Verdicts => {
  const known = verdictsByKind.get(unconfirmed) ?? new Verdicts(ruleIndex(unconfirmed));
  verdictsByKind.set(unconfirmed, known);
  return known;
};

const NONE_MISSING: ReadonlySet<string> = new Set();
const ENTERS: VmEntryReport = Object.freeze({
  violations: Object.freeze([]),
  notEvaluated: Object.freeze([]),
  permitted: Object.freeze([Object.freeze({ kind: 'entered' as const })]),
});

/** Whether a rule applies, as far as the fields that were given tell. */
const mayApply = (row: VmEntryRow, context: VmEntryContext, absent: ReadonlySet<string>): boolean =>
  (row.appliesBy ?? row.reads).some((name) => absent.has(name)) || row.when(context);

/** The fields that were not given. */
const missingFields = (given: VmEntryInput['vmcs']): ReadonlySet<string> =>
  given instanceof VmcsData
    ? NONE_MISSING
    : new Set(FIELD_NAMES.filter((field) => given[field] === undefined));

/**
 * Which checks of VM entry fail, with what, and what the processor may do then. Never throws on any contents of the VMCS.
 * SDM Vol. 3C, 27 VM Entries
 */
export const checkVmEntry = (input: VmEntryInput, processor: VmEntryPlatform = {}): VmEntryReport => {
  const { checks, tables } = ruleIndex(input.unconfirmed === true);
  const context = contextOf(input, processor);
  const verdicts = verdictsOf(input.unconfirmed === true).of(context);
  const absent = missingFields(input.vmcs);
  if (absent.size === 0 && verdicts.every((verdict) => verdict === PASSES)) return ENTERS;

  const violated = new Set<VmEntryRow>();
  const notEvaluated: { id: string; missing: readonly string[] }[] = [];
  checks.forEach(({ row, place }) => {
    const missing: string[] = absent.size === 0 ? [] : row.reads.filter((name) => absent.has(name));
    if (missing.length > 0 && !mayApply(row, context, absent)) return;
    if (verdicts[place] === INPUT_MISSING) missing.push(missingInput(row, context) ?? row.needsMemory!);
    if (missing.length > 0) notEvaluated.push({ id: row.id, missing });
    else if (verdicts[place] === VIOLATED) violated.add(row);
  });
  const kept = { ...context, vmcs: new VmcsData(context.vmcs) };
  return {
    violations: [...violated].map((rule) => violation(rule, kept)),
    notEvaluated,
    permitted: permittedOutcomes(tables, violated, context),
  };
};
