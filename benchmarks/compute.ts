import { type MachineState, type RunResult, run } from '../src/machine';
import { computeGuest } from './guests';
import { atLeast, expect, type Measure, type Row, repeated, timed } from './measure';

const UNIT = 'M instr/s';
/** What was promised of the same work, in million instructions a second. */
const TARGET = { closures: 25, generated: 100 } as const;
/** Rounds after which every block that will be generated is. */
const WARM_UP = 1;

type CompiledTier = keyof typeof TARGET;

const speed = (retired: number, seconds: number): number => retired / seconds / 1e6;

const runAll = (state: MachineState, tier: CompiledTier): { seconds: number; retired: number } => {
  let output = '';
  const { seconds, result } = timed(() =>
    run(state, {
      tier,
      onEffect: (effect) => {
        if (effect.kind === 'serial') output += String.fromCharCode(effect.byte);
      },
    }),
  );
  expect(
    result.stop.kind === 'exit' && result.stop.status === 1 && output.includes('all answers right'),
    `compute ended with ${result.stop.kind}, ${output}`,
  );
  return { seconds, retired: result.retired };
};

const slice = (state: MachineState, tier: CompiledTier, maxInstructions: number) => {
  const { seconds, result } = timed((): RunResult => run(state, { tier, maxInstructions }));
  expect(result.retired === maxInstructions, `compute ended after ${result.retired} instructions`);
  return { seconds, state: result.state };
};

/** A new machine for each cold run; then one machine that goes on, a round at a time. */
const tierRow =
  (tier: CompiledTier): Row =>
  async ({ smoke, runs }) => {
    const row = `compute, ${tier}`;
    const measure = (variant: string, figures: readonly number[], promised: boolean): Measure => ({
      row,
      variant,
      unit: UNIT,
      target: promised ? atLeast(TARGET[tier]) : undefined,
      runs: figures,
    });
    if (smoke) {
      const { seconds, retired } = runAll(computeGuest(1), tier);
      return [measure('cold start', [speed(retired, seconds)], false)];
    }
    const cold = repeated(Math.min(runs, 3), () => runAll(computeGuest(1), tier));
    const round = cold[0].retired;
    let { state } = slice(computeGuest(WARM_UP + runs + 1), tier, WARM_UP * round);
    const steady = repeated(runs, () => {
      const next = slice(state, tier, round);
      state = next.state;
      return speed(round, next.seconds);
    });
    return [
      measure('steady state', steady, true),
      measure(
        'cold start, one round',
        cold.map(({ retired, seconds }) => speed(retired, seconds)),
        false,
      ),
    ];
  };

export const computeOnClosures: Row = tierRow('closures');
export const computeGenerated: Row = tierRow('generated');
