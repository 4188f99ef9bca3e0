// Software that forgets an invalidation is found, and software that makes it is left alone. SDM Vol. 3A, 4.10.4.2 Recommended Invalidation; SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction
import { describe, expect, it } from 'vitest';
import type { CachePolicy, StaleTranslation } from '../../src/api/caches';
import { type MachineState, run } from '../../src/api/machine';
import { seenOf } from './missing-invalidations/cell';
import { CELLS } from './missing-invalidations/matrix';

const KEEP_ALL: CachePolicy = { kind: 'keep-all' };
const ADVERSARIAL = [1, 2, 3].map((seed): CachePolicy => ({ kind: 'adversarial', seed }));
const MOST_INSTRUCTIONS = 20_000;

const reportsOf = (state: MachineState, caches: CachePolicy): readonly StaleTranslation[] => {
  const reports: StaleTranslation[] = [];
  run(
    { ...state, config: { ...state.config, caches } },
    { maxInstructions: MOST_INSTRUCTIONS, onStaleTranslation: (report) => reports.push(report) },
  );
  return reports;
};

describe.each(CELLS)('$event, $mapping, with $instead', ({ correct, seeded, finds }) => {
  it('is found', () => {
    const { address, access, vpid = 0, pcid = 0, cached, current, entry, enough } = finds;
    const [first, ...more] = reportsOf(seeded(), KEEP_ALL);
    expect(more).toEqual([]);
    expect(first).toMatchObject({ address, access, vpid, pcid, enough });
    expect([seenOf(first.cached), seenOf(first.current)]).toEqual([cached, current]);
    const { rip, processor = 0, ...where } = entry;
    expect(first.changed[0]).toMatchObject({ ...where, write: { rip: BigInt(rip), processor } });
    for (const policy of ADVERSARIAL) expect(reportsOf(seeded(), policy)).not.toEqual([]);
  });

  it('is not found in the correct program', () => {
    for (const policy of [KEEP_ALL, ...ADVERSARIAL]) expect(reportsOf(correct(), policy)).toEqual([]);
  });
});
