import { type NumberTrie, trieDelete, trieGet, trieSet } from '../../core';
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

/** All that a processor remembers of tables, as part of its state. */
export interface Remembered {
  readonly caches: TranslationCaches;
  /** The last write to each entry that something is remembered from, by address divided by 8. */
  readonly writes: NumberTrie<TableWrite>;
  /** Stores counted. */
  readonly stores: number;
  /** Uses counted under the policy `lru`; else 0. */
  readonly uses: number;
}

export const NOTHING_REMEMBERED: Remembered = Object.freeze({
  caches: EMPTY_CACHES,
  writes: undefined,
  stores: 0,
  uses: 0,
});

const ENTRY_BYTES = 8;
/** What an address is in `writes`. */
export const slotOf = (address: number): number => Math.floor(address / ENTRY_BYTES);
/** With mappings. */
export const remember = (before: Remembered, fills: readonly Fill[]): Remembered => {
  const caches = withFills(before.caches, fills);
  return caches === before.caches ? before : Object.freeze({ ...before, caches });
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

/** With what a walk of now gave in place of a mapping that agrees with it. */
export const withAgreement = (before: Remembered, mapping: Mapping, now: Mapping): Remembered => {
  const again = { ...now, used: mapping.used, since: before.stores };
  return Object.freeze({ ...before, caches: changed(before, mapping, again) });
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

/** Without the writes to entries that nothing is remembered from any more. */
export const withoutWrites = (before: Remembered, slots: readonly number[]): Remembered => {
  const writes = slots.reduce((rest, slot) => trieDelete(rest, slot), before.writes);
  return writes === before.writes ? before : Object.freeze({ ...before, writes });
};

/** The last write to an entry since something is remembered of its table. */
export const writeTo = ({ writes }: Remembered, { address }: CachedEntry): TableWrite | undefined =>
  trieGet(writes, slotOf(address));

/** Whether some entry that a mapping came from was written since. */
export const isTouched = (state: Remembered, mapping: Mapping): boolean =>
  state.stores > mapping.since &&
  mapping.from.some((entry) => (writeTo(state, entry)?.number ?? 0) > mapping.since);
