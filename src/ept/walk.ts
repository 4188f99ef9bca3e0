import {
  ENTRY,
  type EntrySource,
  fault,
  type Gpa,
  type Gva,
  gpa,
  gva,
  type Hpa,
  high32,
  hpa,
  join,
  low32,
  type MemoryRoot,
  ModelError,
  type Outcome,
  ok,
  type PagingFormat,
  RadixWalk,
  shiftRight,
} from '../core';
import { accessAllowed, type PagingRights, pageFaultErrorCode } from '../cpu/page-fault';
import { ia32ePaging } from '../cpu/paging-format';
import { decodeEptEntry } from './entry';
import { COMMON_EPT, EPTP, type EptCapabilities, eptpError, eptRoot } from './eptp';
import { EptWalk, NESTED_END, NestedWalk } from './nested-walk';
import { eptPaging } from './paging-format';
import { type EptAccess, type EptFault, eptAllows } from './violation';

/** A translation to show step by step. */
export interface WalkRequest {
  readonly memory: Pick<MemoryRoot, 'page'>;
  /** The linear address; without `cr3` (CR0.PG = 0) it is the guest-physical address. */
  readonly address: Gva;
  readonly access?: 'read' | 'write' | 'fetch';
  readonly cr3?: bigint;
  /** How rights are judged; supervisor mode with CR0.WP and no-execute enabled when left out. */
  readonly rights?: Partial<PagingRights>;
  /** Tables of the guest: 4 or 5 levels. */
  readonly levels?: 4 | 5;
  /** Without it, physical addresses of the guest are those of the host. */
  readonly eptp?: bigint;
  readonly ept?: EptCapabilities;
  /** MAXPHYADDR in bits; 39 when left out. */
  readonly physicalAddressWidth?: number;
}

/** One entry that a walk read. */
export interface WalkReference {
  readonly table: 'ept' | 'guest';
  /** 4 is the top of four levels, 1 the table of 4-KiB pages. */
  readonly level: number;
  /** Where the entry stands in host memory. */
  readonly address: Hpa;
  /** Of an EPT entry: the guest-physical address being translated. Of a guest entry: where the guest's tables place it. */
  readonly gpa: Gpa;
  readonly entry: bigint;
  readonly kind: keyof typeof ENTRY;
  /** The entry's fields by name. */
  readonly bits: Readonly<Record<string, bigint>>;
  /** Rights over its path up to here, in the bits of its format. */
  readonly rights: number;
}

/** A page fault of the guest's own paging. SDM Vol. 3A, 4.7 Page-Fault Exceptions */
export interface PageFault {
  readonly kind: 'page-fault';
  readonly address: Gva;
  readonly errorCode: number;
}

const KIND_NAMES = Object.keys(ENTRY) as readonly (keyof typeof ENTRY)[];
const GUEST_BITS = [
  'present',
  'write',
  'user',
  'pwt',
  'pcd',
  'accessed',
  'dirty',
  'pageSize',
  'global',
] as const;

const decodeGuestEntry = (entry: bigint): Readonly<Record<string, bigint>> => ({
  ...Object.fromEntries(GUEST_BITS.map((name, position) => [name, (entry >> BigInt(position)) & 1n])),
  address: shiftRight(entry, 12n) & 0xff_ffff_ffffn,
  noExecute: shiftRight(entry, 63n),
});

/** Reads memory and writes down every reference, with the rights that its path has so far. */
class RecordingSource implements EntrySource {
  low = 0;
  high = 0;
  private rights = 0;

  constructor(
    private readonly table: 'ept' | 'guest',
    private readonly format: PagingFormat,
    private readonly memory: Pick<MemoryRoot, 'page'>,
    private readonly references: WalkReference[],
    private readonly addressOf: (at: number) => number,
  ) {}

  read(at: number, level: number): boolean {
    const { words } = this.memory.page(Math.floor(at / 4096));
    this.low = words[(at & 4095) >> 2];
    this.high = words[((at & 4095) >> 2) + 1];
    const kind = KIND_NAMES[this.format.classify(this.low, this.high, level)];
    if (level === this.format.levels) this.rights = this.format.allRights;
    this.rights = kind === 'absent' ? 0 : this.format.restrict(this.rights, this.low, this.high);
    const entry = join(this.low, this.high);
    this.references.push({
      table: this.table,
      level,
      address: hpa(at),
      gpa: gpa(this.addressOf(at)),
      entry,
      kind,
      bits: this.table === 'ept' ? decodeEptEntry(entry, level, kind === 'leaf') : decodeGuestEntry(entry),
      rights: this.rights,
    });
    return true;
  }
}

const DEFAULT_RIGHTS: PagingRights = {
  user: false,
  writeProtect: true,
  smep: false,
  smap: false,
  noExecute: true,
};

