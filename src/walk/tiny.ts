import {
  ENTRY,
  type EntryKind,
  type EntrySource,
  fault,
  gpa,
  gva,
  type Hpa,
  hpa,
  type Outcome,
  ok,
  type PaperFormat,
  RadixWalk,
} from '../core';
import { EPT_RIGHTS, type EptAccess, type EptFault, eptAllows } from '../ept';
import type { PageFault, WalkReference, WalkRequest } from '../ept/walk';

/*
 * Two levels of guest tables behind two levels of EPT, for paper: 8 references. An address names a cell of 16 bits; linear and guest-physical
 * addresses have three hexadecimal digits, host-physical ones four. The last digit is the offset, the others are indexes. An entry has the table or
 * page in its upper three digits and its rights in the last. The walk is the radix walk of the real tables.
 */

const GUEST = { present: 1, write: 2, user: 4 } as const;
const RESERVED = 8;
const TOP_DIGIT = 0xf000;
const LEVELS = 2;
const ALL = 7;

const tableOrLeaf = (level: number): EntryKind => (level === 1 ? ENTRY.leaf : ENTRY.table);

/** Tables of paging: bit 0 present, 1 write, 2 user; bit 3 is reserved, and the top digit where addresses have three. */
const paging = (reserved: number): PaperFormat => ({
  name: 'tiny paging',
  levels: LEVELS,
  entryBytes: 2,
  classify: (low, _high, level) => {
    if ((low & GUEST.present) === 0) return ENTRY.absent;
    return (low & reserved) === 0 ? tableOrLeaf(level) : ENTRY.reserved;
  },
  allRights: ALL,
  restrict: (rights, low) => rights & (((low >> 1) & 3) | 4),
});

const GUEST_PAGING = paging(RESERVED | TOP_DIGIT);
const HOST_PAGING = paging(RESERVED);

/** EPT: bit 0 read, 1 write, 2 execute; bit 3 is reserved, and write without read. */
const TINY_EPT: PaperFormat = {
  name: 'tiny EPT',
  levels: LEVELS,
  entryBytes: 2,
  classify: (low, _high, level) => {
    if ((low & ALL) === 0) return ENTRY.absent;
    const writeOnly = (low & (EPT_RIGHTS.read | EPT_RIGHTS.write)) === EPT_RIGHTS.write;
    return writeOnly || (low & RESERVED) !== 0 ? ENTRY.reserved : tableOrLeaf(level);
  },
  allRights: ALL,
  restrict: (rights, low) => rights & low,
};

const KINDS = Object.keys(ENTRY) as readonly (keyof typeof ENTRY)[];
const BITS = { guest: ['present', 'write', 'user'], ept: ['read', 'write', 'execute'] } as const;

const decoded = (table: 'guest' | 'ept', entry: number): Readonly<Record<string, bigint>> => ({
  ...Object.fromEntries(BITS[table].map((name, bit) => [name, BigInt((entry >> bit) & 1)])),
  address: BigInt(entry >>> 4),
});

class TinyWalk implements EntrySource {
  readonly references: WalkReference[] = [];
  low = 0;
  high = 0;
  private readonly ept = new RadixWalk();
  private readonly wanted: EptAccess;
  private readonly paging: PaperFormat;
  private rights = { guest: ALL, ept: ALL };
  private eptFault: EptFault | undefined;

  constructor(private readonly request: WalkRequest) {
    const { access = 'read', eptp } = request;
    this.paging = eptp === undefined ? HOST_PAGING : GUEST_PAGING;
    this.wanted = { read: access === 'read', write: access === 'write', fetch: access === 'fetch' };
  }

  /** Reads an entry, of which `at` is the host-physical cell, and writes it down. */
  private note(table: 'guest' | 'ept', at: number, of: number, level: number): number {
    const format = table === 'ept' ? TINY_EPT : this.paging;
    const entry = (this.request.memory.page(at >>> 11).words[(at & 2047) >> 1] >>> (16 * (at & 1))) & 0xffff;
    const kind = KINDS[format.classify(entry, 0, level)];
    if (level === LEVELS) this.rights[table] = ALL;
    this.rights[table] = kind === 'absent' ? 0 : format.restrict(this.rights[table], entry, 0);
    this.references.push({
      table,
      level,
      address: hpa(at),
      gpa: gpa(of),
      entry: BigInt(entry),
      kind,
      bits: decoded(table, entry),
      rights: this.rights[table],
    });
    return entry;
  }

  /** Guest-physical to host-physical; undefined and `eptFault` when EPT does not let it. */
  private host(at: number, access: EptAccess, pagingStructure: boolean): number | undefined {
    const { eptp, address } = this.request;
    if (eptp === undefined) return at;
    const source: EntrySource = {
      low: 0,
      high: 0,
      read: (place, level) => {
        source.low = this.note('ept', place, at, level);
        return true;
      },
    };
    const end = this.ept.run(TINY_EPT, source, Number(eptp) & 0xfff0, at, 0);
    if (end === ENTRY.reserved) this.eptFault = { kind: 'ept-misconfiguration', gpa: gpa(at) };
    else if (end === ENTRY.absent || !eptAllows(this.ept.rights, access)) {
      const rights = end === ENTRY.absent ? 0 : this.ept.rights;
      this.eptFault = {
        kind: 'ept-violation',
        gpa: gpa(at),
        access,
        rights,
        linear: gva(address),
        pagingStructure,
      };
    } else return this.ept.frame * 16 + (at & 15);
    return undefined;
  }

  /** Reads a guest entry at a guest-physical cell. */
  read(at: number, level: number): boolean {
    const place = this.host(at, { read: true, write: false, fetch: false }, true);
    if (place === undefined) return false;
    this.low = this.note('guest', place, at, level);
    return true;
  }

  private pageFault(present: boolean, reserved: boolean): Outcome<Hpa, PageFault> {
    const { address, rights } = this.request;
    const errorCode =
      (present ? 1 : 0) |
      (this.wanted.write ? 2 : 0) |
      (rights?.user === true ? 4 : 0) |
      (reserved ? 8 : 0) |
      (this.wanted.fetch ? 16 : 0);
    return fault({ kind: 'page-fault', address, errorCode });
  }

  outcome(): Outcome<Hpa, PageFault | EptFault> {
    const { address, cr3, rights } = this.request;
    const linear = Number(address);
    let physical = linear;
    if (cr3 !== undefined) {
      const guest = new RadixWalk();
      const end = guest.run(this.paging, this, Number(cr3) & 0xfff0, linear, 0);
      if (end === ENTRY.absent) return this.pageFault(false, false);
      if (end === ENTRY.reserved) return this.pageFault(true, true);
      if (end !== ENTRY.leaf) return fault(this.eptFault!);
      const lacksWrite = this.wanted.write && (guest.rights & 1) === 0;
      const lacksUser = rights?.user === true && (guest.rights & 2) === 0;
      if (lacksWrite || lacksUser) return this.pageFault(true, false);
      physical = guest.frame * 16 + (linear & 15);
    }
    const host = this.host(physical, this.wanted, false);
    return host === undefined ? fault(this.eptFault!) : ok(hpa(host));
  }
}

/** `walk` over the tables for paper; `address`, `cr3`, `eptp`, `access`, `rights.user` and `memory` of the request count. */
export const tinyWalk = (
  request: WalkRequest,
): {
  readonly references: readonly WalkReference[];
  readonly outcome: Outcome<Hpa, PageFault | EptFault>;
} => {
  const way = new TinyWalk(request);
  const outcome = way.outcome();
  return { outcome, references: way.references };
};
