// A cached answer differs from a fresh walk only between a store and the invalidation that it requires.
import { describe, expect, it } from 'vitest';
import { invalidate } from '../src/api/caches';
import { invalidationMutants } from './mutants/invalidations';
import { staleOnlyBefore } from './staleness';
import { holds, isRefuted } from './theorem';

const RUNS = Number(process.env.VTMODEL_RUNS ?? 60);
const MOST_RUNS = 3000;

describe('A cached answer differs from a fresh walk', () => {
  it('only before the required invalidation', () => {
    holds(staleOnlyBefore(invalidate), 3 * RUNS);
  });

  it.each(Object.entries(invalidationMutants))('is refuted where %s', (_, { how, isAsked }) => {
    expect(isRefuted(staleOnlyBefore(how, isAsked, 15), MOST_RUNS)).toBe(true);
  });
});
