import { checkVmEntry, type VmEntryReport } from '../../src/api';
import { VM_ENTRY_TABLES } from '../../src/api/vmx';

export type CheckVmEntry = typeof checkVmEntry;

const entered: VmEntryReport['permitted'] = [{ kind: 'entered' }];

type Failure = Extract<VmEntryReport['permitted'][number], { kind: 'failed' }>;

/** A check whose answer is another one. */
const answering =
  (amend: (failures: readonly Failure[]) => VmEntryReport['permitted']): CheckVmEntry =>
  (input, processor) => {
    const report = checkVmEntry(input, processor);
    const failures = report.permitted.filter((one): one is Failure => one.kind === 'failed');
    return { ...report, permitted: amend(failures) };
  };

const orEntered = (failures: readonly Failure[]): VmEntryReport['permitted'] =>
  failures.length > 0 ? failures : entered;

/** Without the rules that a test names. */
const without = (isForgotten: (id: string) => boolean): CheckVmEntry =>
  answering((failures) =>
    orEntered(
      failures
        .map((one) => ({ ...one, because: one.because.filter((id) => !isForgotten(id)) }))
        .filter(({ because }) => because.length > 0),
    ),
  );

const groups = VM_ENTRY_TABLES.filter(({ group }) =>
  ['vmx-controls', 'host-state', 'guest-state'].includes(group),
);

/** Checks of VM entry with a mistake each. */
export const brokenChecks: Readonly<Record<string, CheckVmEntry>> = {
  ...Object.fromEntries(
    groups.map(({ group, rules }) => {
      const ids = new Set<string>(rules.map(({ id }) => id));
      return [`forgets ${group}`, without((id) => ids.has(id))];
    }),
  ),
  ...Object.fromEntries(
    ['.rpl-ti', 'host.cr', 'guest.tr.', 'guest.rflags.'].map((part) => [
      `forgets ${part}`,
      without((id) => id.includes(part)),
    ]),
  ),
  'lets everything enter': answering(() => entered),
  'lets nothing enter': answering((failures) =>
    failures.length > 0 ? failures : [{ kind: 'failed', failure: { kind: 'VMfailInvalid' }, because: [] }],
  ),
  'takes host state for controls': answering((failures) =>
    orEntered(
      failures.map((one) =>
        one.failure.kind === 'VMfailValid' ? { ...one, failure: { ...one.failure, error: 7 } } : one,
      ),
    ),
  ),
  'takes guest state for MSR loading': answering((failures) =>
    orEntered(
      failures.map((one) =>
        one.failure.kind === 'exit' ? { ...one, failure: { ...one.failure, reason: 34 } } : one,
      ),
    ),
  ),
};
