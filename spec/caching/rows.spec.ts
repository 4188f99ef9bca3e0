import { describe, expect, it } from 'vitest';
import type { MachineConfig } from '../../src/api';
import { MachineScene } from './machine-scene';
import { ROWS, type Row } from './rows';
import { ROW_IDS } from './rows/ids';
import type { Scene } from './scene';
import { ValueScene } from './value-scene';

type Policy = NonNullable<MachineConfig['caches']>;

const sorted = (results: Iterable<string>): readonly string[] => [...new Set(results)].sort();

/** What the model gives. */
const given = ({ legal, beyond }: Row): readonly string[] =>
  legal.filter((result) => beyond?.[result] === undefined);

const staged = <S extends Scene>(scene: S, { example }: Row): S => {
  example(scene);
  return scene;
};

const onMachine = (row: Row, policy: Policy) => {
  const scene = staged(MachineScene.under(policy, row.start), row);
  return { result: row.use(scene), speculates: scene.speculates };
};

/** The first always run, the others until every legal result was seen. */
const LEAST_POLICIES = 5;
const MOST_SEEDS = 64;
const POLICIES: readonly Policy[] = [
  { kind: 'none' },
  ...Array.from({ length: MOST_SEEDS }, (_, seed): Policy => ({ kind: 'adversarial', seed })),
];

describe('Rules about the translation caches', () => {
  it('have one row each', () => {
    expect(ROWS.map(({ id }) => id).sort()).toEqual([...ROW_IDS].sort());
  });

  describe.each(ROWS.map((row) => [row.id, row] as const))('%s', (_, row) => {
    it('legal results', () => {
      const scene = staged(new ValueScene(row.start), row);
      expect(sorted(scene.results(row.use))).toEqual(sorted(given(row)));
      expect(row.use(scene)).toBe(row.legal[0]);
    });

    if (row.pure !== undefined) return;

    it('on machines that keep all, keep nothing, or choose what they keep', () => {
      const kept = onMachine(row, { kind: 'keep-all' });
      // Where the example speculates: such a machine does nothing by itself.
      expect(kept.speculates ? row.legal : [row.legal[0]]).toContain(kept.result);
      const seen = new Set([kept.result]);
      const wanted = given(row).filter((result) => row.unseen?.[result] === undefined);
      for (const [number, policy] of POLICIES.entries()) {
        if (number >= LEAST_POLICIES && wanted.every((result) => seen.has(result))) break;
        const { result } = onMachine(row, policy);
        expect(row.legal, JSON.stringify(policy)).toContain(result);
        seen.add(result);
      }
      expect(sorted(seen)).toEqual(sorted(wanted));
    });
  });
});
