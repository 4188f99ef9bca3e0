import { type MappingShift, TaggedCache } from '../../core';

/** Global pages are known under every PCID. SDM Vol. 3A, 4.10.2.4 Global Pages */
export type PcidTag = number | 'global';

/** Made while EPT is off. SDM Vol. 3C, 29.4.1 Information That May Be Cached */
export interface LinearTag {
  readonly key: string;
  readonly kind: 'linear';
  readonly vpid: number;
  readonly pcid: PcidTag;
}

/** Made while EPT is on: from linear addresses to host-physical ones. */
export interface CombinedTag {
  readonly key: string;
  readonly kind: 'combined';
  readonly vpid: number;
  readonly pcid: PcidTag;
  /** Bits 51:12 of the EPTP, as a byte address. */
  readonly ep4ta: number;
}

/** From EPT alone. */
export interface GuestPhysicalTag {
  readonly key: string;
  readonly kind: 'guest-physical';
  readonly ep4ta: number;
}

/** What a mapping is known under. */
export type MappingTag = LinearTag | CombinedTag | GuestPhysicalTag;

const digits = (value: number, count: number): string => value.toString(16).padStart(count, '0');
const pcidText = (pcid: PcidTag): string => (pcid === 'global' ? pcid : digits(pcid, 3));

export const linearTag = (vpid: number, pcid: PcidTag): LinearTag =>
  Object.freeze({ key: `linear ${digits(vpid, 4)} ${pcidText(pcid)}`, kind: 'linear', vpid, pcid });

export const combinedTag = (vpid: number, pcid: PcidTag, ep4ta: number): CombinedTag =>
  Object.freeze({
    key: `combined ${digits(vpid, 4)} ${pcidText(pcid)} ${digits(ep4ta, 13)}`,
    kind: 'combined',
    vpid,
    pcid,
    ep4ta,
  });

export const guestPhysicalTag = (ep4ta: number): GuestPhysicalTag =>
  Object.freeze({ key: `guest-physical ${digits(ep4ta, 13)}`, kind: 'guest-physical', ep4ta });

/** A table entry as a walk read it. */
export interface CachedEntry {
  readonly table: 'guest' | 'ept';
  /** 1 is the table of 4-KiB pages. */
  readonly level: number;
  /** Host-physical address. */
  readonly address: number;
  /** Its halves as int32; an entry of 4 bytes has no high half. */
  readonly low: number;
  readonly high: number;
  readonly bytes: 4 | 8;
}

/**
 * What a processor remembers of a walk: a translation (`page`) or an entry of a paging-structure cache (`table`).
 * SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs, 4.10.3.1 Caches for Paging Structures
 */
export interface Mapping {
  readonly kind: 'page' | 'table';
  readonly shift: MappingShift;
  readonly number: number;
  readonly pageShift: MappingShift;
  /** Of a page its first 4-KiB frame; of a table the frame that it is in, host-physical. */
  readonly frame: number;
  /** Of a combined page: its first 4-KiB frame as the guest's tables name it; else `frame`. */
  readonly guestFrame: number;
  /** Bytes of an entry of that table; 8 of a page. */
  readonly entryBytes: 4 | 8;
  /** Cumulative rights of the tables that the linear address selects, `RIGHTS`; of a guest-physical mapping 0. */
  readonly rights: number;
  /** Cumulative rights of the EPT entries, `EPT_RIGHTS`; of a linear mapping 0. */
  readonly eptRights: number;
  /** Dirty flags of the leaves are 1 (or not used): a write needs no walk. */
  readonly dirty: boolean;
  /** Bits of the leaf that select the memory type: PWT, PCD, PAT; of an EPT leaf bits 6:3, above them. */
  readonly memoryType: number;
  /** Protection key of the leaf. */
  readonly protectionKey: number;
  readonly from: readonly CachedEntry[];
  /** Frame of the table that the guest's walk began at, as the guest names it; `UNPAGED` without paging, `NO_TABLE` of a guest-physical mapping. */
  readonly root: number;
  /** EPT set accessed and dirty flags; true of a linear mapping. */
  readonly flagged: boolean;
  /** How many stores to tables were counted when it was last seen to agree with memory. */
  readonly since: number;
  /** Number of its last use, under the policy `lru`; else 0. */
  readonly used: number;
}

/** Roots of mappings that no table of the guest selected. */
export const NO_TABLE = -1;
export const UNPAGED = -2;

/** What a mapping came of that its tag does not tell. */
export type Origin = Pick<Mapping, 'root' | 'flagged'>;

/** Whether a walk of now would begin elsewhere, or set flags of EPT that this one did not set. */
export const isOfOtherOrigin = ({ root, flagged }: Mapping, now: Origin): boolean =>
  (root !== now.root && root !== NO_TABLE) || (now.flagged && !flagged);

/** All that one logical processor remembers. SDM Vol. 3A, 4.10 Caching Translation Information; SDM Vol. 3C, 29.4 Caching Translation Information */
export type TranslationCaches = TaggedCache<MappingTag, Mapping>;

/** Nothing is remembered, as after a reset. */
export const EMPTY_CACHES: TranslationCaches = new TaggedCache<MappingTag, Mapping>();

const sameEntries = (a: readonly CachedEntry[], b: readonly CachedEntry[]): boolean =>
  a.length === b.length && a.every((one, at) => one.address === b[at].address);

/** Whether two mappings for an address part say the same, dirty flags aside. */
const saysTheSame = (old: Mapping, mapping: Mapping): boolean =>
  old.frame === mapping.frame &&
  old.guestFrame === mapping.guestFrame &&
  old.rights === mapping.rights &&
  old.eptRights === mapping.eptRights &&
  old.memoryType === mapping.memoryType &&
  old.protectionKey === mapping.protectionKey &&
  old.entryBytes === mapping.entryBytes &&
  old.pageShift === mapping.pageShift;

/** The same mapping, perhaps with the dirty flag of before: a processor that learns it anew keeps one. */
const supersedes =
  (mapping: Mapping) =>
  (old: Mapping): boolean =>
    saysTheSame(old, mapping) &&
    old.root === mapping.root &&
    old.flagged === mapping.flagged &&
    sameEntries(old.from, mapping.from);

/** What a walk gave that a mapping agrees with in all that any access may depend on. */
export const agreeing = (mapping: Mapping, fills: readonly Fill[]): Fill | undefined =>
  fills.find(
    ({ mapping: now }) =>
      now.kind === mapping.kind &&
      now.shift === mapping.shift &&
      now.number === mapping.number &&
      (now.root === NO_TABLE) === (mapping.root === NO_TABLE) &&
      (now.dirty || !mapping.dirty) &&
      saysTheSame(mapping, now),
  );

/** A mapping to be remembered. */
export interface Fill {
  readonly tag: MappingTag;
  readonly mapping: Mapping;
}

/** With mappings added; those that are known already are not added again. */
export const withFills = (caches: TranslationCaches, fills: readonly Fill[]): TranslationCaches => {
  let next = caches;
  for (const { tag, mapping } of fills) {
    const known = supersedes(mapping);
    const old = next.space(tag.key)?.beside(mapping).find(known);
    if (old !== undefined && (old.dirty || !mapping.dirty)) continue;
    next = next.insert(tag, Object.freeze(mapping), known);
  }
  return next;
};
