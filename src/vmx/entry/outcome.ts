import type { VmEntryContext } from './context';
import type { VmEntryRow, VmEntryTable } from './rule-tables';
import type { MemoryPart, VmEntryFailure } from './vm-entry-rule';

/** What a VM entry may do. SDM Vol. 3C, 27 VM Entries */
export type VmEntryOutcome =
  | { readonly kind: 'entered' }
  | { readonly kind: 'failed'; readonly failure: VmEntryFailure; readonly because: readonly string[] }
  /** The machine check is delivered as if it had come before, or after, the VM entry. */
  | { readonly kind: 'machine-check'; readonly delivered: 'before' | 'after' };

const MISSING_STATE = { executiveVmcs: 'executive VMCS', currentVmcs: 'current-VMCS pointer' } as const;

/** What keeps a rule from being evaluated; `undefined` when nothing does. */
export const missingInput = (
  rule: VmEntryRow,
  context: VmEntryContext,
): MemoryPart | (typeof MISSING_STATE)[keyof typeof MISSING_STATE] | undefined => {
  const { needsState } = rule;
  if (needsState !== undefined && context.processor[needsState] === undefined)
    return MISSING_STATE[needsState];
  return context.memory === undefined ? rule.needsMemory : undefined;
};

/** Whether a rule that applies and has all its inputs is broken. */
export const isViolated = (rule: VmEntryRow, context: VmEntryContext): boolean =>
  rule.when(context) && missingInput(rule, context) === undefined && !rule.holds(context);

/** How a violation of the rule shows in this state. */
export const failureOf = (rule: VmEntryRow, context: VmEntryContext): VmEntryFailure =>
  rule.failureIn?.(context) ?? rule.failure;

const sameFailure = (a: VmEntryFailure, b: VmEntryFailure): boolean => {
  switch (a.kind) {
    case 'fault':
      return b.kind === 'fault' && a.vector === b.vector;
    case 'VMfailInvalid':
      return b.kind === 'VMfailInvalid';
    case 'VMfailValid':
      return b.kind === 'VMfailValid' && a.error === b.error;
    case 'exit':
      return b.kind === 'exit' && a.reason === b.reason && a.qualification === b.qualification;
  }
};

const tablesByRule = new WeakMap<readonly VmEntryTable[], ReadonlyMap<VmEntryRow, VmEntryTable>>();
const tableOf = (tables: readonly VmEntryTable[]): ReadonlyMap<VmEntryRow, VmEntryTable> => {
  const known = tablesByRule.get(tables);
  if (known !== undefined) return known;
  const made = new Map(tables.flatMap((table) => table.rules.map((rule) => [rule, table] as const)));
  tablesByRule.set(tables, made);
  return made;
};

/** The failures that the processor may report, in the manual's order, as the violated rules are; empty when every rule holds. */
export const permittedFailures = (
  tables: readonly VmEntryTable[],
  violated: ReadonlySet<VmEntryRow>,
  context: VmEntryContext,
): readonly Extract<VmEntryOutcome, { kind: 'failed' }>[] => {
  const tableBy = tableOf(tables);
  const found: { kind: 'failed'; failure: VmEntryFailure; because: string[] }[] = [];
  let first: VmEntryTable | undefined;
  let last: VmEntryTable | undefined;
  for (const rule of violated) {
    const table = tableBy.get(rule)!;
    first ??= table;
    if (table.stage !== first.stage) break;
    if (table === last && table.ordered) continue;
    last = table;
    const failure = failureOf(rule, context);
    const known = found.find((each) => sameFailure(each.failure, failure));
    if (known === undefined) found.push({ kind: 'failed', failure, because: [rule.id] });
    else known.because.push(rule.id);
  }
  return found;
};

/** Everything the processor may do, given the violated rules. SDM Vol. 3C, 27.9 Machine-Check Events During VM Entry */
export const permittedOutcomes = (
  tables: readonly VmEntryTable[],
  violated: ReadonlySet<VmEntryRow>,
  context: VmEntryContext,
): readonly VmEntryOutcome[] => {
  const failures = permittedFailures(tables, violated, context);
  if (context.processor.machineCheck !== true)
    return [...violated].every(({ leavesOpen }) => leavesOpen === true)
      ? [...failures, { kind: 'entered' }]
      : failures;
  const before: VmEntryOutcome = { kind: 'machine-check', delivered: 'before' };
  const onlyTheMachineCheck = failures.some(
    ({ failure }) => failure.kind === 'exit' && failure.reason === 41,
  );
  return onlyTheMachineCheck
    ? [...failures, before, { kind: 'machine-check', delivered: 'after' }]
    : [...failures, before];
};
