import { fault, type Outcome, ok, shiftRight } from '../../../core';
import { RFLAGS } from '../completion';
import type { Exit } from '../guest';
import { CR0, CR0_MODE, CR4, EFER } from '../initial-vmcs';
import { PAGE } from '../memory-plan';
import { type Program, vmread } from '../program';
import { type Piece, readPhysical, writePhysical } from './physical';

/** The guest registers that its paging depends on. */
export interface PagingRegisters {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly rflags: bigint;
  readonly cpl: number;
}

/** How memory is accessed; the privilege level is the guest's own. */
export type Access = 'read' | 'write' | 'fetch';

export interface PageFault {
  /** Linear address for CR2. */
  readonly address: bigint;
  readonly errorCode: bigint;
}

/** Entry bits. SDM Vol. 3A, 4.7 Page-Fault Exceptions; 4.8 Accessed and Dirty Flags */
const ENTRY = {
  present: 1n,
  write: 2n,
  user: 4n,
  accessed: 32n,
  dirty: 64n,
  large: 128n,
  nx: 1n << 63n,
} as const;
const CODE = { present: 1n, write: 2n, user: 4n, reserved: 8n, fetch: 16n } as const;

/** The linear-address bit at which each level's index begins, from the root on; large pages exist at `large`. */
interface Format {
  readonly shifts: readonly number[];
  readonly large: readonly number[];
  readonly bytes: 4 | 8;
  readonly root: bigint;
}

const FOUR_LEVELS = [39, 30, 21, 12];
const FIVE_LEVELS = [48, ...FOUR_LEVELS];
const PAE_LEVELS = [21, 12];
const TWO_LEVELS = [22, 12];
const FRAME = 0xf_ffff_ffff_f000n;
const FRAME_32 = 0xffff_f000n;

export function* readPagingRegisters(): Program<PagingRegisters> {
  const [cr0, cr3, cr4, efer, rflags, ss] = yield* vmread(
    'guestCr0',
    'guestCr3',
    'guestCr4',
    'guestIa32Efer',
    'guestRflags',
    'guestSsAccessRights',
  );
  return { cr0, cr3, cr4, efer, rflags, cpl: Number(shiftRight(ss, 5n) & 3n) };
}

/** The guest's paging mode. SDM Vol. 3A, 4.1.1 Four Paging Modes; undefined: the PDPTE is not present */
function* formatOf({ cr3, cr4, efer }: PagingRegisters, linear: bigint): Program<Format | undefined> {
  if ((efer & EFER.lma) !== 0n) {
    const shifts = (cr4 & CR4.la57) === 0n ? FOUR_LEVELS : FIVE_LEVELS;
    return { shifts, large: [30, 21], bytes: 8, root: cr3 & FRAME };
  }
  if ((cr4 & CR4.pae) === 0n) {
    const large = (cr4 & CR4.pse) === 0n ? [] : [22];
    return { shifts: TWO_LEVELS, large, bytes: 4, root: cr3 & FRAME_32 };
  }
  const pdptes = yield* vmread('guestPdpte0', 'guestPdpte1', 'guestPdpte2', 'guestPdpte3');
  const pdpte = pdptes[Number(shiftRight(linear, 30n) & 3n)];
  return (pdpte & ENTRY.present) === 0n
    ? undefined
    : { shifts: PAE_LEVELS, large: [21], bytes: 8, root: pdpte & FRAME };
}

/** Bits that must be 0 in an entry. SDM Vol. 3A, 4.4 and 4.5, formats of the entries */
const reservedBits = (
  exit: Exit,
  paging: PagingRegisters,
  format: Format,
  shift: number,
  leaf: boolean,
): bigint => {
  if (format.bytes === 4) return leaf && shift === 22 ? 1n << 21n : 0n;
  const beyond = ((1n << 52n) - 1n) & ~((1n << BigInt(exit.guest.physicalBits)) - 1n);
  const ignored = (paging.efer & EFER.lma) === 0n ? 0x7ff0_0000_0000_0000n : 0n;
  const nx = (paging.efer & EFER.nxe) === 0n ? ENTRY.nx : 0n;
  const large = leaf && shift > 12 ? ((1n << BigInt(shift)) - 1n) & ~0x1fffn : 0n;
  const top = shift >= 39 ? ENTRY.large : 0n;
  return beyond | ignored | nx | large | top;
};

