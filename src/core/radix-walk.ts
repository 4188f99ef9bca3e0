/** One radix walk for every table format: IA-32e paging, EPT, VT-d first and second stage, NPT. */

/** What a table entry is, as the format decodes it. */
export const ENTRY = { absent: 0, reserved: 1, table: 2, leaf: 3 } as const;
export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];

/** How a walk ended: at a leaf, at an entry that is absent or malformed, or because an entry could not be read. */
export type WalkEnd = EntryKind | typeof UNREADABLE;
export const UNREADABLE = 4;

/** A format of 64-bit entries, 512 a table, 4-KiB pages. Entries come as int32 halves. */
export interface PagingFormat {
  readonly name: string;
  /** Levels of tables; the walk starts at this level and level 1 maps 4-KiB pages. */
  readonly levels: number;
  readonly classify: (low: number, high: number, level: number) => EntryKind;
  /** Rights before the first entry, as a bit mask of the format. */
  readonly allRights: number;
  /** Rights that remain after an entry. */
  readonly restrict: (rights: number, low: number, high: number) => number;
}

/** Reads an entry into `low` and `high`; false when it cannot be read (the source then knows why). */
export interface EntrySource {
  low: number;
  high: number;
  read(address: number, level: number): boolean;
}

const MAX_LEVELS = 5;

/** Index of the table entry that an address selects at a level. */
export const indexAt = (low: number, high: number, level: number): number => {
  switch (level) {
    case 1:
      return (low >>> 12) & 511;
    case 2:
      return (low >>> 21) & 511;
    case 3:
      return ((high << 2) | (low >>> 30)) & 511;
    case 4:
      return (high >>> 7) & 511;
    default:
      return (high >>> 16) & 511;
  }
};

/** Number of the 4-KiB frame that bits 51:12 of an entry name. */
export const frameOfEntry = (low: number, high: number): number => (high & 0xfffff) * 0x100000 + (low >>> 12);

/** Frames that a leaf at a level spans. */
export const framesAt = (level: number): number => (level === 1 ? 1 : level === 2 ? 512 : 512 * 512);

/** A walk and its registers; one object serves many walks without allocating. */
export class RadixWalk {
  /** Level of the entry at which the walk ended. */
  level = 0;
  /** That entry. */
  low = 0;
  high = 0;
  /** Rights over the whole path, as the format defines them. */
  rights = 0;
  /** After a leaf: the 4-KiB frame that the address maps to. */
  frame = 0;
  /** Addresses of the entries read, by level. */
  readonly addresses = new Float64Array(MAX_LEVELS + 1);
  readonly lows = new Int32Array(MAX_LEVELS + 1);

  /** Walks from the table at `root` (byte address) for the address with the given halves. */
  run(
    format: PagingFormat,
    source: EntrySource,
    root: number,
    addressLow: number,
    addressHigh: number,
  ): WalkEnd {
    let table = root;
    let rights = format.allRights;
    for (let level = format.levels; ; level--) {
      const address = table + indexAt(addressLow, addressHigh, level) * 8;
      this.addresses[level] = address;
      this.level = level;
      if (!source.read(address, level)) return UNREADABLE;
      const low = source.low;
      const high = source.high;
      this.lows[level] = low;
      const kind = format.classify(low, high, level);
      if (kind === ENTRY.table) {
        rights = format.restrict(rights, low, high);
        table = frameOfEntry(low, high) * 4096;
        continue;
      }
      this.low = low;
      this.high = high;
      if (kind === ENTRY.leaf) {
        this.rights = format.restrict(rights, low, high);
        const span = framesAt(level);
        const frame = frameOfEntry(low, high);
        this.frame = span === 1 ? frame : frame - (frame % span) + ((addressLow >>> 12) & (span - 1));
      } else this.rights = rights;
      return kind;
    }
  }
}
