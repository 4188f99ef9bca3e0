// Software that forgets an invalidation is found, and software that makes it is left alone. SDM Vol. 3A, 4.10.4.2 Recommended Invalidation; SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction
import { describe, expect, it } from 'vitest';
import type { CachePolicy, StaleTranslation } from '../../src/api/caches';
import { type MachineState, run } from '../../src/api/machine';
import { seenOf } from './missing-invalidations/cell';
import { CELLS } from './missing-invalidations/matrix';

const KEEP_ALL: CachePolicy = { kind: 'keep-all' };
const ADVERSARIAL = [1, 2].map((seed): CachePolicy => ({ kind: 'adversarial', seed }));
const MOST_INSTRUCTIONS = 1000;

const reportsOf = (state: MachineState, caches: CachePolicy): readonly StaleTranslation[] => {
  const reports: StaleTranslation[] = [];
  const { stop } = run(
    { ...state, config: { ...state.config, caches } },
    { maxInstructions: MOST_INSTRUCTIONS, onStaleTranslation: (report) => reports.push(report) },
  );
  expect(stop.kind).toBe('stuck');
  return reports;
};

describe.each(CELLS)('$event, $mapping, with $instead', ({ correct, seeded, finds }) => {
  it('is found', () => {
    const { address, access, vpid = 0, pcid = 0, cached, current, because, enough, processor = 0 } = finds;
    const program = seeded();
    const [first, ...more] = reportsOf(program, KEEP_ALL);
    expect(more).toEqual([]);
    expect(first).toMatchObject({ processor, address, access, vpid, pcid, enough });
    expect([seenOf(first.cached), seenOf(first.current)]).toEqual([cached, current]);
    if ('roots' in because) expect(first).toMatchObject({ changed: [], roots: because.roots });
    else {
      const { rip, processor: writer = 0, ...where } = because;
      expect(first.changed[0]).toMatchObject({ ...where, write: { rip: BigInt(rip), processor: writer } });
    }
    expect(reportsOf(program, ADVERSARIAL[0])).not.toEqual([]);
  });

  it('is not found in the correct program', () => {
    const program = correct();
    for (const policy of [KEEP_ALL, ...ADVERSARIAL]) expect(reportsOf(program, policy)).toEqual([]);
  });
});
