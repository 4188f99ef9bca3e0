import fc from 'fast-check';
import { type CriteriaReport, checkCriteria } from '../src/criteria';
import type { MachineState, Monitor } from '../src/machine';
import { Refutation, whereBuiltAsync } from './theorem';

/** Few programs reach it: those that a bad call or return sent astray. */
const MOST_INSTRUCTIONS = 20_000;

const checked = async (guest: MachineState, monitor: Monitor<unknown>): Promise<CriteriaReport> => {
  for await (const step of checkCriteria(guest, monitor, { maxInstructions: MOST_INSTRUCTIONS }))
    if (step.kind === 'report') return step;
  throw new Error('a check without a report');
};

const shown = ({ equivalence, resourceControl, efficiency, end }: CriteriaReport): string =>
  JSON.stringify({
    end,
    instruction: equivalence.divergence?.instruction,
    differences: equivalence.divergence?.differences,
    violations: resourceControl.violations,
    needless: efficiency.needless,
  });

/** The monitor says that it cannot emulate an instruction on device memory, and ends: programs that went astray reach such. */
const isBeyondMonitor = ({ equivalence: { divergence } }: CriteriaReport): boolean => {
  const end = divergence?.monitored.end;
  return end?.kind === 'monitor-stopped' && end.reason.startsWith('the monitor does not emulate ');
};

/** Programs are equivalent under a monitor, contained, and exit for nothing that is innocuous. */
export const areContained = <P>(
  programs: fc.Arbitrary<P>,
  machineOf: (program: P) => MachineState,
  monitor: () => Monitor<unknown>,
  seen: (report: CriteriaReport) => void = () => {},
  beyond: () => void = () => {},
) =>
  fc.asyncProperty(programs, (program) =>
    whereBuiltAsync(async () => {
      const report = await checked(machineOf(program), monitor());
      if (isBeyondMonitor(report)) beyond();
      fc.pre(!isBeyondMonitor(report));
      seen(report);
      if (!report.holds) throw new Refutation(shown(report));
    }),
  );
