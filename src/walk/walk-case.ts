import { FRAME_LIMIT, MemoryDraft, type MemoryRoot, ModelError, PAGE_BYTES } from '../core';
import { COMMON_EPT, type EptCapabilities, type WalkRequest, walk } from '../ept';
import { tinyWalk } from './tiny';

/** Whose tables are walked: those of the architecture, or the small ones for paper. */
export type Machine = 'x86' | 'tiny';

/** A translation to show: where it comes from, what it asks for, and what memory holds. */
export interface WalkCase {
  /** One line. */
  readonly title: string;
  readonly machine: Machine;
  readonly request: WalkRequest & { readonly memory: MemoryRoot };
}

export type WalkResult = ReturnType<typeof walk>;

/** The references of a case and its outcome. */
export const walkOf = ({ machine, request }: WalkCase): WalkResult =>
  machine === 'tiny' ? tinyWalk(request) : walk(request);

/** Entries stand below this host-physical address. */
export const MEMORY_LIMIT = FRAME_LIMIT * PAGE_BYTES;

/** EPT with everything that a walk can show. */
export const wholeEpt = (physicalAddressWidth: number): EptCapabilities => ({
  ...COMMON_EPT,
  walkLength5: true,
  accessedDirty: true,
  supervisorShadowStack: true,
  physicalAddressWidth,
});

const BITS = { 2: 16, 4: 32, 8: 64 } as const;

/** Bytes of an entry of one of the two tables. */
export type EntryBytes = keyof typeof BITS;

/** Byte at which an entry begins: an address of the tiny machine names a cell of two bytes. */
const byteAt = (machine: Machine, at: number): number => (machine === 'tiny' ? 2 * at : at);

/** An entry, and where it stands. */
export interface PlacedEntry {
  readonly at: number;
  readonly value: bigint;
  readonly bytes: EntryBytes;
}

/** Memory in which some entries have other values. */
export const withEntries = (
  memory: MemoryRoot,
  machine: Machine,
  entries: Iterable<PlacedEntry>,
): MemoryRoot => {
  const draft = new MemoryDraft(memory);
  for (const { at, value, bytes } of entries) {
    if (value !== BigInt.asUintN(BITS[bytes], value))
      throw new ModelError(`an entry of ${bytes} bytes holds at most ${BITS[bytes]} bits`);
    const word = new Uint8Array(bytes);
    for (let index = 0; index < bytes; index++) word[index] = Number((value >> BigInt(8 * index)) & 255n);
    draft.write(byteAt(machine, at), word);
  }
  return draft.publish();
};

/** What an entry holds. */
export const entryIn = (memory: MemoryRoot, machine: Machine, at: number, bytes: EntryBytes): bigint =>
  memory.read(byteAt(machine, at), bytes).reduceRight((value, byte) => value * 256n + BigInt(byte), 0n);

/** The same case with one entry changed. */
export const changed = (one: WalkCase, at: number, value: bigint, bytes: EntryBytes): WalkCase => ({
  ...one,
  request: { ...one.request, memory: withEntries(one.request.memory, one.machine, [{ at, value, bytes }]) },
});
