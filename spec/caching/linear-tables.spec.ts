// A bug that Xen had, in a guest made from the description of its fix: XSA-286 (CVE-2020-27674). SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMachine, loadImage, type MachineState, processor, run } from '../../src/api';
import type { CachePolicy } from '../../src/api/caches';

const IMAGE = readFileSync('guests/images/linear-tables.elf');
const WINDOW = 0xffff_8100_8000_0000n;
const TABLES = /first table (0x[0-9a-f]+), second table (0x[0-9a-f]+)/;
const FIRST = 0x700_0000;
const SECOND = 0x700_1000;

const guest = (caches: CachePolicy, commandLine: string): MachineState => {
  const machine = createMachine({ processor: processor('skylake'), memoryBytes: 128 << 20, caches });
  const loaded = loadImage(machine, IMAGE, { fileName: 'linear-tables.elf', commandLine });
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

/** What is in the guest's two tables at the end, the exit code, and how many reports there were. */
const ended = (caches: CachePolicy, commandLine: string) => {
  let text = '';
  let reports = 0;
  const { stop } = run(guest(caches, commandLine), {
    onEffect: (effect) => {
      if (effect.kind === 'serial') text += String.fromCharCode(effect.byte);
    },
    onStaleTranslation: (report) => {
      expect(report).toMatchObject({ access: 'write', address: WINDOW, enough: 'INVLPG' });
      expect(report.changed).toMatchObject([{ table: 'guest', level: 2 }]);
      reports++;
    },
  });
  const tables = TABLES.exec(text)?.slice(1).map(Number);
  return { tables, code: stop.kind === 'exit' ? stop.code : stop.kind, reports };
};

const POLICIES: readonly CachePolicy[] = [
  { kind: 'keep-all' },
  ...[0, 1, 2, 3].map((seed): CachePolicy => ({ kind: 'adversarial', seed })),
];

describe('a monitor that looks at its guest’s page tables through themselves', () => {
  it.each(POLICIES)(
    'forgets to flush where the guest need not, and writes to a table that is no more: %o',
    (caches) => {
      expect(ended(caches, 'fixed=0')).toEqual({ tables: [SECOND, 0], code: 1, reports: 1 });
    },
  );

  it.each(POLICIES)('flushes, and does not: %o', (caches) => {
    expect(ended(caches, '')).toEqual({ tables: [FIRST, SECOND], code: 0, reports: 0 });
  });

  it('shows nothing of it on a processor that forgets soon', () => {
    for (const caches of [{ kind: 'none' }, { kind: 'lru', entries: 1 }] as const)
      expect(ended(caches, 'fixed=0')).toEqual({ tables: [FIRST, SECOND], code: 0, reports: 0 });
  });
});
