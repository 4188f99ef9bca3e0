// Several processors on shared memory: run(n) is n steps, runs add, tiers agree, snapshots go on, and a seed decides the order of instructions alone.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deserialize, type MachineState, run, serialize, step } from '../src/machine';
import { sharedMemory, sharedMemoryMachine, sharedSums, sumsOf } from './arbitraries';
import { afterSteps, type Execution, holds, isRefuted, mustAgree, mustBeEqual, product } from './theorem';

const MOST = 3000;
const HEAT = 3;

const runEqualsSteps = (execution: Execution) =>
  fc.property(sharedMemory(), fc.nat(MOST), fc.nat(200), (shared, before, count) => {
    const start = execution.run(sharedMemoryMachine(shared), { maxInstructions: before });
    if (start.stop.kind !== 'limit') return;
    const steps = afterSteps(execution, start.state, count);
    mustAgree(
      `run(${count}) and ${count} steps`,
      execution.run(start.state, { maxInstructions: count }).state,
      steps,
    );
  });

const again = (state: MachineState): MachineState => {
  const read = deserialize(serialize(state));
  if (!read.ok) throw new Error(read.fault.says);
  return read.value;
};

const runsAdd = ({ run: go }: Execution) =>
  fc.property(sharedMemory(), fc.nat(MOST), fc.nat(MOST), (shared, a, b) => {
    const state = sharedMemoryMachine(shared);
    const whole = go(state, { maxInstructions: a + b, tier: 'generated', heat: HEAT });
    const first = go(state, { maxInstructions: a, tier: 'closures' });
    if (first.stop.kind !== 'limit') return;
    const second = go(again(first.state), { maxInstructions: b, tier: 'oracle' });
    mustAgree(`run(${a}), a snapshot and run(${b}), and run(${a + b})`, whole.state, second.state);
  });

const tiersAgree = ({ run: go }: Execution) =>
  fc.property(sharedMemory(), (shared) => {
    const state = sharedMemoryMachine(shared);
    const oracle = go(state, { maxInstructions: MOST, tier: 'oracle' });
    for (const tier of ['closures', 'generated'] as const) {
      const other = go(state, { maxInstructions: MOST, tier, heat: HEAT });
      mustAgree(`oracle and ${tier}`, oracle.state, other.state);
      mustBeEqual('their ends', [oracle.stop, oracle.retired], [other.stop, other.retired]);
    }
  });

const seedsKeepSums = ({ run: go }: Execution) =>
  fc.property(sharedSums(), fc.nat(0xffff_ffff), (shared, seed) => {
    const ends = [shared, { ...shared, seed }].map((one) => go(sharedMemoryMachine(one), {}));
    mustBeEqual('the sums under two seeds', sumsOf(ends[0].state), sumsOf(ends[1].state));
    mustBeEqual('the instructions', ends[0].retired, ends[1].retired);
  });

describe('several processors', () => {
  it('run(n) equals n times step', () => {
    holds(runEqualsSteps(product), 150);
  });
  it('run(a), a snapshot and run(b) equal run(a + b), in whatever tiers', () => {
    holds(runsAdd(product), 150);
  });
  it('the tiers agree', () => {
    holds(tiersAgree(product), 150);
  });
  it('seeds differ only in the interleaving: locked sums are the same', () => {
    holds(seedsKeepSums(product), 100);
  });
  it('all ends of random programs are reached by halting', () => {
    let halted = 0;
    const ends = fc.property(sharedMemory(), (shared) => {
      const { stop } = run(sharedMemoryMachine(shared), { maxInstructions: 1e6 });
      expect(stop.kind).toBe('stuck');
      halted++;
    });
    holds(ends, 50);
    expect(halted).toBe(50);
  });
});

/** Begins a new slice at every run. */
const forgetsSlices: Execution = {
  run: (state, options) => run({ ...state, turn: { ...state.turn, until: state.clock } }, options),
  step,
};
/** Lets the first processor go on whenever a run begins. */
const forgetsTurns: Execution = {
  run: (state, options) => run({ ...state, turn: { ...state.turn, processor: 0 } }, options),
  step,
};
/** What the second processor writes to the shared cells is lost at the end of a run. */
const losesWrites: Execution = {
  run: (state, options) => {
    const result = run(state, options);
    const { memory, turn } = result.state;
    return turn.processor === 1
      ? {
          ...result,
          state: { ...result.state, memory: memory.write(0x4_0000, state.memory.read(0x4_0000, 16)) },
        }
      : result;
  },
  step,
};

describe('the theorems reject', () => {
  it('a run that begins a new slice', () => {
    expect(isRefuted(runEqualsSteps(forgetsSlices), 200)).toBe(true);
    expect(isRefuted(runsAdd(forgetsSlices), 200)).toBe(true);
  });
  it('a run that begins with the first processor', () => {
    expect(isRefuted(runEqualsSteps(forgetsTurns), 200)).toBe(true);
  });
  it('a run that loses writes', () => {
    expect(isRefuted(seedsKeepSums(losesWrites), 200)).toBe(true);
  });
});
