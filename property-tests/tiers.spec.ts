// Random programs agree on the computing oracle, on closures and on generated code.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GuestProgram, guestMachine, guestProgram, integerProgram } from './arbitraries';
import { executionMutants } from './mutants/executions';
import {
  bundledGuest,
  type Execution,
  holds,
  isRefuted,
  monitored,
  mustAgree,
  mustBeEqual,
  product,
  whereBuilt,
} from './theorem';

const MOST = 4000;
/** So few runs that most loops of a program are generated. */
const HEAT = 3;

const tiersAgree = ({ run }: Execution, programs: fc.Arbitrary<GuestProgram>) =>
  fc.property(programs, (program) =>
    whereBuilt(() => {
      const guest = guestMachine(program);
      const oracle = run(guest, { maxInstructions: MOST, tier: 'oracle' });
      for (const tier of ['closures', 'generated'] as const) {
        const other = run(guest, { maxInstructions: MOST, tier, heat: HEAT });
        mustAgree(`oracle and ${tier}`, oracle.state, other.state);
        mustBeEqual('their ends', [oracle.stop, oracle.retired], [other.stop, other.retired]);
      }
    }),
  );

describe('the tiers agree', () => {
  it('on loops of integer instructions', () => {
    holds(tiersAgree(product, integerProgram()), 1200);
  });
  it('on programs of both rings', () => {
    holds(tiersAgree(product, guestProgram()), 300);
  });
  it.each(['kernel', 'sensitive', 'halt'])('on the guest %s, bare and monitored', (name) => {
    const guest = bundledGuest(name);
    for (const state of [guest, monitored(guest)]) {
      const ends = (['oracle', 'closures', 'generated'] as const).map((tier) =>
        product.run(state, { maxInstructions: 60_000, tier, heat: 50 }),
      );
      mustAgree('oracle and closures', ends[0].state, ends[1].state);
      mustAgree('oracle and generated', ends[0].state, ends[2].state);
    }
  });
});

describe('the theorem rejects', () => {
  const { losesAdjust, forgetsModifications } = executionMutants;
  it('a tier that computes AF wrong', () => {
    expect(isRefuted(tiersAgree(losesAdjust, integerProgram()), 20)).toBe(true);
  });
  it('a tier that goes on with code that was overwritten', () => {
    const forgetful: Execution = {
      ...product,
      run: (state, options) =>
        (options?.tier === 'closures' ? forgetsModifications : product).run(state, options),
    };
    expect(isRefuted(tiersAgree(forgetful, guestProgram()), 100)).toBe(true);
  });
});
