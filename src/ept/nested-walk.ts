import { ENTRY, type EntrySource, high32, low32, type PagingFormat, RadixWalk, type WalkEnd } from '../core';
import { ia32ePaging } from '../cpu/paging-format';
import { EPT_RIGHTS } from './entry';
import { EPTP_LOW, type EptCapabilities, eptRootOf } from './eptp';
import { eptPaging } from './paging-format';

const HIGH = 2 ** 32;
/** 4-level EPT translates guest-physical addresses of 48 bits; beyond, nothing is present. */
const BEYOND_4_LEVELS = 16;

/** The halves of a physical address for the radix walk. */
export const lowHalf = (address: number): number => address | 0;
export const highHalf = (address: number): number => Math.floor(address / HIGH);

/**
 * Guest-physical to host-physical: one object serves many walks without allocating. `entries` reads host-physical memory.
 * SDM Vol. 3C, 29.3.2 EPT Translation Mechanism
 */
export class EptWalk {
  /** The entries of the last translation. */
  readonly path = new RadixWalk();
  /** Byte address of the top table. */
  root = 0;
  /** Accessed and dirty flags are on: accesses to guest paging structures count as writes. */
  accessedDirty = false;
  /** Mode-based execute control is on. */
  modeBased = false;
  format: PagingFormat;
  /** What it follows as a number above 0: the root and, in bits 3:0, how it translates. */
  number = 1;
  /** After a leaf: the host frame of 4 KiB. */
  frame = 0;
  /** Cumulative `EPT_RIGHTS`; 0 when an entry is not present. */
  rights = 0;
  /** Level of the entry that ended the walk. */
  level = 0;

  private readonly formats: PagingFormat[] = [];

  constructor(
    private readonly capabilities: EptCapabilities,
    private readonly entries: EntrySource,
  ) {
    this.format = this.formatOf(false);
  }

  private formatOf(fiveLevels: boolean): PagingFormat {
    const which = (fiveLevels ? 1 : 0) | (this.modeBased ? 2 : 0);
    this.formats[which] ??= eptPaging(this.capabilities, fiveLevels ? 5 : 4, this.modeBased);
    return this.formats[which];
  }

  /** Translates as an EPTP that VM entry accepts says, given by its halves, and mode-based execute control. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP) */
  follow(low: number, high: number, modeBased: boolean): void {
    this.root = eptRootOf(low, high);
    this.accessedDirty = (low & EPTP_LOW.accessedDirty) !== 0;
    this.modeBased = modeBased;
    const fiveLevels = (low & EPTP_LOW.walkLength) === EPTP_LOW.fiveLevels;
    this.format = this.formatOf(fiveLevels);
    this.number = this.root + 1 + (fiveLevels ? 2 : 0) + (this.accessedDirty ? 4 : 0) + (modeBased ? 8 : 0);
  }

  /** `ENTRY.leaf`: `frame` and `rights` hold; `absent`: EPT violation; `reserved`: EPT misconfiguration. */
  translate(low: number, high: number): WalkEnd {
    if (high >>> BEYOND_4_LEVELS !== 0 && this.format.levels === 4) {
      this.rights = 0;
      this.level = this.format.levels;
      // No entry allows a virtualization exception.
      this.path.high = -1;
      return ENTRY.absent;
    }
    const walk = this.path;
    const end = walk.run(this.format, this.entries, this.root, low, high);
    this.level = walk.level;
    this.rights = end === ENTRY.absent ? 0 : walk.rights;
    this.frame = walk.frame;
    return end;
  }
}

/** How a two-dimensional walk ended. */
export const NESTED_END = {
  mapped: 0,
  guestAbsent: 1,
  guestReserved: 2,
  eptViolation: 3,
  eptMisconfiguration: 4,
} as const;
export type NestedEnd = (typeof NESTED_END)[keyof typeof NESTED_END];

