// SDM Vol. 3C, 29.3.1 EPT Overview. Bhargava et al., ASPLOS 2008: nm + n + m references for n guest and m nested levels.
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, gva, hpa, type MemoryRoot } from '../../src/core';
import { COMMON_EPT, EPTP, type GuestPaging, type WalkRequest, walk } from '../../src/ept';

type PageSize = '4K' | '2M' | '1G';
interface Guest {
  readonly tables: '4-level' | '5-level' | '32-bit' | 'PAE' | 'off';
  readonly page: PageSize;
}
interface Nested {
  readonly levels: 4 | 5;
  readonly page: PageSize;
}
type Row = readonly [guest: Guest, nested: Nested | 'none', references: number];

/** Guest's tables and page, nested ones, references of one walk with nothing cached; the data access is not counted. */
const ROWS: readonly Row[] = [
  [{ tables: '4-level', page: '4K' }, 'none', 4],
  [{ tables: '5-level', page: '4K' }, 'none', 5],
  [{ tables: '4-level', page: '4K' }, { levels: 4, page: '4K' }, 24],
  [{ tables: '5-level', page: '4K' }, { levels: 4, page: '4K' }, 29],
  [{ tables: '4-level', page: '4K' }, { levels: 5, page: '4K' }, 29],
  [{ tables: '5-level', page: '4K' }, { levels: 5, page: '4K' }, 35],
  [{ tables: '4-level', page: '4K' }, { levels: 4, page: '2M' }, 19],
  [{ tables: '4-level', page: '2M' }, { levels: 4, page: '4K' }, 19],
  [{ tables: '4-level', page: '2M' }, { levels: 4, page: '2M' }, 15],
  [{ tables: '4-level', page: '1G' }, { levels: 4, page: '1G' }, 8],
  [{ tables: '4-level', page: '1G' }, { levels: 4, page: '4K' }, 14],
  [{ tables: '32-bit', page: '4K' }, { levels: 4, page: '4K' }, 14],
  [{ tables: 'PAE', page: '4K' }, { levels: 4, page: '4K' }, 14],
  [{ tables: 'off', page: '4K' }, { levels: 4, page: '4K' }, 4],
];

/** Near the beginning of its 2 MiB and of its 1 GiB, so that small pages behind a large one need not be many. */
const LINEAR = 0x4012_3678n;
const LEAF = { '4K': 1, '2M': 2, '1G': 3 } as const;
const PRESENT = 7n;
const PAGE_SIZE = 0x80n;
const WRITE_BACK = 0x30n;
const GUEST_TABLES = 0x1000;
const EPT_TABLES = 0x10_0000;

const put = (memory: MemoryRoot, at: number, value: bigint, bytes: 4 | 8): MemoryRoot =>
  memory.write(at, new Uint8Array(new BigUint64Array([value]).buffer).subarray(0, bytes));

/** Tables that map `address` to the page of the same number, and every address below 1 GiB where the leaf is that large: one table a level. */
const chain = (
  memory: MemoryRoot,
  at: number,
  levels: number,
  leaf: number,
  index: (level: number) => number,
  target: bigint,
  flags: { readonly table: bigint; readonly leaf: bigint },
  bytes: 4 | 8 = 8,
): MemoryRoot => {
  let result = memory;
  for (let level = levels; level >= leaf; level--) {
    const table = at + (levels - level) * 4096;
    const entry = level === leaf ? target | flags.leaf : BigInt(table + 4096) | flags.table;
    result = put(result, table + index(level) * bytes, entry, bytes);
  }
  return result;
};

const indexOf =
  (address: bigint, bits = 9n) =>
  (level: number): number =>
    Number((address >> (12n + bits * BigInt(level - 1))) & ((1n << bits) - 1n));

const GUEST_LEVELS = { '4-level': 4, '5-level': 5, '32-bit': 2, PAE: 2, off: 0 } as const;

