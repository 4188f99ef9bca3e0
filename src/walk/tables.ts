import type { MemoryRoot } from '../core';
import { type EntryBytes, type Machine, type PlacedEntry, withEntries } from './walk-case';

/** How a format divides an address, and what an entry is made of. */
export interface TableShape {
  readonly machine: Machine;
  readonly levels: number;
  readonly indexBits: number;
  readonly offsetBits: number;
  readonly entryBytes: EntryBytes;
  /** Addresses that an entry takes. */
  readonly stride: number;
  /** Flags of an entry that names a table, and of one that maps a page. */
  readonly tableFlags: bigint;
  readonly leafFlags: (level: number) => bigint;
}

/** Addresses that a leaf at a level spans. */
export const spanOf = ({ offsetBits, indexBits }: TableShape, level: number): number =>
  2 ** (offsetBits + indexBits * (level - 1));

/** Entries by host-physical address, as they are put down. */
export class Entries {
  readonly all = new Map<number, PlacedEntry>();

  constructor(readonly machine: Machine) {}

  put(at: number, value: bigint, bytes: EntryBytes): void {
    this.all.set(at, { at, value, bytes });
  }

  /** Memory that holds them beside what it held. */
  over(memory: MemoryRoot): MemoryRoot {
    return withEntries(memory, this.machine, this.all.values());
  }
}

/** Tables under construction: their addresses are the guest's or the host's, `hostOf` says where they stand. */
export class Tables {
  constructor(
    private readonly shape: TableShape,
    private readonly entries: Entries,
    readonly root: number,
    private readonly newTable: () => number,
    private readonly hostOf: (at: number) => number = (at) => at,
  ) {}

  /** Host-physical address of the entry for an address at a level; tables on the way are made. */
  entryAt(address: bigint, level: number): number {
    const { levels, tableFlags, entryBytes } = this.shape;
    let table = this.root;
    for (let at = levels; at > level; at--) {
      const place = this.place(table, address, at);
      const known = this.entries.all.get(place);
      if (known !== undefined) table = Number(known.value - (known.value % BigInt(this.tableUnits())));
      else {
        table = this.newTable();
        this.entries.put(place, BigInt(table) | tableFlags, entryBytes);
      }
    }
    return this.place(table, address, level);
  }

  /** Maps a page whose size is that of a leaf at the level; gives back where the entry stands. */
  map(address: bigint, target: number, level = 1): number {
    const place = this.entryAt(address, level);
    this.entries.put(place, BigInt(target) | this.shape.leafFlags(level), this.shape.entryBytes);
    return place;
  }

  private tableUnits(): number {
    return 2 ** this.shape.offsetBits;
  }

  private place(table: number, address: bigint, level: number): number {
    const { offsetBits, indexBits, stride } = this.shape;
    const shift = BigInt(offsetBits + indexBits * (level - 1));
    const index = Number((address >> shift) & (2n ** BigInt(indexBits) - 1n));
    return this.hostOf(table + index * stride);
  }
}
