// Random 16- and 32-bit programs over segments of every kind agree on the computing oracle, on closures and on generated code, and with single steps.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NarrowProgram, narrowMachine, narrowProgram } from './arbitraries';
import { executionMutants } from './mutants/executions';
import {
  afterSteps,
  type Execution,
  holds,
  isRefuted,
  mustAgree,
  mustBeEqual,
  product,
  whereBuilt,
} from './theorem';

const MOST = 3000;
/** So few runs that most blocks of a program are generated. */
const HEAT = 3;

const tiersAgree = ({ run }: Execution, programs: fc.Arbitrary<NarrowProgram> = narrowProgram()) =>
  fc.property(programs, (program) =>
    whereBuilt(() => {
      const guest = narrowMachine(program);
      const oracle = run(guest, { maxInstructions: MOST, tier: 'oracle' });
      for (const tier of ['closures', 'generated'] as const) {
        const other = run(guest, { maxInstructions: MOST, tier, heat: HEAT });
        mustAgree(`oracle and ${tier}`, oracle.state, other.state);
        mustBeEqual('their ends', [oracle.stop, oracle.retired], [other.stop, other.retired]);
      }
    }),
  );

const runEqualsSteps = (execution: Execution) =>
  fc.property(narrowProgram(), fc.nat(MOST), fc.nat(100), (program, before, count) =>
    whereBuilt(() => {
      const start = execution.run(narrowMachine(program), { maxInstructions: before, heat: HEAT });
      if (start.stop.kind !== 'limit') return;
      const { state } = start;
      const { state: ran } = execution.run(state, { maxInstructions: count, heat: HEAT });
      mustAgree(`run(${count}) and ${count} steps`, ran, afterSteps(execution, state, count));
    }),
  );

describe('the tiers agree', () => {
  it('on 16- and 32-bit programs', () => {
    holds(tiersAgree(product), 250);
  });
});

describe('run(n) equals n times step', () => {
  it('of 16- and 32-bit programs', () => {
    holds(runEqualsSteps(product), 150);
  });
});

describe('the theorems reject', () => {
  const { forgetsLimits, losesAdjust, stopsEarly, losesCarry } = executionMutants;
  it('a tier that computes AF wrong', () => {
    expect(isRefuted(tiersAgree(losesAdjust), 20)).toBe(true);
  });
  it('a tier that forgets the limits of segments', () => {
    expect(isRefuted(tiersAgree(forgetsLimits), 100)).toBe(true);
  });
  it.each([stopsEarly, losesCarry])('an execution that $says', (mutant) => {
    expect(isRefuted(runEqualsSteps(mutant), 1000)).toBe(true);
  });
});