const withGuest = (memory: MemoryRoot, { tables, page }: Guest): MemoryRoot => {
  const levels = GUEST_LEVELS[tables];
  if (levels === 0) return memory;
  const leaf = LEAF[page];
  const bytes = tables === '32-bit' ? 4 : 8;
  const size = leaf > 1 ? PAGE_SIZE : 0n;
  const flags = { table: PRESENT, leaf: PRESENT | size };
  const index = indexOf(LINEAR, bytes === 4 ? 10n : 9n);
  return chain(memory, GUEST_TABLES, levels, leaf, index, 0n, flags, bytes);
};

/** EPT that maps the first bytes of memory to themselves. */
const withNested = (memory: MemoryRoot, { levels, page }: Nested): MemoryRoot => {
  const leaf = LEAF[page];
  const flags = { table: PRESENT, leaf: PRESENT | WRITE_BACK | (leaf > 1 ? PAGE_SIZE : 0n) };
  const frames = leaf > 1 ? [0n] : Array.from({ length: 512 }, (_, frame) => BigInt(frame * 4096));
  return frames.reduce(
    (result, frame) => chain(result, EPT_TABLES, levels, leaf, indexOf(frame), frame, flags),
    memory,
  );
};

const CR4 = { pae: 0x20n, la57: 0x1000n } as const;
const EFER = { lma: 0x400n, nxe: 0x800n } as const;

const pagingOf = ({ tables }: Guest): GuestPaging => ({
  cr4: tables === '32-bit' ? 0n : tables === '5-level' ? CR4.pae | CR4.la57 : CR4.pae,
  efer: tables === '4-level' || tables === '5-level' ? EFER.lma | EFER.nxe : 0n,
  pdptes: Array(4).fill(BigInt(GUEST_TABLES) | 1n),
  pkru: 0n,
  pkrs: 0n,
  features: { physicalAddressWidth: 52, gigabytePages: true, pse36: true, pat: true },
});

/** The registers that use tables of a row. */
const requestOf = (guest: Guest, nested: Nested | 'none'): WalkRequest => {
  const memory = withGuest(EMPTY_MEMORY, guest);
  const common = { address: gva(guest.tables === 'off' ? 0x5678n : LINEAR), physicalAddressWidth: 52 };
  const paged = guest.tables === 'off' ? {} : { cr3: BigInt(GUEST_TABLES), paging: pagingOf(guest) };
  if (nested === 'none') return { ...common, ...paged, memory };
  const eptp = EPTP.set(
    EPTP.set(BigInt(EPT_TABLES), 'memoryType', 6n),
    'walkLengthMinus1',
    BigInt(nested.levels - 1),
  );
  const ept = { ...COMMON_EPT, walkLength5: true, physicalAddressWidth: 52 };
  return { ...common, ...paged, memory: withNested(memory, nested), eptp, ept };
};

const describeRow = (guest: Guest, nested: Nested | 'none'): string =>
  `${guest.tables} ${guest.page} behind ${nested === 'none' ? 'none' : `${nested.levels}-level ${nested.page}`}`;

describe('references of one walk', () => {
  it.each(ROWS.map(([guest, nested, count]) => [describeRow(guest, nested), guest, nested, count] as const))(
    '%s',
    (_, guest, nested, count) => {
      const { references, outcome } = walk(requestOf(guest, nested));
      expect(outcome).toMatchObject({ ok: true });
      expect(references).toHaveLength(count);
    },
  );

  it('nm + n + m, where each side counts the levels that its pages leave', () => {
    for (const [guest, nested, count] of ROWS) {
      const n = Math.max(0, GUEST_LEVELS[guest.tables] - LEAF[guest.page] + 1);
      const m = nested === 'none' ? 0 : nested.levels - LEAF[nested.page] + 1;
      expect(count).toBe(n * m + n + m);
    }
  });

  it('the data access comes after: the address is the page that the last entry names', () => {
    const { outcome, references } = walk(requestOf(ROWS[2][0], ROWS[2][1]));
    expect(outcome).toEqual({ ok: true, value: hpa(0x678) });
    expect(references.at(-1)!.gpa).toBe(gpa(0x678));
  });
});
