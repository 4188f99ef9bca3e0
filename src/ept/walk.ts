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
import {
  accessAllowed,
  keyDenies,
  type PagingRights,
  pageFaultErrorCode,
  protectionKey,
  supervisorKeys,
  userKeys,
} from '../cpu/page-fault';
import { ALL_RIGHTS } from '../cpu/paging-format';
import { NO_ROOT, type PagingMode } from '../cpu/paging-mode';
import { decodeEptEntry } from './entry';
import { COMMON_EPT, type EptCapabilities, eptpError } from './eptp';
import { type GuestPaging, pagingModeOf, pagingRegisters } from './guest-paging';
import { EptWalk, NESTED_END, NestedWalk } from './nested-walk';
import { eptPagingOf } from './paging-format';
import { type EptAccess, type EptFault, eptAllows, eptFetchRight } from './violation';

/** A translation to show step by step. */
export interface WalkRequest {
  readonly memory: Pick<MemoryRoot, 'page'>;
  /** The linear address; without `cr3` (CR0.PG = 0) it is the guest-physical address. */
  readonly address: Gva;
  readonly access?: 'read' | 'write' | 'fetch';
  readonly cr3?: bigint;
  /** How rights are judged; supervisor mode with CR0.WP and no-execute enabled when left out. */
  readonly rights?: Partial<PagingRights>;
  /** Tables of the guest where `paging` does not say it: 4 or 5 levels. */
  readonly levels?: 4 | 5;
  /** What selects the paging mode and governs it; IA-32e mode, without protection keys, when left out. */
  readonly paging?: GuestPaging;
  /** Without it, physical addresses of the guest are those of the host. */
  readonly eptp?: bigint;
  readonly ept?: EptCapabilities;
  /** Mode-based execute control for EPT; off when left out. */
  readonly modeBasedExecute?: boolean;
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
/** Bits 0 to 8 of a guest entry by name. SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging */
export const GUEST_BITS = [
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
    this.high = this.format.entryBytes === 8 ? words[((at & 4095) >> 2) + 1] : 0;
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

/** One request on its way: what it asks for, and the references made so far. */
class Walk {
  readonly references: WalkReference[] = [];
  private readonly memory: WalkRequest['memory'];
  private readonly address: Gva;
  private readonly wanted: EptAccess;
  private readonly rights: PagingRights;
  private readonly mode: PagingMode;
  private readonly registers: Int32Array;
  private readonly capabilities: EptCapabilities;
  private readonly modeBased: boolean;
  private readonly low: number;
  private readonly high: number;

  constructor(request: WalkRequest) {
    const { memory, address, access = 'read', physicalAddressWidth = 39, ept, paging } = request;
    this.memory = memory;
    this.address = address;
    this.wanted = { read: access === 'read', write: access === 'write', fetch: access === 'fetch' };
    const rights = { ...DEFAULT_RIGHTS, ...request.rights };
    this.registers = pagingRegisters({ ...request, noExecute: rights.noExecute });
    this.mode = pagingModeOf(this.registers, paging, physicalAddressWidth);
    this.rights = { ...rights, noExecute: this.mode.noExecute };
    this.capabilities = ept ?? { ...COMMON_EPT, physicalAddressWidth };
    this.modeBased = request.modeBasedExecute === true;
    this.low = low32(address);
    this.high = high32(address);
  }

  private source(table: 'ept' | 'guest', format: PagingFormat, gpaOf: (at: number) => number): EntrySource {
    return new RecordingSource(table, format, this.memory, this.references, gpaOf);
  }

  private inFrame(frame: number): Outcome<Hpa, never> {
    return ok(hpa(frame * 4096 + (this.low & 4095)));
  }

  private pageFault(present: boolean, reserved: boolean, keyDenied = false): Outcome<Hpa, PageFault> {
    const { write, fetch } = this.wanted;
    const errorCode = pageFaultErrorCode(present, reserved, write, fetch, this.rights, keyDenied);
    return fault({ kind: 'page-fault', address: this.address, errorCode });
  }

  /** The page fault of rights that do not allow the access; `high` is that of the leaf. */
  private denied(guestRights: number, high: number): Outcome<Hpa, PageFault> | undefined {
    const { write, fetch } = this.wanted;
    const W = this.registers;
    const key =
      this.mode.keys &&
      !fetch &&
      keyDenies(guestRights, protectionKey(high), write, this.rights, userKeys(W), supervisorKeys(W));
    const allowed = !key && accessAllowed(guestRights, write, fetch, this.rights);
    return allowed ? undefined : this.pageFault(true, false, key);
  }

  /** Byte address of the guest's first table, `NO_ROOT` where the PDPTE register is not present. */
  private get root(): number {
    return this.mode.root(this.registers, this.low);
  }

  /** Through the guest's tables alone. */
  guest(): Outcome<Hpa, PageFault> {
    const { root } = this;
    if (root === NO_ROOT) return this.pageFault(false, false);
    const { format } = this.mode;
    const walk = new RadixWalk();
    const end = walk.run(
      format,
      this.source('guest', format, (at) => at),
      root,
      this.low,
      this.high,
    );
    if (end !== ENTRY.leaf) return this.pageFault(end === ENTRY.reserved, end === ENTRY.reserved);
    return this.denied(walk.rights, walk.high) ?? this.inFrame(walk.frame);
  }

  /** EPT tables of an EPTP; `gpaOf` tells which guest-physical address they translate. */
  private extended(eptp: bigint, gpaOf: () => number): EptWalk {
    const error = eptpError(eptp, this.capabilities);
    if (error !== undefined) throw new ModelError(`EPTP that VM entry refuses: ${error}`);
    const format = eptPagingOf(this.capabilities, eptp, this.modeBased);
    const ept = new EptWalk(this.capabilities, this.source('ept', format, gpaOf));
    ept.follow(low32(eptp), high32(eptp), this.modeBased);
    return ept;
  }

  /** `linearRights`: those of the guest's paging, undefined for an access to its structures. */
  private violation(
    { rights, accessedDirty }: EptWalk,
    at: number,
    linearRights: number | undefined,
  ): Outcome<Hpa, EptFault> {
    const pagingStructure = linearRights === undefined;
    return fault({
      kind: 'ept-violation',
      gpa: gpa(at),
      access: pagingStructure ? { read: true, write: accessedDirty, fetch: false } : this.wanted,
      rights,
      linear: gva(this.address),
      pagingStructure,
      ...(this.capabilities.advancedInformation && !pagingStructure ? { linearRights } : {}),
    });
  }

  private final(ept: EptWalk, frame: number, at: number, linearRights: number): Outcome<Hpa, EptFault> {
    const allowed = eptAllows(ept.rights, this.wanted, eptFetchRight(this.modeBased, linearRights));
    return allowed ? this.inFrame(frame) : this.violation(ept, at, linearRights);
  }

  /** Through EPT alone: the address is guest-physical. */
  guestPhysical(eptp: bigint): Outcome<Hpa, EptFault> {
    const at = Number(this.address);
    const ept = this.extended(eptp, () => at);
    const end = ept.translate(this.low, this.high);
    if (end === ENTRY.reserved) return fault({ kind: 'ept-misconfiguration', gpa: gpa(at) });
    if (end === ENTRY.absent) return this.violation(ept, at, ALL_RIGHTS);
    return this.final(ept, ept.frame, at, ALL_RIGHTS);
  }

  /** Through the guest's tables, each of their addresses through EPT. */
  nested(eptp: bigint): Outcome<Hpa, PageFault | EptFault> {
    const { root } = this;
    if (root === NO_ROOT) return this.pageFault(false, false);
    const { format } = this.mode;
    const gpaOf = (): number => nested.gpa;
    const ept = this.extended(eptp, gpaOf);
    const nested = new NestedWalk(format, ept, this.source('guest', format, gpaOf));
    const guestEnd = nested.walkGuest(root, this.low, this.high);
    if (guestEnd === NESTED_END.guestAbsent) return this.pageFault(false, false);
    if (guestEnd === NESTED_END.guestReserved) return this.pageFault(true, true);
    const mapped = guestEnd === NESTED_END.mapped;
    const denied = mapped ? this.denied(nested.guestRights, nested.guestHigh) : undefined;
    if (denied !== undefined) return denied;
    const end = mapped ? nested.translateFinal(this.low) : guestEnd;
    if (end === NESTED_END.eptMisconfiguration)
      return fault({ kind: 'ept-misconfiguration', gpa: gpa(nested.gpa) });
    if (end === NESTED_END.eptViolation)
      return this.violation(ept, nested.gpa, nested.pagingStructure ? undefined : nested.guestRights);
    return this.final(ept, nested.frame, nested.gpa, nested.guestRights);
  }
}

/**
 * Translates an address and names every entry that is read on the way, in order: with 4-level paging and 4-level EPT at most 24. A pure
 * function of memory and of the registers named: accessed and dirty flags, whose updates are writes of their own, stay as they are. The fault is a page fault, an EPT
 * violation or an EPT misconfiguration; an EPTP that VM entry refuses is a `ModelError`.
 * SDM Vol. 3C, 29.3.1 EPT Overview; SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging
 */
export const walk = (
  request: WalkRequest,
): {
  readonly references: readonly WalkReference[];
  readonly outcome: Outcome<Hpa, PageFault | EptFault>;
} => {
  const { address, cr3, eptp } = request;
  const way = new Walk(request);
  const outcome = (): Outcome<Hpa, PageFault | EptFault> => {
    if (cr3 === undefined) return eptp === undefined ? ok(hpa(Number(address))) : way.guestPhysical(eptp);
    return eptp === undefined ? way.guest() : way.nested(eptp);
  };
  return { outcome: outcome(), references: way.references };
};
