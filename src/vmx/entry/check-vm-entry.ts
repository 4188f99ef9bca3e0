import type { Processor } from '../../cpu/presets';
import { VMCS_FIELDS, VmcsData, type VmcsField } from '../vmcs';
import type { VmEntryContext } from './context';
import { contextOf, type VmEntryInput } from './entry-input';
import { type FieldValue, nearestPassing } from './nearest';
import { failureOf, missingInput, permittedOutcomes, type VmEntryOutcome } from './outcome';
import type { VmEntryPlatform } from './platform';
import { ruleIndex } from './rule-index';
import type { VmEntryRow } from './rule-tables';
import { INPUT_MISSING, PASSES, Verdicts, VIOLATED } from './verdicts';
import type { VmEntryFailure } from './vm-entry-rule';

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

const isField = (name: string): name is VmcsField => name in VMCS_FIELDS;

const fieldsByRule = new WeakMap<VmEntryRow, readonly VmcsField[]>();
const fieldsOf = (rule: VmEntryRow): readonly VmcsField[] => {
  const known = fieldsByRule.get(rule) ?? rule.reads.filter(isField);
  fieldsByRule.set(rule, known);
  return known;
};

const violation = (rule: VmEntryRow, context: VmEntryContext): VmEntryViolation => {
  let nearest: readonly FieldValue[] | 'none' | undefined;
  return {
    id: rule.id,
    section: rule.section,
    says: rule.says,
    fields: fieldsOf(rule).map((field) => ({ field, value: context.vmcs.get(field) })),
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

const ENTERS: VmEntryReport = Object.freeze({
  violations: Object.freeze([]),
  notEvaluated: Object.freeze([]),
  permitted: Object.freeze([Object.freeze({ kind: 'entered' as const })]),
});

/** Whether a rule applies, as far as the fields that were given tell. */
const mayApply = (row: VmEntryRow, context: VmEntryContext, absent: ReadonlySet<string>): boolean =>
  (row.appliesBy ?? row.reads).some((name) => absent.has(name)) || row.when(context);

/** A VMCS given by field, for the time of a check. */
const SCRATCH = new VmcsData();

/**
 * Which checks of VM entry fail, with what, and what the processor may do then. Never throws on any contents of the VMCS.
 * SDM Vol. 3C, 27 VM Entries
 */
export const checkVmEntry = (
  input: VmEntryInput,
  processor: VmEntryPlatform | Processor = {},
): VmEntryReport => {
  const { checks, tables } = ruleIndex(input.unconfirmed === true);
  const entry = contextOf(input, processor, SCRATCH);
  const { context } = entry;
  const absent: ReadonlySet<string> = entry.absent;
  const verdicts = verdictsOf(input.unconfirmed === true).of(context);
  if (absent.size === 0 && verdicts.every((verdict) => verdict === PASSES)) return ENTERS;

  const violated = new Set<VmEntryRow>();
  const notEvaluated: { id: string; missing: readonly string[] }[] = [];
  for (const { row, place } of checks) {
    if (absent.size === 0 && verdicts[place] === PASSES) continue;
    const missing: string[] = absent.size === 0 ? [] : row.reads.filter((name) => absent.has(name));
    if (missing.length > 0 && !mayApply(row, context, absent)) continue;
    if (verdicts[place] === INPUT_MISSING) missing.push(missingInput(row, context) ?? row.needsMemory!);
    if (missing.length > 0) notEvaluated.push({ id: row.id, missing });
    else if (verdicts[place] === VIOLATED) violated.add(row);
  }
  const kept = { ...context, vmcs: new VmcsData(context.vmcs) };
  return {
    violations: [...violated].map((rule) => violation(rule, kept)),
    notEvaluated,
    permitted: permittedOutcomes(tables, violated, context),
  };
};
