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

// Bit 12 of a large-page entry is PAT; the other bits below the page frame are reserved.
const LARGE_RESERVED = { 2: 0x1fe000, 3: 0x3fffe000 } as const;

/** Formats are classes: a walk through two of them calls the methods of each directly, which it cannot where every format is a record of functions. */
abstract class Wide {
  readonly entryBytes = 8;
  readonly allRights: number = ALL_RIGHTS;
  protected readonly reservedHigh: number;

  constructor(
    physicalAddressWidth: number,
    private readonly noExecute: boolean,
    lastReserved: 51 | 62,
  ) {
    this.reservedHigh = reservedHalf(physicalAddressWidth, lastReserved, noExecute);
  }

  restrict(rights: number, low: number, high: number): number {
    return rights & (((low >> 1) & 3) | (this.noExecute && high < 0 ? 0 : RIGHTS.execute));
  }
}

class Ia32ePaging extends Wide implements PagingFormat {
  readonly name: string;

  constructor(
    physicalAddressWidth: number,
    noExecute: boolean,
    readonly levels: 4 | 5,
    private readonly gigabytePages: boolean,
  ) {
    super(physicalAddressWidth, noExecute, 51);
    this.name = `${levels}-level paging`;
  }

  classify(low: number, high: number, level: number): EntryKind {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if ((high & this.reservedHigh) !== 0) return ENTRY.reserved;
    if (level === 1) return ENTRY.leaf;
    if ((low & PTE.pageSize) === 0) return ENTRY.table;
    if (level === 2) return (low & LARGE_RESERVED[2]) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if (level === 3)
      return this.gigabytePages && (low & LARGE_RESERVED[3]) === 0 ? ENTRY.leaf : ENTRY.reserved;
    return ENTRY.reserved;
  }
}

/**
 * 4-level and 5-level paging as a format: address bits from MAXPHYADDR are reserved; bit 63 is reserved unless IA32_EFER.NXE is 1.
 * SDM Vol. 3A, 4.5.4, Tables 4-15 to 4-20
 */
export const ia32ePaging = (
  physicalAddressWidth: number,
  noExecute: boolean,
  levels: 4 | 5 = 4,
  gigabytePages = true,
): PagingFormat => new Ia32ePaging(physicalAddressWidth, noExecute, levels, gigabytePages);

class PaePaging extends Wide implements PagingFormat {
  readonly name = 'PAE paging';
  readonly levels = 2;
  private readonly reservedLarge: number;
  private readonly reservedSmall: number;

  constructor({ physicalAddressWidth, pat }: PagingFeatures, noExecute: boolean) {
    super(physicalAddressWidth, noExecute, 62);
    this.reservedLarge = LARGE_RESERVED[2] | (pat ? 0 : PTE.largePat);
    this.reservedSmall = pat ? 0 : PTE.pat;
  }

  classify(low: number, high: number, level: number): EntryKind {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if ((high & this.reservedHigh) !== 0) return ENTRY.reserved;
    if (level === 1) return (low & this.reservedSmall) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if ((low & PTE.pageSize) === 0) return ENTRY.table;
    return (low & this.reservedLarge) === 0 ? ENTRY.leaf : ENTRY.reserved;
  }
}

/**
 * PAE paging as a format, from the page directory that a PDPTE register names: address bits from MAXPHYADDR to 62 are reserved, bit 63 unless
 * IA32_EFER.NXE is 1, and the PAT bit without PAT. SDM Vol. 3A, 4.4.2 Linear-Address Translation with PAE Paging, Tables 4-9 to 4-11
 */
export const paePaging = (features: PagingFeatures, noExecute: boolean): PagingFormat =>
  new PaePaging(features, noExecute);

const PSE36_FIRST_BIT = 13;
const LARGE_FRAME_BIT = 22;
const PSE36_WIDTH = 40;

class Paging32 implements PagingFormat {
  readonly name = '32-bit paging';
  readonly levels = 2;
  readonly entryBytes = 4;
  readonly allRights: number = ALL_RIGHTS;
  private readonly reservedLarge: number;
  private readonly reservedSmall: number;

  constructor(
    { physicalAddressWidth, pse36, pat }: PagingFeatures,
    private readonly pageSizeExtensions: boolean,
  ) {
    const addressBits = pse36 ? Math.min(PSE36_WIDTH, physicalAddressWidth) - 32 : 0;
    const firstReserved = PSE36_FIRST_BIT + addressBits;
    this.reservedLarge = (2 ** LARGE_FRAME_BIT - 2 ** firstReserved) | (pat ? 0 : PTE.largePat);
    this.reservedSmall = pat || !pageSizeExtensions ? 0 : PTE.pat;
  }

  classify(low: number, _high: number, level: number): EntryKind {
    if ((low & PTE.present) === 0) return ENTRY.absent;
    if (level === 1) return (low & this.reservedSmall) === 0 ? ENTRY.leaf : ENTRY.reserved;
    if (!this.pageSizeExtensions || (low & PTE.pageSize) === 0) return ENTRY.table;
    return (low & this.reservedLarge) === 0 ? ENTRY.leaf : ENTRY.reserved;
  }

  restrict(rights: number, low: number): number {
    return rights & (((low >> 1) & 3) | RIGHTS.execute);
  }
}

/**
 * 32-bit paging as a format. While CR4.PSE is 0 the page-size bit is ignored and no bit is reserved; else bits 21:13 of the entry of a 4-MiB page are,
 * but for those that PSE-36 makes address bits, and the PAT bits without PAT. SDM Vol. 3A, 4.3 32-Bit Paging, Tables 4-4 to 4-6
 */
export const paging32 = (features: PagingFeatures, pageSizeExtensions: boolean): PagingFormat =>
  new Paging32(features, pageSizeExtensions);

const PDPTE_RESERVED = 0x1e6;

/**
 * Whether a PDPTE may be loaded: one that is present has bits 2:1, 8:5 and those from MAXPHYADDR 0. SDM Vol. 3A, 4.4.1 PDPTE Registers
 */
export const isLegalPdpte = (low: number, high: number, physicalAddressWidth: number): boolean =>
  (low & PTE.present) === 0 ||
  ((low & PDPTE_RESERVED) === 0 && high >>> Math.max(physicalAddressWidth - 32, 0) === 0);
