import fc from 'fast-check';
import {
  EMPTY_MEMORY,
  type Gpa,
  type Gva,
  gpa,
  gva,
  MemoryDraft,
  type MemoryRoot,
  signExtend,
} from '../core';
import { EPT_MEMORY_TYPE, EPT_RIGHTS, EPTP } from '../ept';

/** A page of generated tables. */
export interface MappedPage<Address> {
  /** The first address of the page. */
  readonly address: Address;
  /** The physical address to which it leads. */
  readonly to: Gpa;
  readonly bytes: number;
  /** Bits 11:0 and 63 of the entry that maps it. */
  readonly flags: bigint;
}

/** Where an entry of generated tables stands, and what it was before it was broken. */
export interface BrokenEntry {
  readonly address: number;
  readonly before: bigint;
  readonly after: bigint;
}

interface Layout {
  /** Frames of tables, from here on. */
  readonly firstTable: number;
  readonly levels: 4 | 5;
  /** Of an entry that names a table. */
  readonly tableFlags: bigint;
  /** Marks a page of 2 MiB or 1 GiB. */
  readonly pageSize: bigint;
}

interface Page {
  readonly indexes: readonly number[];
  /** 1 for 4 KiB, 2 for 2 MiB, 3 for 1 GiB. */
  readonly level: number;
  readonly frame: number;
  readonly flags: bigint;
}

interface Built {
  readonly memory: MemoryRoot;
  /** Every entry by its address. */
  readonly entries: ReadonlyMap<number, bigint>;
  readonly mapped: readonly (Omit<MappedPage<bigint>, 'address'> & { readonly address: bigint })[];
}

const TABLE_BYTES = 4096;
const ENTRY_BYTES = 8;
const INDEX_BITS = 9;
const OFFSET_BITS = 12;
const PRESENT = 7n;

const sizeOf = (level: number): number => 2 ** (OFFSET_BITS + INDEX_BITS * (level - 1));

const written = (entries: ReadonlyMap<number, bigint>): MemoryRoot => {
  const draft = new MemoryDraft(EMPTY_MEMORY);
  for (const [address, entry] of entries) {
    const bytes = new Uint8Array(ENTRY_BYTES);
    new DataView(bytes.buffer).setBigUint64(0, entry, true);
    draft.write(address, bytes);
  }
  return draft.publish();
};

/** Tables for these pages; a page that lies in the way of an earlier one is left out. */
const build = (pages: readonly Page[], { firstTable, levels, tableFlags, pageSize }: Layout): Built => {
  const entries = new Map<number, bigint>();
  const leaves = new Set<number>();
  const mapped: Built['mapped'][number][] = [];
  let tables = 1;
  for (const { indexes, level, frame, flags } of pages) {
    let table = firstTable;
    let entry = 0;
    let isFree = true;
    for (let at = levels; at >= level && isFree; at--) {
      entry = table + ENTRY_BYTES * indexes[levels - at];
      if (at === level) isFree = !entries.has(entry);
      else if (leaves.has(entry)) isFree = false;
      else {
        const known = entries.get(entry);
        table = known === undefined ? firstTable + TABLE_BYTES * tables++ : Number(known & ~0xfffn);
        entries.set(entry, BigInt(table) | tableFlags);
      }
    }
    if (!isFree) continue;
    const to = frame * sizeOf(level);
    entries.set(entry, BigInt(to) | flags | (level > 1 ? pageSize : 0n));
    leaves.add(entry);
    const linear = indexes
      .slice(0, levels - level + 1)
      .reduce((sum, index) => (sum << 9n) | BigInt(index), 0n);
    const address = linear << BigInt(OFFSET_BITS + INDEX_BITS * (level - 1));
    mapped.push({ address, to: gpa(to), bytes: sizeOf(level), flags });
  }
  return { memory: written(entries), entries, mapped };
};

/** Few indexes, so that pages share tables, and the edges of a table. */
const index = fc.oneof(fc.constantFrom(0, 1, 255, 256, 511), fc.nat(511));

const page = (levels: 4 | 5, flags: fc.Arbitrary<bigint>): fc.Arbitrary<Page> =>
  fc.record({
    indexes: fc.array(index, { minLength: levels, maxLength: levels }),
    level: fc.constantFrom(1, 1, 2, 3),
    frame: fc.nat(31),
    flags,
  });

const MOST_PAGES = 8;
const pages = (levels: 4 | 5, flags: fc.Arbitrary<bigint>): fc.Arbitrary<readonly Page[]> =>
  fc.array(page(levels, flags), { minLength: 1, maxLength: MOST_PAGES });

