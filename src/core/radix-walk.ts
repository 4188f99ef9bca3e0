/** One radix walk for every table format: IA-32e paging, EPT, VT-d first and second stage, NPT. */

/** What a table entry is, as the format decodes it. */
export const ENTRY = { absent: 0, reserved: 1, table: 2, leaf: 3 } as const;
export type EntryKind = (typeof ENTRY)[keyof typeof ENTRY];

/** How a walk ended: at a leaf, at an entry that is absent or malformed, or because an entry could not be read. */
export type WalkEnd = EntryKind | typeof UNREADABLE;
export const UNREADABLE = 4;

/** A format of tables of 4 KiB and pages of 4 KiB. Entries come as int32 halves. */
export interface PagingFormat {
  readonly name: string;
  /** 512 entries of 8 bytes a table, or 1024 of 4 bytes; those have no high half. */
  readonly entryBytes: 4 | 8;
  /** Levels of tables; the walk starts at this level and level 1 maps 4-KiB pages. */
  readonly levels: number;
  classify(low: number, high: number, level: number): EntryKind;
  /** Rights before the first entry, as a bit mask of the format. */
  readonly allRights: number;
  /** Rights that remain after an entry. */
  restrict(rights: number, low: number, high: number): number;
}

/**
 * A format for paper: an address names a cell of 16 bits, an entry is a cell, tables and pages have 16 of them, so that each hexadecimal digit of an
 * address is an index or the offset.
 */
export interface PaperFormat extends Omit<PagingFormat, 'entryBytes'> {
  readonly entryBytes: 2;
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

/** The same in tables of 1024 entries. */
const narrowIndexAt = (low: number, level: number): number => (low >>> (level === 1 ? 12 : 22)) & 1023;

const DIGIT = 4;

/** Address of the entry that an address selects in a table whose entries have no high half. */
const narrowEntryAt = (table: number, low: number, level: number, entryBytes: 2 | 4): number =>
  entryBytes === 2 ? table + ((low >>> (DIGIT * level)) & 15) : table + narrowIndexAt(low, level) * 4;

/** The table that such an entry names. */
const narrowTable = (low: number, entryBytes: 2 | 4): number =>
  entryBytes === 2 ? low & 0xfff0 : (low & -4096) >>> 0;

/** Number of the 4-KiB frame that bits 51:12 of an entry name. */
export const frameOfEntry = (low: number, high: number): number => (high & 0xfffff) * 0x100000 + (low >>> 12);

/** Frames that a leaf at a level spans. */
export const framesAt = (level: number): number => (level === 1 ? 1 : level === 2 ? 512 : 512 * 512);

/** The 4-KiB frame behind a leaf of 8 bytes: below the frames that the leaf spans the address counts. */
const wideLeafFrame = (low: number, high: number, level: number, addressLow: number): number => {
  const span = framesAt(level);
  return (high & 0xfffff) * 0x100000 + (((low >>> 12) & -span) | ((addressLow >>> 12) & (span - 1)));
};

/** Of a leaf of 4 bytes: bits 20:13 of a 4-MiB page are 39:32 of its address. SDM Vol. 3A, 4.3 32-Bit Paging */
const narrowLeafFrame = (low: number, level: number, addressLow: number, entryBytes: 2 | 4): number =>
  level === 1
    ? low >>> (entryBytes === 2 ? DIGIT : 12)
    : ((low >>> 13) & 0xff) * 0x100000 + ((low >>> 22) << 10) + ((addressLow >>> 12) & 1023);

/** The 4-KiB frame that a leaf gives an address. */
export const leafFrame = (
  { entryBytes }: PagingFormat,
  low: number,
  high: number,
  level: number,
  addressLow: number,
): number =>
  entryBytes === 8
    ? wideLeafFrame(low, high, level, addressLow)
    : narrowLeafFrame(low, level, addressLow, entryBytes);

/** Byte address of the entry that an address selects in the table of a level. */
export const entryAddress = (
  { entryBytes }: PagingFormat,
  table: number,
  low: number,
  high: number,
  level: number,
): number => table + (entryBytes === 8 ? indexAt(low, high, level) * 8 : narrowIndexAt(low, level) * 4);

/** Address bits below those that select an entry at a level. */
export const shiftAt = ({ entryBytes }: PagingFormat, level: number): number =>
  entryBytes === 8 ? 3 + 9 * level : 2 + 10 * level;

/** A walk and its registers; one object serves many walks without allocating. */
export class RadixWalk {
  /** Level of the entry at which the walk ended. */
  level = 0;
  /** That entry. */
  low = 0;
  high = 0;
  /** Rights over the whole path, as the format defines them. */
  rights = 0;
  /** After a leaf: the frame that the address maps to. */
  frame = 0;
  /** Addresses of the entries read, by level. */
  readonly addresses = new Float64Array(MAX_LEVELS + 1);
  readonly lows = new Int32Array(MAX_LEVELS + 1);

  /** Walks from the table at `root` (byte address) for the address with the given halves. */
  run(
    format: PagingFormat | PaperFormat,
    source: EntrySource,
    root: number,
    addressLow: number,
    addressHigh: number,
  ): WalkEnd {
    let table = root;
    let rights = format.allRights;
    const { entryBytes } = format;
    const wide = entryBytes === 8;
    for (let level = format.levels; ; level--) {
      const address = wide
        ? table + indexAt(addressLow, addressHigh, level) * 8
        : narrowEntryAt(table, addressLow, level, entryBytes);
      this.addresses[level] = address;
      this.level = level;
      if (!source.read(address, level)) return UNREADABLE;
      const low = source.low;
      const high = wide ? source.high : 0;
      this.lows[level] = low;
      const kind = format.classify(low, high, level);
      if (kind === ENTRY.table) {
        rights = format.restrict(rights, low, high);
        table = wide ? frameOfEntry(low, high) * 4096 : narrowTable(low, entryBytes);
        continue;
      }
      this.low = low;
      this.high = high;
      if (kind === ENTRY.leaf) {
        this.rights = format.restrict(rights, low, high);
        this.frame = wide
          ? wideLeafFrame(low, high, level, addressLow)
          : narrowLeafFrame(low, level, addressLow, entryBytes);
      } else this.rights = rights;
      return kind;
    }
  }
}
