import { type NumberTrie, trieGet, trieSet } from '../../core';
import {
  type CachedEntry,
  EMPTY_CACHES,
  type Fill,
  type Mapping,
  type Origin,
  type TranslationCaches,
  withFills,
} from './mapping';

/** Who wrote to a table entry that the caches have something from. */
export interface TableWrite {
  /** Number of the processor. */
  readonly processor: number;
  /** Address of the instruction. */
  readonly rip: bigint;
  /** Machine clock: instructions retired before it. */
  readonly clock: number;
  /** The address space that it ran in. */
  readonly vpid: number;
  readonly pcid: number;
  /** How many stores were counted with it. */
  readonly number: number;
  /** A stale use was told already. */
  readonly reported: boolean;
}

/** Where a table stands in the walks that are remembered. */
export interface TablePlace {
  readonly table: 'guest' | 'ept';
  /** Address bits below those that select an entry of it. */
  readonly shift: number;
  /** The address bits above them. */
  readonly number: number;
}

/** All that a processor remembers of tables, as part of its state. */
export interface Remembered {
  readonly caches: TranslationCaches;
  /** The frames of tables that something is remembered from. */
  readonly tables: NumberTrie<readonly TablePlace[]>;
  /** The entries that something is remembered from, by address divided by 8. */
  readonly entries: NumberTrie<true>;
  /** The last write to each of them, likewise. */
  readonly writes: NumberTrie<TableWrite>;
  /** Stores counted. */
  readonly stores: number;
  /** Uses counted under the policy `lru`; else 0. */
  readonly uses: number;
}

export const NOTHING_REMEMBERED: Remembered = Object.freeze({
  caches: EMPTY_CACHES,
  tables: undefined,
  entries: undefined,
  writes: undefined,
  stores: 0,
  uses: 0,
});

/** Told of frames of tables and of entries that nothing was remembered from before. */
export interface Added {
  table(frame: number): void;
  entry(slot: number): void;
}

const NO_PLACES: readonly TablePlace[] = Object.freeze([]);

const ENTRY_BYTES = 8;
/** What an address is in `entries` and `writes`. */
export const slotOf = (address: number): number => Math.floor(address / ENTRY_BYTES);
/** Address bits that select an entry: 9 in a table of 512 entries, 10 in one of 1024. */
const indexBits = (bytes: 4 | 8): number => (bytes === 8 ? 9 : 10);
const shiftOf = ({ level, bytes }: CachedEntry): number => 12 + (level - 1) * indexBits(bytes);

const placeOf = (entry: CachedEntry, { number, shift }: Mapping): TablePlace => {
  const bits = shiftOf(entry);
  return {
    table: entry.table,
    shift: bits,
    number: Math.floor(number * 2 ** (shift - bits - indexBits(entry.bytes))),
  };
};

/** With the tables that a mapping came from; of combined mappings those of EPT are found by guest-physical ones. */
const withTables = (
  tables: Remembered['tables'],
  { tag, mapping }: Fill,
  added: Added,
): Remembered['tables'] => {
  let next = tables;
  const own = tag.kind === 'guest-physical' ? 'ept' : 'guest';
  for (const entry of mapping.from) {
    const frame = Math.floor(entry.address / 4096);
    const known = trieGet(next, frame);
    if (known === undefined) added.table(frame);
    const place = entry.table === own ? placeOf(entry, mapping) : undefined;
    const isNew =
      place !== undefined &&
      known?.some((one) => one.table === own && one.shift === place.shift && one.number === place.number) !==
        true;
    if (known === undefined || isNew)
      next = trieSet(next, frame, Object.freeze([...(known ?? NO_PLACES), ...(isNew ? [place] : [])]));
  }
  return next;
};

const withEntries = (
  entries: Remembered['entries'],
  { mapping }: Fill,
  added: Added,
): Remembered['entries'] => {
  let next = entries;
  for (const { address } of mapping.from) {
    const slot = slotOf(address);
    if (trieGet(next, slot) !== undefined) continue;
    added.entry(slot);
    next = trieSet(next, slot, true);
  }
  return next;
};