/**
 * Linear to host-physical through guest paging and EPT: at most 24 references for 4 by 4 levels. Rights of the final translation are not
 * checked here: `guestRights` and `eptRights` say what they are. No accessed or dirty flag is written.
 * SDM Vol. 3C, 29.3.1 EPT Overview
 */
export class NestedWalk implements EntrySource {
  low = 0;
  high = 0;
  /** Guest-physical address of the last EPT translation: after an EPT fault the one that failed. */
  gpa = 0;
  /** The last EPT translation was for a guest paging-structure entry. */
  pagingStructure = false;
  /** After `mapped`: the host frame of 4 KiB. */
  frame = 0;
  private eptEnd: WalkEnd = ENTRY.leaf;
  private readonly guest = new RadixWalk();

  constructor(
    private readonly format: PagingFormat,
    readonly ept: EptWalk,
    private readonly entries: EntrySource,
  ) {}

  /** Rights over the guest path, as the guest's format defines them. */
  get guestRights(): number {
    return this.guest.rights;
  }
  /** High half of the guest's leaf. */
  get guestHigh(): number {
    return this.guest.high;
  }
  /** Rights over the EPT path of the last translation. */
  get eptRights(): number {
    return this.ept.rights;
  }
  /** The guest frame of 4 KiB after the guest's leaf. */
  get guestFrame(): number {
    return this.guest.frame;
  }

  /** Reads a guest paging-structure entry at a guest-physical address; false when EPT does not let it. */
  read(address: number, level: number): boolean {
    const ept = this.ept;
    this.gpa = address;
    this.eptEnd = ept.translate(lowHalf(address), highHalf(address));
    if (this.eptEnd !== ENTRY.leaf) return false;
    const needed = ept.accessedDirty ? EPT_RIGHTS.read | EPT_RIGHTS.write : EPT_RIGHTS.read;
    if ((ept.rights & needed) !== needed) {
      this.eptEnd = ENTRY.absent;
      return false;
    }
    const entries = this.entries;
    entries.read(ept.frame * 4096 + (address & 4095), level);
    this.low = entries.low;
    this.high = entries.high;
    return true;
  }

  /** Both steps: the guest's tables, then the final address. */
  run(root: number, low: number, high: number): NestedEnd {
    const end = this.walkGuest(root, low, high);
    return end === NESTED_END.mapped ? this.translateFinal(low) : end;
  }

  /** Walks from the guest table at guest-physical `root` for a linear address; after `mapped`, `guestFrame` and `guestRights` hold. */
  walkGuest(root: number, low: number, high: number): NestedEnd {
    this.pagingStructure = true;
    const end = this.guest.run(this.format, this, root, low, high);
    if (end === ENTRY.leaf) return NESTED_END.mapped;
    if (end === ENTRY.absent) return NESTED_END.guestAbsent;
    return end === ENTRY.reserved ? NESTED_END.guestReserved : this.eptFault();
  }

  /** Translates the address that the guest's tables gave; after `mapped`, `frame` and `eptRights` hold. */
  translateFinal(low: number): NestedEnd {
    this.pagingStructure = false;
    const address = this.guest.frame * 4096 + (low & 4095);
    this.gpa = address;
    this.eptEnd = this.ept.translate(lowHalf(address), highHalf(address));
    if (this.eptEnd !== ENTRY.leaf) return this.eptFault();
    this.frame = this.ept.frame;
    return NESTED_END.mapped;
  }

  private eptFault(): NestedEnd {
    return this.eptEnd === ENTRY.reserved ? NESTED_END.eptMisconfiguration : NESTED_END.eptViolation;
  }
}

/** A walk of 4 guest levels, no-execute enabled, behind EPT; `entries` reads host-physical memory. */
export const nestedWalk = (eptp: bigint, entries: EntrySource, capabilities: EptCapabilities): NestedWalk => {
  const ept = new EptWalk(capabilities, entries);
  ept.follow(low32(eptp), high32(eptp), false);
  return new NestedWalk(ia32ePaging(capabilities.physicalAddressWidth, true), ept, entries);
};
