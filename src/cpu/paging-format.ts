import { ENTRY, type EntryKind, type PagingFormat } from '../core';

/** Bits of an paging-structure entry (low half). SDM Vol. 3A, 4.3 32-Bit Paging, 4.4 PAE Paging, 4.5 4-Level Paging and 5-Level Paging */
export const PTE = {
  present: 1,
  write: 2,
  user: 4,
  pwt: 8,
  pcd: 16,
  accessed: 32,
  dirty: 64,
  pageSize: 128,
  /** Of the entry of a 4-KiB page; of a large page bit 12. */
  pat: 128,
  global: 256,
  largePat: 4096,
} as const;

/** Rights over a whole path. */
export const RIGHTS = { write: 1, user: 2, execute: 4 } as const;

/** What the formats of a processor depend on. SDM Vol. 3A, 4.1.4 Enumeration of Paging Features by CPUID */
export interface PagingFeatures {
  /** MAXPHYADDR. */
  readonly physicalAddressWidth: number;
  /** Without 1-GiB pages the page-size bit of a PDPTE is reserved. */
  readonly gigabytePages: boolean;
  readonly pse36: boolean;
  readonly pat: boolean;
}

/** Those of every linear address while CR0.PG is 0. */
export const ALL_RIGHTS = RIGHTS.write | RIGHTS.user | RIGHTS.execute;

/** Bits of the high half that are reserved: from MAXPHYADDR to `last`, and XD while IA32_EFER.NXE is 0. */
const reservedHalf = (physicalAddressWidth: number, last: 51 | 62, noExecute: boolean): number =>
  ((last === 51 ? 0xfffff : 0x7fffffff) & ~(2 ** Math.max(physicalAddressWidth - 32, 0) - 1)) |
  (noExecute ? 0 : -0x80000000);

const restrictWide =
  (noExecute: boolean): PagingFormat['restrict'] =>
  (rights, low, high) =>
    rights & (((low >> 1) & 3) | (noExecute && high < 0 ? 0 : RIGHTS.execute));

// Bit 12 of a large-page entry is PAT; the other bits below the page frame are reserved.
const LARGE_RESERVED = { 2: 0x1fe000, 3: 0x3fffe000 } as const;

/**
 * 4-level and 5-level paging as a format: address bits from MAXPHYADDR are reserved; bit 63 is reserved unless IA32_EFER.NXE is 1.
 * SDM Vol. 3A, 4.5.4, Tables 4-15 to 4-20
 */
export const ia32ePaging = (
  physicalAddressWidth: number,
  noExecute: boolean,
  levels: 4 | 5 = 4,
  gigabytePages = true,
): PagingFormat => {
  const reservedHigh = reservedHalf(physicalAddressWidth, 51, noExecute);
  const classify = (low: number, high: number, level: number): EntryKind => {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if ((high & reservedHigh) !== 0) return ENTRY.reserved;
    if (level === 1) return ENTRY.leaf;
    if ((low & PTE.pageSize) === 0) return ENTRY.table;
    if (level === 2) return (low & LARGE_RESERVED[2]) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if (level === 3) return gigabytePages && (low & LARGE_RESERVED[3]) === 0 ? ENTRY.leaf : ENTRY.reserved;
    return ENTRY.reserved;
  };
  return {
    name: `${levels}-level paging`,
    levels,
    entryBytes: 8,
    classify,
    allRights: ALL_RIGHTS,
    restrict: restrictWide(noExecute),
  };
};

/**
 * PAE paging as a format, from the page directory that a PDPTE register names: address bits from MAXPHYADDR to 62 are reserved, bit 63 unless
 * IA32_EFER.NXE is 1, and the PAT bit without PAT. SDM Vol. 3A, 4.4.2 Linear-Address Translation with PAE Paging, Tables 4-9 to 4-11
 */
export const paePaging = (
  { physicalAddressWidth, pat }: PagingFeatures,
  noExecute: boolean,
): PagingFormat => {
  const reservedHigh = reservedHalf(physicalAddressWidth, 62, noExecute);
  const reservedLarge = LARGE_RESERVED[2] | (pat ? 0 : PTE.largePat);
  const reservedSmall = pat ? 0 : PTE.pat;
  const classify = (low: number, high: number, level: number): EntryKind => {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if ((high & reservedHigh) !== 0) return ENTRY.reserved;
    if (level === 1) return (low & reservedSmall) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if ((low & PTE.pageSize) === 0) return ENTRY.table;
    return (low & reservedLarge) === 0 ? ENTRY.leaf : ENTRY.reserved;
  };
  return {
    name: 'PAE paging',
    levels: 2,
    entryBytes: 8,
    classify,
    allRights: ALL_RIGHTS,
    restrict: restrictWide(noExecute),
  };
};

const PSE36_FIRST_BIT = 13;
const LARGE_FRAME_BIT = 22;
const PSE36_WIDTH = 40;

/**
 * 32-bit paging as a format. While CR4.PSE is 0 the page-size bit is ignored and no bit is reserved; else bits 21:13 of the entry of a 4-MiB page are,
 * but for those that PSE-36 makes address bits, and the PAT bits without PAT. SDM Vol. 3A, 4.3 32-Bit Paging, Tables 4-4 to 4-6
 */
export const paging32 = (
  { physicalAddressWidth, pse36, pat }: PagingFeatures,
  pageSizeExtensions: boolean,
): PagingFormat => {
  const addressBits = pse36 ? Math.min(PSE36_WIDTH, physicalAddressWidth) - 32 : 0;
  const firstReserved = PSE36_FIRST_BIT + addressBits;
  const reservedLarge = (2 ** LARGE_FRAME_BIT - 2 ** firstReserved) | (pat ? 0 : PTE.largePat);
  const reservedSmall = pat || !pageSizeExtensions ? 0 : PTE.pat;
  const classify = (low: number, _high: number, level: number): EntryKind => {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if (level === 1) return (low & reservedSmall) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if (!pageSizeExtensions || (low & PTE.pageSize) === 0) return ENTRY.table;
    return (low & reservedLarge) === 0 ? ENTRY.leaf : ENTRY.reserved;
  };
  return {
    name: '32-bit paging',
    levels: 2,
    entryBytes: 4,
    classify,
    allRights: ALL_RIGHTS,
    restrict: (rights, low) => rights & (((low >> 1) & 3) | RIGHTS.execute),
  };
};

const PDPTE_RESERVED = 0x1e6;

/**
 * Whether a PDPTE may be loaded: one that is present has bits 2:1, 8:5 and those from MAXPHYADDR 0. SDM Vol. 3A, 4.4.1 PDPTE Registers
 */
export const isLegalPdpte = (low: number, high: number, physicalAddressWidth: number): boolean =>
  (low & PTE.present) === 0 ||
  ((low & PDPTE_RESERVED) === 0 && high >>> Math.max(physicalAddressWidth - 32, 0) === 0);
