import { MAPPING_SHIFTS, type NumberTrie, trieEntries, trieSet } from '../../core';
import {
  type CachedEntry,
  type CachePolicy,
  combinedTag,
  EMPTY_CACHES,
  guestPhysicalTag,
  linearTag,
  type Mapping,
  type MappingTag,
  type PcidTag,
  type Remembered,
  type TableWrite,
  type TranslationCaches,
  UNPAGED,
} from '../../cpu/caching';
import {
  byte,
  type Codec,
  flag,
  integer,
  list,
  malformed,
  mapped,
  oneOf,
  optional,
  physical,
  record,
  time,
  word16,
  word32,
  word64,
} from './codec';

const MOST_ENTRIES = 0xffff_ffff;
const anyNumber: Codec<number> = integer(Number.MAX_SAFE_INTEGER);
const half: Codec<number> = integer(0x7fff_ffff, -0x8000_0000);
const shift = oneOf(...MAPPING_SHIFTS);

/** Whether a policy makes sense is the machine's to say. */
export const cachePolicy: Codec<CachePolicy> = mapped(
  record<{ readonly kind: CachePolicy['kind']; readonly entries?: number; readonly seed?: number }>({
    kind: oneOf('none', 'lru', 'keep-all', 'adversarial'),
    entries: optional(integer(MOST_ENTRIES, 1)),
    seed: optional(word32),
  }),
  (policy: CachePolicy) => policy,
  ({ kind, entries, seed }, field): CachePolicy => {
    if ((kind === 'lru') !== (entries !== undefined)) malformed(`${field}.entries`, 'only lru has it');
    if ((kind === 'adversarial') !== (seed !== undefined))
      malformed(`${field}.seed`, 'only adversarial has it');
    if (kind === 'lru') return Object.freeze({ kind, entries: entries! });
    return kind === 'adversarial' ? Object.freeze({ kind, seed: seed! }) : Object.freeze({ kind });
  },
);

interface WrittenTag {
  readonly kind: MappingTag['kind'];
  readonly vpid?: number;
  readonly pcid?: number;
  readonly ep4ta?: number;
}

const GLOBAL = 0x1000;
const pcidOf = (pcid: PcidTag): number => (pcid === 'global' ? GLOBAL : pcid);

/** A PCID of 1000H stands for global pages. */
const mappingTag: Codec<MappingTag> = mapped(
  record<WrittenTag>({
    kind: oneOf('linear', 'combined', 'guest-physical'),
    vpid: optional(word16),
    pcid: optional(integer(GLOBAL)),
    ep4ta: optional(physical),
  }),
  (tag: MappingTag): WrittenTag => {
    const { kind } = tag;
    if (tag.kind === 'guest-physical') return { kind, ep4ta: tag.ep4ta };
    const { vpid } = tag;
    const pcid = pcidOf(tag.pcid);
    return tag.kind === 'linear' ? { kind, vpid, pcid } : { kind, vpid, pcid, ep4ta: tag.ep4ta };
  },
  ({ kind, vpid, pcid, ep4ta }, field): MappingTag => {
    const linear = kind !== 'guest-physical';
    if (linear !== (vpid !== undefined) || linear !== (pcid !== undefined))
      malformed(field, `VPID and PCID of ${kind} mappings`);
    if ((kind === 'linear') !== (ep4ta === undefined)) malformed(field, `EP4TA of ${kind} mappings`);
    if (!linear) return guestPhysicalTag(ep4ta!);
    const of = pcid === GLOBAL ? 'global' : pcid!;
    return kind === 'linear' ? linearTag(vpid!, of) : combinedTag(vpid!, of, ep4ta!);
  },
);

const entry: Codec<CachedEntry> = record<CachedEntry>({
  table: oneOf('guest', 'ept'),
  level: integer(5, 1),
  address: physical,
  low: half,
  high: half,
  bytes: oneOf(4, 8),
});

const mapping: Codec<Mapping> = record<Mapping>({
  kind: oneOf('page', 'table'),
  shift,
  number: anyNumber,
  pageShift: shift,
  frame: physical,
  guestFrame: physical,
  entryBytes: oneOf(4, 8),
  rights: byte,
  eptRights: word32,
  dirty: flag,
  memoryType: word32,
  protectionKey: integer(15),
  from: list(entry),
  root: integer(Number.MAX_SAFE_INTEGER, UNPAGED),
  flagged: flag,
  since: anyNumber,
  used: anyNumber,
});

interface WrittenMapping {
  readonly tag: MappingTag;
  readonly mapping: Mapping;
}

const never = (): boolean => false;

const caches: Codec<TranslationCaches> = mapped(
  list(record<WrittenMapping>({ tag: mappingTag, mapping })),
  (all: TranslationCaches) => [...all.mappings()].map(([tag, one]) => ({ tag, mapping: one })),
  (all) => {
    let cache = EMPTY_CACHES;
    for (const one of all) cache = cache.insert(one.tag, one.mapping, never);
    return cache;
  },
);

const trie = <Value>(inner: Codec<Value>): Codec<NumberTrie<Value>> =>
  mapped(
    list(record<{ readonly key: number; readonly value: Value }>({ key: anyNumber, value: inner as never })),
    (all: NumberTrie<Value>) => [...trieEntries(all)].map(([key, value]) => ({ key, value })),
    (all) => {
      let map: NumberTrie<Value>;
      for (const { key, value } of all) map = trieSet(map, key, value);
      return map;
    },
  );

const write: Codec<TableWrite> = record<TableWrite>({
  processor: byte,
  rip: word64,
  clock: time,
  vpid: word16,
  pcid: integer(0xfff),
  number: anyNumber,
  reported: flag,
});

/** What a processor remembers of tables. */
export const remembered: Codec<Remembered> = record<Remembered>({
  caches,
  writes: trie(write),
  stores: anyNumber,
  uses: anyNumber,
});
