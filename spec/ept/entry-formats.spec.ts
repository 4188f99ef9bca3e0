// SDM Vol. 3C, 29.3.2 EPT Translation Mechanism: what each bit of an entry is, at each level
import { describe, expect, it } from 'vitest';
import { ENTRY, type EntryKind, high32, low32, type PagingFormat } from '../../src/core';
import { COMMON_EPT, eptPaging } from '../../src/ept';

const WIDTH = 39;
const CAPABLE = { ...COMMON_EPT, walkLength5: true, accessedDirty: true, physicalAddressWidth: WIDTH };
const READ = 1n;
const PAGE_SIZE = 128n;

interface Format {
  readonly id: string;
  readonly level: number;
  /** A readable entry of the format, of memory type UC. */
  readonly entry: bigint;
  readonly kind: EntryKind;
  /** Bit ranges that must be 0, `high:low`; all others may be 1, the memory type apart. */
  readonly reserved: readonly string[];
}

const BEYOND = `51:${WIDTH}`;
const FORMATS: readonly Format[] = [
  { id: 'entry.pml5e', level: 5, entry: READ, kind: ENTRY.table, reserved: ['7:3', BEYOND] },
  { id: 'entry.pml4e', level: 4, entry: READ, kind: ENTRY.table, reserved: ['7:3', BEYOND] },
  { id: 'entry.pdpte-table', level: 3, entry: READ, kind: ENTRY.table, reserved: ['6:3', BEYOND] },
  { id: 'entry.pde-table', level: 2, entry: READ, kind: ENTRY.table, reserved: ['6:3', BEYOND] },
  {
    id: 'entry.pdpte-1g',
    level: 3,
    entry: READ | PAGE_SIZE,
    kind: ENTRY.leaf,
    reserved: ['29:12', BEYOND],
  },
  {
    id: 'entry.pde-2m',
    level: 2,
    entry: READ | PAGE_SIZE,
    kind: ENTRY.leaf,
    reserved: ['20:12', BEYOND],
  },
  { id: 'entry.pte-4k', level: 1, entry: READ, kind: ENTRY.leaf, reserved: [BEYOND] },
];

const bitsOf = (ranges: readonly string[]): ReadonlySet<number> =>
  new Set(
    ranges.flatMap((range) => {
      const [high, low] = range.split(':').map(Number);
      return Array.from({ length: high - low + 1 }, (_, i) => low + i);
    }),
  );
const kindOf = (format: PagingFormat, entry: bigint, level: number): EntryKind =>
  format.classify(low32(entry), high32(entry), level);
const BITS = Array.from({ length: 64 }, (_, bit) => bit);
/** 1, 4, 5 and 6 beside 0: the types of which a single further bit makes another. */
const TYPES_WITH_ONE_BIT = new Set([3, 5]);

describe.each([false, true])('mode-based execute control %s', (modeBased) => {
  const format = eptPaging(CAPABLE, 5, modeBased);

  it.each(FORMATS)('$id', ({ level, entry, kind, reserved }) => {
    const zero = bitsOf(reserved);
    for (const bit of BITS) {
      const other = entry ^ (1n << BigInt(bit));
      const isTypeOfLeaf = kind === ENTRY.leaf && bit >= 3 && bit <= 5;
      // Bit 0 makes it another entry, and bit 7 of a table another format.
      if (bit === 0 || (bit === 7 && (level === 2 || level === 3))) continue;
      const allowed = isTypeOfLeaf ? TYPES_WITH_ONE_BIT.has(bit) : !zero.has(bit);
      expect(kindOf(format, other, level), `bit ${bit}`).toBe(allowed ? kind : ENTRY.reserved);
    }
  });

  it('entry.not-present: bits 2:0 are 0, and bit 10 too under mode-based execute control', () => {
    for (const { level } of FORMATS) {
      expect(kindOf(format, ~0x407n & ((1n << 64n) - 1n), level)).toBe(ENTRY.absent);
      const userExecute = kindOf(format, 0x400n, level);
      const kind = level === 1 ? ENTRY.leaf : ENTRY.table;
      expect(userExecute).toBe(modeBased ? kind : ENTRY.absent);
    }
  });
});
