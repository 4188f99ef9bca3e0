import { ENTRY, type EntryKind, type PagingFormat } from '../core';

/** Bits of an IA-32e paging-structure entry (low half). SDM Vol. 3A, 4.5.4 Linear-Address Translation with 4-Level Paging */
export const PTE = {
  present: 1,
  write: 2,
  user: 4,
  pwt: 8,
  pcd: 16,
  accessed: 32,
  dirty: 64,
  pageSize: 128,
  global: 256,
} as const;

/** Rights over a whole path. */
export const RIGHTS = { write: 1, user: 2, execute: 4 } as const;

/**
 * IA-32e paging as a format. `physicalAddressWidth` is MAXPHYADDR: higher address bits are reserved; bit 63 is reserved unless
 * IA32_EFER.NXE is 1; the page-size bit of a PDPTE is, without 1-GiB pages. SDM Vol. 3A, 4.5.4, Tables 4-15 to 4-20
 */
export const ia32ePaging = (
  physicalAddressWidth: number,
  noExecute: boolean,
  levels: 4 | 5 = 4,
  gigabytePages = true,
): PagingFormat => {
  const reservedHigh = (0xfffff & ~(2 ** (physicalAddressWidth - 32) - 1)) | (noExecute ? 0 : -0x80000000);
  const classify = (low: number, high: number, level: number): EntryKind => {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if ((high & reservedHigh) !== 0) return ENTRY.reserved;
    if (level === 1) return ENTRY.leaf;
    if ((low & PTE.pageSize) === 0) return ENTRY.table;
    // Bit 12 of a large-page entry is PAT; the other bits below the page frame are reserved.
    if (level === 2) return (low & 0x1fe000) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if (level === 3) return gigabytePages && (low & 0x3fffe000) === 0 ? ENTRY.leaf : ENTRY.reserved;
    return ENTRY.reserved;
  };
  const restrict = (rights: number, low: number, high: number): number =>
    rights & (((low >> 1) & 3) | (noExecute && high < 0 ? 0 : RIGHTS.execute));
  return {
    name: `${levels}-level paging`,
    levels,
    classify,
    allRights: RIGHTS.write | RIGHTS.user | RIGHTS.execute,
    restrict,
  };
};
