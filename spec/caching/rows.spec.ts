import { describe, expect, it } from 'vitest';
import { ROWS, type Row } from './rows';
import { ROW_IDS } from './rows/ids';
import { ValueScene } from './value-scene';

const sorted = (results: Iterable<string>): readonly string[] => [...new Set(results)].sort();

const staged = <S extends ValueScene>(scene: S, { example }: Row): S => {
  example(scene);
  return scene;
};

describe('Rules about the translation caches', () => {
  it('have one row each', () => {
    const ids = ROWS.map(({ id }) => id);
    expect(ids.filter((id) => !(ROW_IDS as readonly string[]).includes(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  describe.each(ROWS.map((row) => [row.id, row] as const))('%s', (_, row) => {
    it('legal results', () => {
      const scene = staged(new ValueScene(row.start), row);
      expect(sorted(scene.results(row.use))).toEqual(sorted(row.legal));
      expect(row.use(scene)).toBe(row.legal[0]);
    });
  });
});
