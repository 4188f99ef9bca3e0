// Under every policy run(n) equals n steps in whatever tiers.
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { MachineConfig, MachineState } from '../src/machine';
import { guestMachine, guestProgram } from './arbitraries';
import { afterSteps, holds, monitored, mustAgree, product, whereBuilt } from './theorem';

type Policy = NonNullable<MachineConfig['caches']>;

const RUNS = Number(process.env.VTMODEL_RUNS ?? 60);

const policy: fc.Arbitrary<Policy> = fc.oneof(
  fc.constant({ kind: 'keep-all' } as const),
  fc.record({ kind: fc.constant('lru' as const), entries: fc.integer({ min: 1, max: 24 }) }),
  fc.record({ kind: fc.constant('adversarial' as const), seed: fc.nat(1000) }),
);

const under = (state: MachineState, caches: Policy): MachineState => ({
  ...state,
  config: { ...state.config, caches },
});

const tier = fc.constantFrom('oracle', 'closures', 'generated');

const runIsSteps = (place: (guest: MachineState) => MachineState, most: number) =>
  fc.property(
    guestProgram(),
    policy,
    tier,
    fc.nat(most),
    fc.nat(200),
    (program, caches, how, before, count) =>
      whereBuilt(() => {
        const guest = place(under(guestMachine(program), caches));
        const start = product.run(guest, { maxInstructions: before, tier: how, heat: 5 });
        if (start.stop.kind !== 'limit') return;
        const { state } = start;
        mustAgree(
          `run(${count}) and ${count} steps`,
          product.run(state, { maxInstructions: count, tier: how, heat: 3 }).state,
          afterSteps(product, state, count),
        );
        const whole = product.run(guest, { maxInstructions: before + count }).state;
        mustAgree('in two runs and in one', whole, afterSteps(product, state, count));
      }),
  );

describe('Translation caches are part of the state', () => {
  it('of random programs on the bare machine', () => {
    holds(
      runIsSteps((guest) => guest, 700),
      RUNS,
    );
  });
  it('of random programs under a monitor', () => {
    holds(runIsSteps(monitored, 1500), RUNS / 2);
  });
});