const CR3_TABLE = 0xf_ffff_ffff_f000n;

/**
 * Translates an address and names every entry that is read on the way, in order: with 4-level paging and 4-level EPT at most 24. A pure
 * function of memory: accessed and dirty flags, whose updates are writes of their own, stay as they are. The fault is a page fault, an EPT
 * violation or an EPT misconfiguration. SDM Vol. 3C, 29.3.1 EPT Overview; SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging
 */
export const walk = (
  request: WalkRequest,
): {
  readonly references: readonly WalkReference[];
  readonly outcome: Outcome<Hpa, PageFault | EptFault>;
} => {
  const references: WalkReference[] = [];
  const { memory, address, access = 'read', cr3, levels = 4, physicalAddressWidth = 39 } = request;
  const capabilities: EptCapabilities = request.ept ?? { ...COMMON_EPT, physicalAddressWidth };
  const rights: PagingRights = { ...DEFAULT_RIGHTS, ...request.rights };
  const write = access === 'write';
  const fetch = access === 'fetch';
  const wanted: EptAccess = { read: access === 'read', write, fetch };
  const low = low32(address);
  const high = high32(address);
  const inPage = low & 4095;
  const paging = ia32ePaging(physicalAddressWidth, rights.noExecute, levels);

  const pageFault = (present: boolean, reserved: boolean): Outcome<Hpa, PageFault> =>
    fault({
      kind: 'page-fault',
      address,
      errorCode: pageFaultErrorCode(present, reserved, write, fetch, rights),
    });
  const denied = (granted: number): boolean => !accessAllowed(granted, write, fetch, rights);
  const done = (outcome: Outcome<Hpa, PageFault | EptFault>) => ({ references, outcome });

  if (request.eptp === undefined) {
    if (cr3 === undefined) return done(ok(hpa(Number(address))));
    const guest = new RadixWalk();
    const source = new RecordingSource('guest', paging, memory, references, (at) => at);
    const end = guest.run(paging, source, Number(cr3 & CR3_TABLE), low, high);
    if (end !== ENTRY.leaf) return done(pageFault(end === ENTRY.reserved, end === ENTRY.reserved));
    return done(denied(guest.rights) ? pageFault(true, false) : ok(hpa(guest.frame * 4096 + inPage)));
  }

  const error = eptpError(request.eptp, capabilities);
  if (error !== undefined) throw new ModelError(`EPTP that VM entry refuses: ${error}`);
  const eptLevels = EPTP.get(request.eptp, 'walkLengthMinus1') === 4n ? 5 : 4;
  const format = eptPaging(capabilities, eptLevels);
  let nested: NestedWalk | undefined;
  let target = 0;
  const eptSource = new RecordingSource('ept', format, memory, references, () => nested?.gpa ?? target);
  const ept = new EptWalk(format, eptSource);
  ept.root = eptRoot(request.eptp);

  const violation = (at: number, pagingStructure: boolean, linear: Gva | undefined): Outcome<Hpa, EptFault> =>
    fault({
      kind: 'ept-violation',
      gpa: gpa(at),
      access: pagingStructure ? { read: true, write: false, fetch: false } : wanted,
      rights: ept.rights,
      linear,
      pagingStructure,
    });
  const final = (frame: number, at: number): Outcome<Hpa, EptFault> =>
    eptAllows(ept.rights, wanted) ? ok(hpa(frame * 4096 + inPage)) : violation(at, false, gva(address));

  if (cr3 === undefined) {
    target = Number(address);
    const end = ept.translate(low, high);
    if (end === ENTRY.reserved) return done(fault({ kind: 'ept-misconfiguration', gpa: gpa(target) }));
    if (end === ENTRY.absent) return done(violation(target, false, gva(address)));
    return done(final(ept.frame, target));
  }

  const guestSource = new RecordingSource('guest', paging, memory, references, () => nested!.gpa);
  nested = new NestedWalk(paging, ept, guestSource);
  const guestEnd = nested.walkGuest(Number(cr3 & CR3_TABLE), low, high);
  if (guestEnd === NESTED_END.guestAbsent) return done(pageFault(false, false));
  if (guestEnd === NESTED_END.guestReserved) return done(pageFault(true, true));
  if (guestEnd === NESTED_END.mapped && denied(nested.guestRights)) return done(pageFault(true, false));
  const end = guestEnd === NESTED_END.mapped ? nested.translateFinal(low) : guestEnd;
  if (end === NESTED_END.eptMisconfiguration)
    return done(fault({ kind: 'ept-misconfiguration', gpa: gpa(nested.gpa) }));
  if (end === NESTED_END.eptViolation)
    return done(violation(nested.gpa, nested.pagingStructure, gva(address)));
  return done(final(nested.frame, nested.gpa));
};
