import { ModelError } from '../../src/core';
import { type MachineState, type RunOptions, run, stateHash } from '../../src/machine';
import { type Expectation, labelOf } from './expectations';
import { aligned } from './report';
import { loadedImage } from './run-image';

type Tier = NonNullable<RunOptions['tier']>;

/** How far images are compared, in instructions. */
export interface Budgets {
  /** Images that may run longer are left out. */
  readonly most: number;
  /** The oracle follows this far. */
  readonly oracle: number;
}

/** Where a tier left an image. */
interface Reached {
  /** Hash of the whole machine. */
  readonly hash: string;
  readonly retired: number;
  readonly output: string;
  /** The kind of stop, and the exit status; what the model lacks by its name. */
  readonly stop: string;
}

/** What two tiers did with one image. */
export interface TierComparison {
  readonly tiers: readonly [Tier, Tier];
  readonly retired: number;
  /** What differs; empty when nothing does. */
  readonly differences: readonly string[];
}

export interface TierOutcome {
  readonly expectation: Expectation;
  readonly comparisons: readonly TierComparison[];
  readonly seconds: number;
}

/** Low: so much code as possible is generated. */
const HEAT = 50;

const reached = (start: MachineState, tier: Tier, maxInstructions: number): Reached => {
  let output = '';
  const onEffect: RunOptions['onEffect'] = (effect) => {
    if (effect.kind === 'serial') output += String.fromCharCode(effect.byte);
  };
  try {
    const { state, stop, retired } = run(start, { tier, maxInstructions, onEffect, heat: HEAT });
    const status = stop.kind === 'exit' ? ` ${stop.status}` : '';
    return { hash: stateHash(state), retired, output, stop: `${stop.kind}${status}` };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { hash: '', retired: 0, output, stop: error.message };
  }
};

const FIELDS = ['stop', 'retired', 'output', 'hash'] as const;

const comparison = (tiers: readonly [Tier, Tier], one: Reached, other: Reached): TierComparison => ({
  tiers,
  retired: one.retired,
  differences: FIELDS.filter((field) => one[field] !== other[field]),
});

/** Runs an image in the three tiers and compares state, count and output of each with those of the closures. */
export const compareTiers = (path: string, expectation: Expectation, { oracle }: Budgets): TierOutcome => {
  const began = performance.now();
  const start = loadedImage(path, expectation);
  const limit = expectation.maxInstructions;
  const closures = reached(start, 'closures', limit);
  const short = limit <= oracle || closures.retired < oracle ? closures : reached(start, 'closures', oracle);
  const comparisons = [
    comparison(['generated', 'closures'], closures, reached(start, 'generated', limit)),
    comparison(['oracle', 'closures'], short, reached(start, 'oracle', Math.min(limit, oracle))),
  ];
  return { expectation, comparisons, seconds: (performance.now() - began) / 1000 };
};

const HEADER = ['image', 'processor', 'seconds', 'instructions', 'generated', 'instructions', 'oracle'];
const TEXT = new Set([0, 1, 4, 6]);

const cells = ({ expectation, comparisons, seconds }: TierOutcome): readonly string[] => [
  labelOf(expectation),
  expectation.cpus === 1 ? expectation.processor : `${expectation.cpus} × ${expectation.processor}`,
  seconds.toFixed(1),
  ...comparisons.flatMap(({ retired, differences }) => [
    retired.toLocaleString('en-US'),
    differences.length === 0 ? 'equal' : `DIFFERS: ${differences.join(', ')}`,
  ]),
];

/** For people: how far the generated tier and the oracle were compared with the closures. */
export const tierTable = (outcomes: readonly TierOutcome[]): string =>
  aligned([HEADER, ...outcomes.map(cells)], TEXT);