/** With mappings; `added` is told of what was not among that before. */
export const remember = (before: Remembered, fills: readonly Fill[], added: Added): Remembered => {
  const caches = withFills(before.caches, fills);
  if (caches === before.caches) return before;
  let { tables, entries } = before;
  for (const fill of fills) {
    tables = withTables(tables, fill, added);
    entries = withEntries(entries, fill, added);
  }
  return Object.freeze({ ...before, caches, tables, entries });
};

/** With a mapping changed where it is kept. */
const changed = ({ caches }: Remembered, mapping: Mapping, again: Mapping): TranslationCaches => {
  const space = caches.spaces.find((one) => one.beside(mapping).includes(mapping));
  return space === undefined
    ? caches
    : caches.insert(space.tag, Object.freeze(again), (one) => one === mapping);
};

/** With one use more, of a mapping. */
export const withUse = (before: Remembered, mapping: Mapping): Remembered => {
  const uses = before.uses + 1;
  return Object.freeze({ ...before, uses, caches: changed(before, mapping, { ...mapping, used: uses }) });
};

/** With a mapping that a walk of now agrees with in place of one that was remembered. */
export const withAgreement = (before: Remembered, mapping: Mapping, fill: Fill, added: Added): Remembered => {
  const again = { ...fill.mapping, used: mapping.used, since: before.stores };
  return Object.freeze({
    ...before,
    caches: changed(before, mapping, again),
    tables: withTables(before.tables, fill, added),
    entries: withEntries(before.entries, fill, added),
  });
};

/** With the mappings of one origin, under some tags, taken for those of another: that they are not was told. */
export const withOrigin = (
  before: Remembered,
  tags: readonly string[],
  old: Origin,
  { root, flagged }: Origin,
): Remembered => {
  const caches = before.caches.change((space) => {
    if (!tags.includes(space.tag.key)) return space;
    let next = space;
    for (const mapping of space.mappings())
      if (mapping.root === old.root && mapping.flagged === old.flagged)
        next = next.with(Object.freeze({ ...mapping, root, flagged }), (one) => one === mapping);
    return next;
  });
  return Object.freeze({ ...before, caches });
};

/** Without the mappings used longest ago, so that `entries` are left. */
export const withMost = (before: Remembered, entries: number): Remembered => {
  const all = [...before.caches.mappings()];
  if (all.length <= entries) return before;
  const oldest = new Set(
    all
      .map(([, mapping]) => mapping)
      .sort((a, b) => a.used - b.used)
      .slice(0, all.length - entries),
  );
  return withCaches(
    before,
    before.caches.change((space) => space.filter((mapping) => !oldest.has(mapping))),
  );
};

/** With other mappings after an invalidation. */
export const withCaches = (before: Remembered, caches: TranslationCaches): Remembered => {
  if (caches === before.caches) return before;
  return caches.spaces.length === 0 ? NOTHING_REMEMBERED : Object.freeze({ ...before, caches });
};

/** With a write to one entry of a table. */
export const withWrite = (before: Remembered, address: number, write: TableWrite): Remembered =>
  Object.freeze({
    ...before,
    stores: Math.max(before.stores, write.number),
    writes: trieSet(before.writes, slotOf(address), Object.freeze(write)),
  });

/** The last write to an entry since something is remembered of its table. */
export const writeTo = ({ writes }: Remembered, { address }: CachedEntry): TableWrite | undefined =>
  trieGet(writes, slotOf(address));

/** Whether some entry that a mapping came from was written since. */
export const isTouched = (state: Remembered, mapping: Mapping): boolean =>
  state.stores > mapping.since &&
  mapping.from.some((entry) => (writeTo(state, entry)?.number ?? 0) > mapping.since);

/** The addresses whose walks go through an entry of a table, as halves; guest-physical ones for a table of EPT. */
export const addressesThrough = (
  { tables }: Remembered,
  address: number,
  bytes: 4 | 8,
): readonly { readonly table: 'guest' | 'ept'; readonly low: number; readonly high: number }[] =>
  (trieGet(tables, Math.floor(address / 4096)) ?? NO_PLACES).map(({ table, shift, number }) => {
    const index = (address % 4096) / bytes;
    const linear = (number * 2 ** indexBits(bytes) + index) * 2 ** shift;
    return { table, low: (linear % 2 ** 32) | 0, high: Math.floor(linear / 2 ** 32) | 0 };
  });
