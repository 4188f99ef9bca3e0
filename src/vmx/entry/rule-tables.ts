import { basicRules, machineCheckRules } from './basic-rules';
import { controlRules } from './control-rules';
import { guestStateRules } from './guest-rules';
import { hostRules } from './host-rules';
import { msrLoadingRules } from './msr-loading-rules';
import type { VmEntryRule } from './vm-entry-rule';

/** Any row of the tables. */
export type VmEntryRow = VmEntryRule;

/** The rules of one group of checks. */
export interface VmEntryTable {
  readonly group: 'basic' | 'vmx-controls' | 'host-state' | 'guest-state' | 'msr-loading' | 'machine-check';
  /** Tables of one stage are checked together; a stage is reached when every stage before it passed. */
  readonly stage: number;
  /** Whether the first violated rule decides; otherwise the processor may report any violated one of the stage. */
  readonly ordered: boolean;
  readonly rules: readonly VmEntryRow[];
}

/** Every check of VM entry in the manual's order. SDM Vol. 3C, 27 VM Entries */
export const VM_ENTRY_TABLES: readonly VmEntryTable[] = [
  { group: 'basic', stage: 0, ordered: true, rules: basicRules },
  { group: 'vmx-controls', stage: 1, ordered: false, rules: controlRules },
  { group: 'host-state', stage: 1, ordered: false, rules: hostRules },
  { group: 'guest-state', stage: 2, ordered: false, rules: guestStateRules },
  { group: 'msr-loading', stage: 3, ordered: true, rules: msrLoadingRules },
  { group: 'machine-check', stage: 4, ordered: true, rules: machineCheckRules },
];

/** The tables with the rows that count: those that no source settles only when `unconfirmed` asks for them. */
export const tablesOf = (unconfirmed: boolean): readonly VmEntryTable[] =>
  VM_ENTRY_TABLES.map((table) => ({
    ...table,
    rules: table.rules.filter((rule) => unconfirmed || rule.unconfirmed !== true),
  }));

type Ids<T extends readonly { readonly id: string }[]> = T[number]['id'];

/** Ids of the rules before guest state is looked at, and of machine checks. */
export type ControlAndHostRuleId =
  | Ids<typeof basicRules>
  | Ids<typeof controlRules>
  | Ids<typeof hostRules>
  | Ids<typeof machineCheckRules>;
