import { describe, expect, it } from 'vitest';
import { run } from '../../src/api';
import type { StaleTranslation } from '../../src/api/caches';
import { choiceAt } from '../../src/core';
import { little, TIERS } from '../cpu/engine/paged-guest';
import { beforeLaunch, EPT_TABLES, TABLES, words } from '../vmx/dynamics/whole-machine';

const DATA = 0x21_5000;
const UNTOUCHED = 0x41_5000;
/** The entry of EPT for the third 2 MiB, which no access has gone through. */
const ENTRY = EPT_TABLES + 0x2010;
const [EBP, ESI] = [5, 6];

const code = {
  read: (register: number, address: number) => [0x8b, (register << 3) | 4, 0x25, ...little(address, 4)],
  store: (address: number, value: number) => [
    ...[0xc7, 0x04, 0x25],
    ...little(address, 4),
    ...little(value, 4),
  ],
  hlt: [0xf4],
};

// SDM Vol. 3A, 4.10.2.3 Details of TLB Use; SDM Vol. 3C, 29.4.2 Creating and Using Cached Translation Information
describe.each(TIERS)('Under the policy adversarial a store to a table of EPT, %s', (tier) => {
  const ended = (speculates: bigint) => {
    const before = beforeLaunch({
      controls: ['activateSecondaryControls', 'enableEpt'],
      guest: [...code.read(EBP, DATA), ...code.store(ENTRY, 0xb7), ...code.read(ESI, UNTOUCHED), ...code.hlt],
      memory: {
        [TABLES + 0x2000]: words(0xa7n, 0x20_00a7n, 0x40_00a7n),
        [EPT_TABLES + 0x2000]: words(0xb7n, 0x20_00b7n, 0x20_00b7n),
        [DATA]: [1],
        [DATA - 0x20_0000]: [2],
      },
    });
    const caches = { kind: 'adversarial', seed: 0 } as const;
    const reports: StaleTranslation[] = [];
    const { state } = run(
      { ...before, config: { ...before.config, caches } },
      {
        tier,
        maxInstructions: 10,
        choice: choiceAt(['speculative-fill'], () => speculates),
        onStaleTranslation: (report) => reports.push(report),
      },
    );
    return { read: state.processors[0].registers[ESI], reports };
  };

  it('finds what it says remembered for a page that no program touched', () => {
    const { read, reports } = ended(1n);
    expect(read).toBe(1n);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({
      changed: [{ table: 'ept', level: 2, address: ENTRY }],
      enough: 'INVEPT single-context',
    });
  });

  it('or not, as the Choice says', () => {
    const { read, reports } = ended(0n);
    expect([read, reports]).toEqual([2n, []]);
  });
});
