import { shiftRight } from '../../../core';
import type { VmcsField } from '../../../vmx/vmcs/fields';
import { RIGHTS } from '../access-rights';
import type { Exit } from '../guest';
import { readPieces, writePieces } from '../paging/physical';
import { locate, type PagingRegisters } from '../paging/walk';
import { halt, type Program, vmread } from '../program';

/** What a segment register holds; access rights in the format of the VMCS. */
export interface SegmentValue {
  readonly selector: bigint;
  readonly base: bigint;
  readonly limit: bigint;
  readonly rights: bigint;
}

const GLOBAL_OR_LOCAL = 4n;
const INDEX = 0xfff8n;
const ATTRIBUTES_BYTE = 5n;
const GDT_BYTES = 8;

export const isNull = (selector: bigint): boolean => (selector & 0xfffcn) === 0n;

/** Linear memory as the processor reaches its own structures: as a supervisor, whatever the CPL. SDM Vol. 3A, 4.6.1 Determination of Access Rights */
export const implicitly = (paging: PagingRegisters): PagingRegisters => ({ ...paging, cpl: 0, rflags: 0n });

/** The structures of a task switch were reached by the processor before the exit; where they are gone meanwhile the guest ends. */
const GONE = 'a structure of a task switch is not mapped';

export function* readLinear(
  exit: Exit,
  paging: PagingRegisters,
  linear: bigint,
  bytes: number,
): Program<bigint> {
  const place = yield* locate(exit, paging, BigInt.asUintN(32, linear), bytes, 'read');
  return place.ok ? yield* readPieces(exit, place.value) : yield* halt(GONE);
}

export function* writeLinear(
  exit: Exit,
  paging: PagingRegisters,
  linear: bigint,
  bytes: number,
  value: bigint,
): Program<void> {
  const place = yield* locate(exit, paging, BigInt.asUintN(32, linear), bytes, 'write');
  if (!place.ok) return yield* halt(GONE);
  yield* writePieces(exit, place.value, value);
}

/** A descriptor table: GDT, or an LDT. */
interface Table {
  readonly base: bigint;
  readonly limit: bigint;
}

export function* globalTable(): Program<Table> {
  const [base, limit] = yield* vmread('guestGdtrBase', 'guestGdtrLimit');
  return { base, limit };
}

/** A descriptor with its linear address; undefined beyond the limit of its table. SDM Vol. 3A, 3.4.5 Segment Descriptors */
export function* readDescriptor(
  exit: Exit,
  paging: PagingRegisters,
  selector: bigint,
  tables: { readonly global: Table; readonly local: Table | undefined },
): Program<(SegmentValue & { readonly linear: bigint }) | undefined> {
  const table = (selector & GLOBAL_OR_LOCAL) === 0n ? tables.global : tables.local;
  if (table === undefined || (selector & INDEX) + 7n > table.limit) return undefined;
  const linear = table.base + (selector & INDEX);
  const raw = yield* readLinear(exit, paging, linear, GDT_BYTES);
  const low = raw & 0xffffn;
  const limit = low | (shiftRight(raw, 32n) & 0xf_0000n);
  const rights = shiftRight(raw, 40n) & 0xf0ffn;
  return {
    selector,
    linear,
    base: (shiftRight(raw, 16n) & 0xff_ffffn) | (shiftRight(raw, 32n) & 0xff00_0000n),
    limit: (rights & RIGHTS.granular) === 0n ? limit : (limit << 12n) | 0xfffn,
    rights,
  };
}

/** Sets or clears type bits of a descriptor in memory: busy or accessed. */
export function* markDescriptor(
  exit: Exit,
  paging: PagingRegisters,
  linear: bigint,
  rights: bigint,
): Program<void> {
  yield* writeLinear(exit, paging, linear + ATTRIBUTES_BYTE, 1, rights & 0xffn);
}

type Name = 'Es' | 'Cs' | 'Ss' | 'Ds' | 'Fs' | 'Gs' | 'Ldtr' | 'Tr';

/** The fields of a segment register of the guest. */
export const segmentFields = (
  name: Name,
  { selector, base, limit, rights }: SegmentValue,
): Partial<Record<VmcsField, bigint>> => ({
  [`guest${name}Selector`]: selector,
  [`guest${name}Base`]: base,
  [`guest${name}Limit`]: limit,
  [`guest${name}AccessRights`]: rights,
});

/** A register with a null selector. */
export const unusable = (selector: bigint): SegmentValue => ({
  selector,
  base: 0n,
  limit: 0n,
  rights: RIGHTS.unusable,
});
