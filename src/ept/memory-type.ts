import { shiftRight } from '../core';
import { PTE } from '../cpu/paging-format';
import { EPT_ENTRY } from './entry';
import { EPTP } from './eptp';
import type { WalkReference } from './walk';

/** Memory types, as the MTRRs, the PAT and EPT encode them; UC- is one of the PAT alone. SDM Vol. 3A, 12.12.2 IA32_PAT MSR */
export const MEMORY_TYPE = {
  uncacheable: 0,
  writeCombining: 1,
  writeThrough: 4,
  writeProtected: 5,
  writeBack: 6,
  uncachedMinus: 7,
} as const;
/** A value of `MEMORY_TYPE`. */
export type MemoryType = (typeof MEMORY_TYPE)[keyof typeof MEMORY_TYPE];

const {
  uncacheable: UC,
  writeCombining: WC,
  writeThrough: WT,
  writeProtected: WP,
  writeBack: WB,
} = MEMORY_TYPE;
const UC_MINUS = MEMORY_TYPE.uncachedMinus;

/** By the type of the MTRRs, whose place EPT takes, and then by that of the PAT. SDM Vol. 3A, Table 12-7 Effective Page-Level Memory Types for Pentium III and More Recent Processor Families */
const EFFECTIVE: Readonly<Record<number, Readonly<Record<number, MemoryType>>>> = {
  [UC]: { [UC]: UC, [UC_MINUS]: UC, [WC]: WC, [WT]: UC, [WB]: UC, [WP]: UC },
  [WC]: { [UC]: UC, [UC_MINUS]: WC, [WC]: WC, [WT]: UC, [WB]: WC, [WP]: UC },
  [WT]: { [UC]: UC, [UC_MINUS]: UC, [WC]: WC, [WT]: WT, [WB]: WT, [WP]: WP },
  [WB]: { [UC]: UC, [UC_MINUS]: UC, [WC]: WC, [WT]: WT, [WB]: WB, [WP]: WP },
  [WP]: { [UC]: UC, [UC_MINUS]: WC, [WC]: WC, [WT]: WT, [WB]: WP, [WP]: WP },
};

/** IA32_PAT after reset. */
const PAT_AFTER_RESET = 0x0007_0406_0007_0406n;

/**
 * The type that IA32_PAT holds for a guest entry: PWT, PCD and, where the entry maps a page, PAT select it. `low` is the low half of the entry.
 * SDM Vol. 3A, 12.12.3 Selecting a Memory Type from the PAT
 */
export const patMemoryType = (pat: bigint, low: number, mapsPage: boolean, level: number): MemoryType => {
  const patBit = level > 1 ? PTE.largePat : PTE.pat;
  const index =
    ((low & PTE.pwt) === 0 ? 0 : 1) +
    ((low & PTE.pcd) === 0 ? 0 : 2) +
    (mapsPage && (low & patBit) !== 0 ? 4 : 0);
  return Number(shiftRight(pat, BigInt(8 * index)) & 7n) as MemoryType;
};

/** What governs memory types beside the entries. */
export interface MemoryTyping {
  /** CR0.CD; 0 when left out. */
  readonly cacheDisable?: boolean;
  /** IA32_PAT of the guest; its value after reset when left out. */
  readonly pat?: bigint;
}

/** The type of accesses to EPT paging structures. SDM Vol. 3C, 29.3.7.1 Memory Type Used for Accessing EPT Paging Structures */
export const eptStructureMemoryType = (
  eptp: bigint,
  { cacheDisable = false }: MemoryTyping = {},
): MemoryType => (cacheDisable ? UC : (Number(EPTP.get(eptp, 'memoryType')) as MemoryType));

/**
 * The type of accesses to what a walk through EPT translates to, by the references that it made (the leaf of EPT and, where the guest pages, that of
 * its own tables); undefined where it reached no page. MTRRs do not count. SDM Vol. 3C, 29.3.7.2 Memory Type Used for Translated Guest-Physical Addresses
 */
export const guestMemoryType = (
  references: readonly Pick<WalkReference, 'table' | 'level' | 'kind' | 'entry'>[],
  { cacheDisable = false, pat = PAT_AFTER_RESET }: MemoryTyping = {},
): MemoryType | undefined => {
  const leaf = references.at(-1);
  if (leaf === undefined || leaf.table !== 'ept' || leaf.kind !== 'leaf') return undefined;
  if (cacheDisable) return UC;
  const low = Number(leaf.entry & 0xffn);
  const eptType = (low >> 3) & 7;
  if ((low & EPT_ENTRY.ignorePat) !== 0) return eptType as MemoryType;
  const guest = references.findLast(({ table }) => table === 'guest');
  const patType =
    guest === undefined
      ? WB
      : patMemoryType(pat, Number(guest.entry & 0xffff_ffffn), guest.kind === 'leaf', guest.level);
  return EFFECTIVE[eptType][patType];
};
