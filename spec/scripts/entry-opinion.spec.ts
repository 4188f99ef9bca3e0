import { describe, expect, it } from 'vitest';
import { compareVerdicts, ourReport, verdictOf } from '../../scripts/entry-opinion/compare';
import { header, stateLine } from '../../scripts/entry-opinion/states';

const SEED = 7;
const SOME = Array.from({ length: 300 }, (_, index) => index);
const enters = (index: number): boolean =>
  ourReport(SEED, index).violations.every(({ id }) => id.startsWith('msr-load.'));

describe('npm run entry-opinion', () => {
  it('makes the same states from the same seed, some of which enter', () => {
    expect(SOME.map((index) => stateLine(SEED, index))).toEqual(SOME.map((index) => stateLine(SEED, index)));
    expect(new Set(SOME.map((index) => stateLine(SEED, index))).size).toBeGreaterThan(200);
    const entering = SOME.filter(enters).length;
    expect(entering).toBeGreaterThan(50);
    expect(entering).toBeLessThan(250);
    expect(header()).toMatch(/^set pin [0-9a-f]+\n/);
    expect(stateLine(SEED, 0)).toMatch(/^0( [0-9a-f]+=[0-9a-f]+)+\n$/);
  });

  it('reads verdicts, and nothing else', () => {
    expect(verdictOf('12 exit 33 4 link pointer')).toEqual({
      index: 12,
      outcome: 'exit 33 4',
      words: 'link pointer',
    });
    expect(verdictOf('3 entered')).toEqual({ index: 3, outcome: 'entered', words: '' });
    expect(verdictOf('warning: 3 entered')).toBeUndefined();
  });

  it('finds what another implementation leaves out, and says which rule', () => {
    const careless = SOME.map((index) => ({ index, outcome: 'entered', words: '' }));
    const { states, entered, differences } = compareVerdicts(SEED, careless);
    expect([states, entered]).toEqual([300, 300]);
    expect(differences.reduce((sum, one) => sum + one.states.length, 0)).toBe(
      300 - SOME.filter(enters).length,
    );
    expect(differences.every(({ ours }) => /^(VMfailValid|exit) .*: (ctl|host|guest|smm)\./.test(ours))).toBe(
      true,
    );
  });
});
