import type { TableShape } from './tables';

const GUEST_FLAGS = 0x27n;
const PAGE_SIZE = 0x80n;
const DIRTY = 0x40n;
const EPT_RIGHTS = 7n;
const WRITE_BACK = 0x30n;

const wide = (levels: number): Omit<TableShape, 'tableFlags' | 'leafFlags'> => ({
  machine: 'x86',
  levels,
  indexBits: 9,
  offsetBits: 12,
  entryBytes: 8,
  stride: 8,
});

/** Tables of 4-level or 5-level paging, whose pages may be written by users. */
export const guestTables = (levels: number): TableShape => ({
  ...wide(levels),
  tableFlags: GUEST_FLAGS,
  leafFlags: (level) => GUEST_FLAGS | DIRTY | (level > 1 ? PAGE_SIZE : 0n),
});

/** Tables of EPT that allow everything, write-back. */
export const eptTables = (levels: number): TableShape => ({
  ...wide(levels),
  tableFlags: EPT_RIGHTS,
  leafFlags: (level) => EPT_RIGHTS | WRITE_BACK | (level > 1 ? PAGE_SIZE : 0n),
});

/** The tables for paper, whose flags are their last digit. */
export const TINY: TableShape = {
  machine: 'tiny',
  levels: 2,
  indexBits: 4,
  offsetBits: 4,
  entryBytes: 2,
  stride: 1,
  tableFlags: 7n,
  leafFlags: () => 7n,
};
