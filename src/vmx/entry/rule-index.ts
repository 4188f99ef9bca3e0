import { ModelError } from '../../core';
import { FIELD_COUNT, fieldIndex, VMCS_FIELDS, type VmcsField } from '../vmcs';
import type { VmEntryContext } from './context';
import type { GuestEntryProcessor } from './guest-context';
import { missingInput } from './outcome';
import { tablesOf, type VmEntryRow, type VmEntryTable } from './rule-tables';

export type ProcessorProperty = keyof GuestEntryProcessor;

/** A row in one shape, so that the hot loops stay monomorphic. */
export class Check {
  readonly when: VmEntryRow['when'];
  readonly holds: VmEntryRow['holds'];
  readonly needsInput: boolean;

  constructor(
    readonly row: VmEntryRow,
    /** Its place among the checks of its index. */
    readonly place: number,
  ) {
    this.when = row.when;
    this.holds = row.holds;
    this.needsInput = row.needsMemory !== undefined || row.needsState !== undefined;
  }

  passes(context: VmEntryContext): boolean {
    return (
      !this.when(context) ||
      (this.needsInput && missingInput(this.row, context) !== undefined) ||
      this.holds(context)
    );
  }
}

/** The checks by what they read. */
export interface RuleIndex {
  readonly tables: readonly VmEntryTable[];
  /** In the manual's order. */
  readonly checks: readonly Check[];
  /** By the index of a field. */
  readonly byField: readonly (readonly Check[])[];
  readonly byProperty: readonly (readonly [ProcessorProperty, readonly Check[]])[];
  /** About the launch state. */
  readonly everyTime: readonly Check[];
  /** About memory or the executive VMCS; whether one applies follows from what it reads otherwise. */
  readonly needingInput: readonly Check[];
}

const indexOf = (tables: readonly VmEntryTable[]): RuleIndex => {
  const checks = tables.flatMap(({ rules }) => rules).map((rule, place) => new Check(rule, place));
  const byField: Check[][] = Array.from({ length: FIELD_COUNT }, () => []);
  const byProperty = new Map<ProcessorProperty, Check[]>();
  const everyTime = new Set<Check>();
  for (const check of checks) {
    for (const name of check.row.reads) {
      if (name in VMCS_FIELDS) byField[fieldIndex(name as VmcsField)].push(check);
      else if (name.startsWith('processor.')) {
        const property = name.slice('processor.'.length) as ProcessorProperty;
        byProperty.set(property, [...(byProperty.get(property) ?? []), check]);
      } else if (name.startsWith('vmcs.')) everyTime.add(check);
      else throw new ModelError(`rule ${check.row.id} reads ${name}, which nobody watches`);
    }
  }
  return {
    tables,
    checks,
    byField,
    byProperty: [...byProperty],
    everyTime: [...everyTime],
    needingInput: checks.filter(({ needsInput }) => needsInput),
  };
};

const known = new Map<boolean, RuleIndex>();

/** The index of the rules that count; `unconfirmed` turns on those that no source settles. */
export const ruleIndex = (unconfirmed: boolean): RuleIndex => {
  const found = known.get(unconfirmed) ?? indexOf(tablesOf(unconfirmed));
  known.set(unconfirmed, found);
  return found;
};
