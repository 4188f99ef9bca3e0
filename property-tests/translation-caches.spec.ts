// Under every policy run(n) equals n steps in whatever tiers; software that invalidates as it must sees no caches.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { L, M, N, O, USED, X } from '../spec/caching/scene';
import { shown, ValueScene } from '../spec/caching/value-scene';
import { type Invalidation, invalidate, permittedTranslations } from '../src/api/caches';
import { gva } from '../src/core';
import type { MachineConfig, MachineState } from '../src/machine';
import { guestMachine, guestProgram } from './arbitraries';
import { brokenInvalidations, type Invalidate } from './mutants/invalidations';
import {
  afterSteps,
  holds,
  isRefuted,
  monitored,
  mustAgree,
  mustBeEqual,
  product,
  whereBuilt,
} from './theorem';

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

const ADDRESSES = [L, M, N, O, X] as const;

type Action =
  | { readonly kind: 'read' | 'write' | 'speculate' | 'invlpg'; readonly at: number }
  | { readonly kind: 'store'; readonly at: number; readonly frame: 'A' | 'B' | 'C'; readonly bits: bigint }
  | { readonly kind: 'mov-cr3' | 'invept' };

// One address more often: what concerns it must come together.
const place = fc.constantFrom(0, 0, 0, 1, 2, 3, 4);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('read', 'write', 'speculate', 'invlpg'), at: place }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('store' as const),
      at: place,
      frame: fc.constantFrom('A', 'B', 'C'),
      bits: fc.constantFrom(USED, USED | 64n, USED & ~2n, USED & ~32n, 0n),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('mov-cr3', 'invept') }) },
);

/** Stores to leaves alone: an address may be answered by what was only between a store and its invalidation. */
const staleOnlyBefore = (drop: Invalidate = invalidate) =>
  fc.property(
    fc.array(action, { minLength: 1, maxLength: 24, size: 'max' }),
    fc.boolean(),
    (actions, withEpt) => {
      const scene = new ValueScene();
      const invalidated = (by: Invalidation): void => {
        scene.caches = drop(scene.caches, by);
      };
      for (const linear of ADDRESSES) scene.map(linear, 'A');
      if (withEpt) scene.become({ eptp: scene.newEpt() });
      const stale = new Set<bigint>();
      for (const one of actions) {
        const linear = 'at' in one ? ADDRESSES[one.at] : L;
        if (one.kind === 'read' || one.kind === 'write') scene[one.kind](linear);
        else if (one.kind === 'speculate') scene.speculate(linear);
        else if (one.kind === 'store') {
          scene.map(linear, one.frame, one.bits);
          stale.add(linear);
        } else if (one.kind === 'invlpg') {
          invalidated({ kind: 'invlpg', address: gva(linear) });
          stale.delete(linear);
        } else if (one.kind === 'mov-cr3') {
          invalidated({ kind: 'mov-cr3' });
          stale.clear();
        } else invalidated({ kind: 'invept', type: 2 });
        for (const address of ADDRESSES) {
          const fresh = permittedTranslations(new ValueScene().caches, scene.memory, {
            ...scene.now,
            address: gva(address),
          }).map(shown);
          const answers = scene.answers(address);
          mustBeEqual('memory is always an answer', fresh.length === 1 && answers.includes(fresh[0]), true);
          if (!stale.has(address)) mustBeEqual('the only answer after the invalidation', answers, fresh);
        }
      }
    },
  );

describe('A cached answer differs from a fresh walk', () => {
  it('only before the required invalidation', () => {
    holds(staleOnlyBefore(), RUNS);
  });

  it.each(Object.entries(brokenInvalidations))('is refuted where %s', (_, drop) => {
    expect(isRefuted(staleOnlyBefore(drop), RUNS)).toBe(true);
  });
});
