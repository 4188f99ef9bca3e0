import { checkVmEntry, type VmEntryOutcome, type VmEntryReport } from '../../src/api';
import { CURRENT_VMCS, MEMORY, PLATFORM, stateNumber } from './states';

/** What another implementation says of a state, and in which words. */
interface Verdict {
  readonly index: number;
  readonly outcome: string;
  readonly words: string;
}

const LINE = /^(\d+) (entered|VMfailValid \d+|exit \d+ \d+) ?(.*)$/;

/** A line of a verdict file; undefined for one that is none. */
export const verdictOf = (line: string): Verdict | undefined => {
  const match = LINE.exec(line);
  return match === null ? undefined : { index: Number(match[1]), outcome: match[2], words: match[3] };
};

const textOf = (outcome: VmEntryOutcome): string => {
  if (outcome.kind !== 'failed') return outcome.kind;
  const { failure } = outcome;
  switch (failure.kind) {
    case 'VMfailValid':
      return `VMfailValid ${failure.error}`;
    case 'exit':
      return `exit ${failure.reason} ${failure.qualification}`;
    default:
      return failure.kind;
  }
};

/** MSR loading comes after everything that others are asked about. */
const isAsked = (id: string): boolean => !id.startsWith('msr-load.');

export const ourReport = (seed: number, index: number): VmEntryReport =>
  checkVmEntry(
    { vmcs: stateNumber(seed, index), memory: MEMORY, state: { currentVmcs: CURRENT_VMCS } },
    PLATFORM,
  );

/** States with the same difference. */
export interface Difference {
  readonly ours: string;
  readonly theirs: string;
  readonly states: number[];
}

export interface Comparison {
  readonly states: number;
  readonly entered: number;
  /** Rules that alone kept a state from entering there and here. */
  readonly confirmed: ReadonlySet<string>;
  readonly differences: readonly Difference[];
}

const withoutNumbers = (words: string): string => words.replace(/0x[0-9a-f]+|\b\d+\b/gi, 'N').trim();

/** Groups of checks in the order in which a processor makes them; whoever stops first says nothing of the later ones. */
const stageOf = (outcome: string): number =>
  ['VMfailValid 7', 'VMfailValid 8', 'exit 33', 'entered'].findIndex((start) => outcome.startsWith(start));

const NOTHING = 'nothing wrong here';

/** Compares each verdict with ours; differences come by what is violated here and what is said there. */
export const compareVerdicts = (seed: number, verdicts: Iterable<Verdict>): Comparison => {
  const differences = new Map<string, Difference>();
  let states = 0;
  let entered = 0;
  const confirmed = new Set<string>();
  for (const { index, outcome, words } of verdicts) {
    states++;
    if (outcome === 'entered') entered++;
    const { permitted, violations } = ourReport(seed, index);
    const reasons = violations.filter(({ id }) => isAsked(id));
    const ourselves = reasons.length > 0 ? permitted.map(textOf) : ['entered'];
    if (ourselves.includes(outcome)) {
      if (reasons.length === 1) confirmed.add(reasons[0].id);
      continue;
    }
    const [there, here] = [stageOf(outcome), Math.min(...ourselves.map(stageOf))];
    const because = permitted.flatMap((one) => (one.kind === 'failed' ? one.because : [])).join(', ');
    const ours = here <= there ? `${ourselves.join(' or ')}: ${because}` : NOTHING;
    const theirs = there <= here ? `${outcome}: ${withoutNumbers(words)}` : NOTHING;
    const key = `${ours}\n${theirs}`;
    const known = differences.get(key);
    if (known === undefined) differences.set(key, { ours, theirs, states: [index] });
    else known.states.push(index);
  }
  return {
    states,
    entered,
    confirmed,
    differences: [...differences.values()].sort((a, b) => b.states.length - a.states.length),
  };
};