/** Physical address of a page by its leaf. PSE-36 puts bits 39:32 into bits 20:13. */
const leafAddress = (entry: bigint, shift: number, linear: bigint): number => {
  const offset = (1n << BigInt(shift)) - 1n;
  const base =
    shift === 22 ? (entry & 0xffc0_0000n) | ((entry & 0x1f_e000n) << 19n) : entry & FRAME & ~offset;
  return Number(base | (linear & offset));
};

/** Whether rights and mode allow the access. SDM Vol. 3A, 4.6.1 Determination of Access Rights */
const isAllowed = (paging: PagingRegisters, rights: bigint, nx: boolean, access: Access): boolean => {
  const userPage = (rights & ENTRY.user) !== 0n;
  const writable = (rights & ENTRY.write) !== 0n;
  const { cr0, cr4, rflags, cpl } = paging;
  if (access === 'fetch') return !nx && (cpl === 3 ? userPage : !userPage || (cr4 & CR4.smep) === 0n);
  if (cpl === 3) return userPage && (access === 'read' || writable);
  if (userPage && (cr4 & CR4.smap) !== 0n && (rflags & RFLAGS.ac) === 0n) return false;
  return access === 'read' || writable || (cr0 & CR0.wp) === 0n;
};

/**
 * The guest-physical address of a linear one, with the accessed and dirty flags set as the processor sets them; else the page fault.
 * SDM Vol. 3A, 4.3 to 4.8
 */
export function* translate(
  exit: Exit,
  paging: PagingRegisters,
  linear: bigint,
  access: Access,
): Program<Outcome<number, PageFault>> {
  if ((paging.cr0 & CR0_MODE.pg) === 0n) return ok(Number(BigInt.asUintN(32, linear)));
  const pae = (paging.cr4 & CR4.pae) !== 0n && (paging.efer & EFER.nxe) !== 0n;
  const tellsFetch = access === 'fetch' && (pae || (paging.cr4 & CR4.smep) !== 0n);
  const how =
    (access === 'write' ? CODE.write : 0n) |
    (paging.cpl === 3 ? CODE.user : 0n) |
    (tellsFetch ? CODE.fetch : 0n);
  const faulting = (code: bigint) => fault({ address: linear, errorCode: how | code });

  const format = yield* formatOf(paging, linear);
  if (format === undefined) return faulting(0n);
  const { shifts, large, bytes } = format;
  const indexMask = bytes === 4 ? 0x3ffn : 0x1ffn;
  const used: { readonly piece: Piece; readonly entry: bigint }[] = [];
  let table = format.root;
  let rights = ENTRY.write | ENTRY.user;
  let nx = false;
  for (const shift of shifts) {
    const index = (linear >> BigInt(shift)) & indexMask;
    const piece = { gpa: Number(table) + Number(index) * bytes, bytes };
    const entry = yield* readPhysical(exit, piece);
    if ((entry & ENTRY.present) === 0n) return faulting(0n);
    const leaf = shift === 12 || (large.includes(shift) && (entry & ENTRY.large) !== 0n);
    if ((entry & reservedBits(exit, paging, format, shift, leaf)) !== 0n)
      return faulting(CODE.present | CODE.reserved);
    used.push({ piece, entry });
    rights &= entry;
    nx ||= (entry & ENTRY.nx) !== 0n;
    if (!leaf) {
      table = entry & FRAME;
      continue;
    }
    if (!isAllowed(paging, rights, nx, access)) return faulting(CODE.present);
    for (const [depth, { piece: at, entry: before }] of used.entries()) {
      const dirty = access === 'write' && depth === used.length - 1 ? ENTRY.dirty : 0n;
      const after = before | ENTRY.accessed | dirty;
      if (after !== before) yield* writePhysical(exit, at, after);
    }
    return ok(leafAddress(entry, shift, linear));
  }
  return faulting(0n);
}

/** The pieces, at most two, in which a linear range lies; both translated before either is touched. */
export function* locate(
  exit: Exit,
  paging: PagingRegisters,
  linear: bigint,
  bytes: number,
  access: Access,
): Program<Outcome<readonly Piece[], PageFault>> {
  const room = PAGE - Number(linear & 0xfffn);
  const first = yield* translate(exit, paging, linear, access);
  if (!first.ok) return first;
  if (bytes <= room) return ok([{ gpa: first.value, bytes }]);
  const next = yield* translate(exit, paging, BigInt.asUintN(64, linear + BigInt(room)), access);
  if (!next.ok) return next;
  return ok([
    { gpa: first.value, bytes: room },
    { gpa: next.value, bytes: bytes - room },
  ]);
}
