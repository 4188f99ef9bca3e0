import { type MachineState, run, step } from '../src/machine';
import { computeGuest } from './guests';
import { atLeast, expect, type Row, repeated, timed } from './measure';

/** Instructions of `compute` before the measured ones: past its start-up, in the hashes. */
const START = 2_000_000;
const WARM_UP = 20_000;

const steps = (state: MachineState, count: number): MachineState => {
  let here = state;
  for (let i = 0; i < count; i++) here = step(here).state;
  return here;
};

/** Each step gives a published state of its own. */
export const singleStep: Row = async ({ smoke, runs }) => {
  const start = run(computeGuest(1), { maxInstructions: START }).state;
  const count = smoke ? 2_000 : 100_000;
  let here = steps(start, smoke ? 0 : WARM_UP);
  const figures = repeated(runs, () => {
    const { seconds, result } = timed(() => steps(here, count));
    expect(result.clock === here.clock + count, `${count} steps took ${result.clock - here.clock} clocks`);
    here = result;
    return count / seconds;
  });
  const direct = run(start, { maxInstructions: here.clock - start.clock }).state.processors[0];
  expect(
    direct.rip === here.processors[0].rip &&
      direct.registers.every((value, index) => value === here.processors[0].registers[index]),
    'single steps went elsewhere than one run',
  );
  return [
    {
      row: 'single step',
      variant: 'a published state each',
      unit: 'steps/s',
      target: atLeast(300_000),
      runs: figures,
    },
  ];
};
