import type { CachedEntry, TranslationCaches } from './mapping';
import { isTouched, type Remembered, type TableWrite, writeTo } from './remembered';
import type { Way, WayFault } from './way';

/** What a translation gives: the 4-KiB frame and the bits that select its memory type, or a fault. */
export interface TranslationView {
  readonly frame: number | undefined;
  readonly memoryType: number;
  /** The dirty flag; a write through a remembered one does not set it in memory. */
  readonly dirty: boolean;
  readonly fault: WayFault | undefined;
}

/** A table entry that is not as it was when it was remembered. */
export interface ChangedEntry {
  readonly table: 'guest' | 'ept';
  readonly level: number;
  /** Host-physical. */
  readonly address: number;
  readonly write: TableWrite;
}

/** Byte address of a table as the guest names it; undefined without paging, and where a PDPTE register is not present. */
export type WalkRoot = number | undefined;

/** An operation that drops what software should have dropped. */
export interface Remedy {
  readonly operation:
    | 'INVLPG'
    | 'INVPCID individual-address'
    | 'MOV to CR3'
    | 'INVVPID individual-address'
    | 'INVVPID single-context'
    | 'INVEPT single-context';
  readonly drop: (caches: TranslationCaches) => TranslationCaches;
}

/**
 * A remembered translation was used that memory contradicts: processors may do so, and it is nearly always a missing invalidation.
 * SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
 */
export interface StaleTranslation {
  /** Number of the processor that used it. */
  readonly processor: number;
  readonly address: bigint;
  readonly access: 'read' | 'write' | 'fetch';
  readonly vpid: number;
  readonly pcid: number;
  /** Of the EPT in use; undefined without. */
  readonly ep4ta: number | undefined;
  readonly cached: TranslationView;
  readonly current: TranslationView;
  /** The entries that were written since, in the order of the walk; the first is what made it stale. */
  readonly changed: readonly ChangedEntry[];
  /** The first table of the walk that is remembered and of one made now; undefined where they are equal. */
  readonly roots: { readonly cached: WalkRoot; readonly current: WalkRoot } | undefined;
  /** It was remembered while EPT had no accessed and dirty flags, and now it has. */
  readonly unflagged: boolean;
  /** The smallest invalidation that would have been enough, on the processor that used the translation. */
  readonly enough: Remedy['operation'] | undefined;
}

/**
 * Whether memory contradicts what is remembered for this access. Rights that were raised do not: a processor may fault on them once.
 * SDM Vol. 3A, 4.10.4.3 Optional Invalidation
 */
export const contradicts = (used: Way, current: Way, write: boolean): boolean => {
  if (used.fault !== undefined)
    return !used.spurious && (current.fault === undefined || current.fault.kind !== used.fault.kind);
  if (current.fault !== undefined || current.frame !== used.frame) return true;
  const known = used.page!;
  const now = current.page!;
  return known.memoryType !== now.memoryType || (write && known.dirty && !now.dirty);
};

export const viewOf = ({ frame, page, fault }: Way): TranslationView =>
  Object.freeze({ frame, memoryType: page?.memoryType ?? 0, dirty: page?.dirty ?? false, fault });

/** The entries of what was used that were written since. */
export const changedEntries = (state: Remembered, { used }: Way): readonly ChangedEntry[] => {
  const entries = new Set<CachedEntry>(
    used.filter((mapping) => isTouched(state, mapping)).flatMap(({ from }) => from),
  );
  const changed = new Map<number, ChangedEntry>();
  for (const entry of entries) {
    const write = writeTo(state, entry);
    const { table, level, address } = entry;
    if (write !== undefined) changed.set(address, Object.freeze({ table, level, address, write }));
  }
  return Object.freeze([...changed.values()]);
};