/** One entry of the tables with one bit changed. */
const broken = (built: Built): fc.Arbitrary<{ readonly memory: MemoryRoot; readonly broken: BrokenEntry }> =>
  fc.tuple(fc.constantFrom(...built.entries.keys()), fc.nat(63)).map(([address, place]) => {
    const before = built.entries.get(address)!;
    const after = before ^ (1n << BigInt(place));
    return {
      memory: written(new Map([...built.entries, [address, after]])),
      broken: { address, before, after },
    };
  });

/** Tables of 4-level or 5-level paging, and every page that they map. SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging */
export interface PageTables {
  readonly memory: MemoryRoot;
  readonly cr3: bigint;
  readonly levels: 4 | 5;
  readonly mapped: readonly MappedPage<Gva>[];
}

const CR3 = 0x10_0000;
const WRITABLE = 2n;
const USER = 4n;
const NO_EXECUTE = 1n << 63n;

const rightsOfPage: fc.Arbitrary<bigint> = fc
  .tuple(fc.constantFrom(0n, WRITABLE), fc.constantFrom(0n, USER), fc.constantFrom(0n, NO_EXECUTE))
  .map(([writable, user, noExecute]) => 1n | writable | user | noExecute);

const builtPageTables = (levels: 4 | 5) =>
  pages(levels, rightsOfPage).map((all) =>
    build(all, { firstTable: CR3, levels, tableFlags: PRESENT, pageSize: 0x80n }),
  );

const pageTablesOf = (levels: 4 | 5, built: Built): PageTables => ({
  memory: built.memory,
  cr3: BigInt(CR3),
  levels,
  mapped: built.mapped.map((one) => ({
    ...one,
    address: gva(BigInt.asUintN(64, signExtend(one.address, OFFSET_BITS + INDEX_BITS * levels))),
  })),
});

/** Page tables from 1 MiB on that map up to eight pages of 4 KiB, 2 MiB or 1 GiB; no reserved bit is set. */
export const pageTables = (levels: 4 | 5 = 4): fc.Arbitrary<PageTables> =>
  builtPageTables(levels).map((built) => pageTablesOf(levels, built));

/** The same with one bit of one entry changed. */
export const nearlyValidPageTables = (
  levels: 4 | 5 = 4,
): fc.Arbitrary<PageTables & { readonly broken: BrokenEntry }> =>
  builtPageTables(levels).chain((built) =>
    broken(built).map((change) => ({ ...pageTablesOf(levels, built), ...change })),
  );

/** EPT tables, and every page that they map. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism */
export interface EptTree {
  readonly memory: MemoryRoot;
  readonly eptp: bigint;
  readonly levels: 4 | 5;
  readonly mapped: readonly MappedPage<Gpa>[];
}

const EPT_ROOT = 0x20_0000;
/** Rights that are no misconfiguration on any processor. */
const RIGHTS = [
  EPT_RIGHTS.read,
  EPT_RIGHTS.read | EPT_RIGHTS.write,
  EPT_RIGHTS.read | EPT_RIGHTS.execute,
  EPT_RIGHTS.read | EPT_RIGHTS.write | EPT_RIGHTS.execute,
];
const MEMORY_TYPE_BIT = 3;

const rightsOfEpt: fc.Arbitrary<bigint> = fc
  .tuple(fc.constantFrom(...RIGHTS), fc.constantFrom(...Object.values(EPT_MEMORY_TYPE)))
  .map(([rights, memoryType]) => BigInt(rights | (memoryType << MEMORY_TYPE_BIT)));

const builtEpt = (levels: 4 | 5) =>
  pages(levels, rightsOfEpt)
    // Guest-physical addresses here have 48 bits also with five levels.
    .map((all) =>
      levels === 4 ? all : all.map((one) => ({ ...one, indexes: [0, ...one.indexes.slice(1)] })),
    )
    .map((all) => build(all, { firstTable: EPT_ROOT, levels, tableFlags: PRESENT, pageSize: 0x80n }));

const eptTreeOf = (levels: 4 | 5, built: Built): EptTree => ({
  memory: built.memory,
  eptp: EPTP.set(EPTP.set(BigInt(EPT_ROOT), 'memoryType', 6n), 'walkLengthMinus1', BigInt(levels - 1)),
  levels,
  mapped: built.mapped.map((one) => ({ ...one, address: gpa(Number(one.address)) })),
});

/** EPT tables from 2 MiB on that map up to eight pages of 4 KiB, 2 MiB or 1 GiB; nothing is misconfigured. */
export const eptTrees = (levels: 4 | 5 = 4): fc.Arbitrary<EptTree> =>
  builtEpt(levels).map((built) => eptTreeOf(levels, built));

/** The same with one bit of one entry changed. */
export const nearlyValidEptTrees = (
  levels: 4 | 5 = 4,
): fc.Arbitrary<EptTree & { readonly broken: BrokenEntry }> =>
  builtEpt(levels).chain((built) =>
    broken(built).map((change) => ({ ...eptTreeOf(levels, built), ...change })),
  );
