import { EPTP, type WalkReference } from '../ept';
import { pagingModeOf, pagingRegisters } from '../ept/guest-paging';
import { entryName, eptEntryId, guestEntryId } from './names';
import type { EntryBytes, WalkCase, WalkResult } from './walk-case';
import { walkOf } from './walk-case';

/** One row of the picture: the EPT walk for one guest-physical address, and the guest's entry that stands there. */
export interface WalkRow {
  /** The guest's level; `final` for the address that its tables gave, `only` where EPT alone is walked. */
  readonly of: number | 'final' | 'only';
  /** Undefined where the walk did not come there. */
  readonly gpa: number | undefined;
  /** A larger page of the guest ended its walk above. */
  readonly skipped: boolean;
}

/** One reference with its place in the picture. */
export interface ShownReference extends WalkReference {
  /** From 1. */
  readonly number: number;
  /** Index of its row. */
  readonly row: number;
  /** Such as `EPT PDPTE`. */
  readonly name: string;
  /** How `--set` names the entry. */
  readonly id: string;
  /** Which entry of its table. */
  readonly index: number;
  readonly bytes: EntryBytes;
  /** The address of the table or page that the entry names. */
  readonly target: bigint;
  /** The walk fails because of this entry. */
  readonly failed: boolean;
}

/** A walk as it is shown. */
export interface WalkView {
  readonly walkCase: WalkCase;
  readonly guestLevels: number;
  /** Bits of an index into a table of the guest. */
  readonly guestIndexBits: number;
  readonly eptLevels: number;
  readonly rows: readonly WalkRow[];
  readonly references: readonly ShownReference[];
  readonly outcome: WalkResult['outcome'];
}

const TINY_LEVELS = 2;
const INDEX_BITS = { 2: 4, 4: 10, 8: 9 } as const;

/** Levels of the guest's tables and bytes of their entries; no level while paging is off. */
const guestShape = ({
  machine,
  request,
}: WalkCase): { readonly levels: number; readonly bytes: EntryBytes } => {
  if (request.cr3 === undefined) return { levels: 0, bytes: 8 };
  if (machine === 'tiny') return { levels: TINY_LEVELS, bytes: 2 };
  const { paging, physicalAddressWidth = 39, rights } = request;
  const registers = pagingRegisters({ ...request, noExecute: rights?.noExecute ?? true });
  const { levels, entryBytes } = pagingModeOf(registers, paging, physicalAddressWidth).format;
  return { levels, bytes: entryBytes };
};

const eptLevelsOf = ({ machine, request: { eptp } }: WalkCase): number => {
  if (eptp === undefined) return 0;
  return machine === 'tiny' ? TINY_LEVELS : Number(EPTP.get(eptp, 'walkLengthMinus1')) + 1;
};

const rowsOf = (guestLevels: number, eptLevels: number): readonly WalkRow['of'][] => {
  const guest = Array.from({ length: guestLevels }, (_, index) => guestLevels - index);
  if (guestLevels === 0) return eptLevels === 0 ? [] : ['only'];
  return [...guest, 'final'];
};

/** Index of the reference because of which a walk fails; undefined when it does not, or fails before the first. */
const failingIndex = (
  references: readonly WalkReference[],
  outcome: WalkResult['outcome'],
): number | undefined => {
  if (outcome.ok || references.length === 0) return undefined;
  const last = references.length - 1;
  const { kind } = references[last];
  if (kind === 'absent' || kind === 'reserved' || outcome.fault.kind === 'ept-misconfiguration') return last;
  const { fault } = outcome;
  const lacking = (from: number, table: 'ept' | 'guest', lacks: (one: WalkReference) => boolean): number => {
    const found = references.findIndex((one, index) => index >= from && one.table === table && lacks(one));
    return found >= 0 ? found : last;
  };
  if (fault.kind === 'ept-violation') {
    const first = references.findLastIndex(({ table }) => table === 'guest') + 1;
    const { access } = fault;
    return lacking(
      first,
      'ept',
      ({ bits }) =>
        (access.read && bits.read === 0n) ||
        (access.write && bits.write === 0n) ||
        (access.fetch && bits.execute === 0n),
    );
  }
  const wants = (bit: number): boolean => (fault.errorCode & bit) !== 0;
  const lastGuest = references.findLastIndex(({ table }) => table === 'guest');
  const guilty = lacking(0, 'guest', ({ bits }) =>
    wants(16) && bits.noExecute === 1n
      ? true
      : (wants(4) && bits.user === 0n) || (wants(2) && !wants(16) && bits.write === 0n),
  );
  return references[guilty].table === 'guest' ? guilty : lastGuest;
};

const idOf = (reference: WalkReference, of: WalkRow['of']): string =>
  reference.table === 'guest' ? guestEntryId(reference.level) : eptEntryId(reference.level, of);

/** Walks a case and finds the place of everything in the picture. */
export const viewOf = (walkCase: WalkCase): WalkView => {
  const { references, outcome } = walkOf(walkCase);
  const { levels: guestLevels, bytes: guestBytes } = guestShape(walkCase);
  const eptLevels = eptLevelsOf(walkCase);
  const tiny = walkCase.machine === 'tiny';
  const kinds = rowsOf(guestLevels, eptLevels);
  const failing = failingIndex(references, outcome);
  const gpas = new Map<number, number>();
  let row = 0;
  let skippedFrom = guestLevels;
  const shown = references.map((reference, index): ShownReference => {
    const { table, level, address } = reference;
    const bytes = table === 'guest' ? guestBytes : tiny ? 2 : 8;
    const here = row;
    gpas.set(here, reference.gpa);
    if (table === 'guest') {
      if (reference.kind === 'leaf') skippedFrom = row + 1;
      row = reference.kind === 'leaf' ? guestLevels : row + 1;
    }
    return {
      ...reference,
      number: index + 1,
      row: here,
      name: entryName(table, level),
      id: idOf(reference, kinds[here]),
      index: tiny ? address % 16 : (address % 4096) / bytes,
      bytes,
      target: targetOf(reference, bytes),
      failed: index === failing,
    };
  });
  const rows = kinds.map(
    (of, index): WalkRow => ({
      of,
      gpa: gpas.get(index) ?? finalAddress(of, eptLevels, outcome),
      skipped: index >= skippedFrom && index < guestLevels,
    }),
  );
  return {
    walkCase,
    guestLevels,
    guestIndexBits: INDEX_BITS[guestBytes],
    eptLevels,
    rows,
    references: shown,
    outcome,
  };
};

/** Without EPT the last row reads nothing: its address is that of the outcome. */
const finalAddress = (
  of: WalkRow['of'],
  eptLevels: number,
  outcome: WalkResult['outcome'],
): number | undefined => (of === 'final' && eptLevels === 0 && outcome.ok ? outcome.value : undefined);

const ADDRESS = 0xf_ffff_ffff_f000n;

/** Bits of the offset in what an entry names. */
const offsetBits = ({ kind, level }: WalkReference, bytes: EntryBytes): bigint => {
  if (bytes === 2) return 4n;
  if (kind !== 'leaf' || level === 1) return 12n;
  if (level === 3) return 30n;
  return bytes === 4 ? 22n : 21n;
};

/** Address of the table or page that an entry names. */
const targetOf = (reference: WalkReference, bytes: EntryBytes): bigint => {
  const { entry } = reference;
  const address = bytes === 8 ? entry & ADDRESS : entry;
  return address - (address % 2n ** offsetBits(reference, bytes));
};
