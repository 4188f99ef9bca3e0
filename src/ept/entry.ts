import { type BitRange, bitfield } from '../core';

/** Bits of an EPT paging-structure entry (low half). SDM Vol. 3C, 29.3.2 EPT Translation Mechanism */
export const EPT_ENTRY = {
  read: 1,
  write: 2,
  execute: 4,
  ignorePat: 64,
  pageSize: 128,
  accessed: 256,
  dirty: 512,
  userExecute: 1024,
} as const;

/**
 * Rights over a path of EPT entries, as the entries hold them. Under mode-based execute control `execute` is for supervisor-mode and `userExecute` for
 * user-mode linear addresses; without it `userExecute` does not count. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism
 */
export const EPT_RIGHTS = { read: 1, write: 2, execute: 4, userExecute: 1024 } as const;

/** Memory types of a leaf, bits 5:3. SDM Vol. 3C, 29.3.7.2 Memory Type Used for Translated Guest-Physical Addresses */
export const EPT_MEMORY_TYPE = {
  uncacheable: 0,
  writeCombining: 1,
  writeThrough: 4,
  writeProtected: 5,
  writeBack: 6,
} as const;

const PERMISSIONS = { read: 0, write: 1, execute: 2 } as const satisfies Record<string, BitRange>;
const LEAF = {
  ...PERMISSIONS,
  memoryType: [5, 3],
  ignorePat: 6,
  accessed: 8,
  dirty: 9,
  userExecute: 10,
  suppressVe: 63,
} as const satisfies Record<string, BitRange>;

/** An entry that names the next table. SDM Vol. 3C, Table 29-1 Format of an EPT PML4 Entry */
export const EPT_TABLE_ENTRY = bitfield({
  ...PERMISSIONS,
  reserved: [6, 3],
  pageSize: 7,
  accessed: 8,
  userExecute: 10,
  address: [51, 12],
});

/** An entry that maps a page, by level. SDM Vol. 3C, Tables 29-2, 29-4 and 29-6 */
export const EPT_LEAF_ENTRY = {
  1: bitfield({ ...LEAF, address: [51, 12] }),
  2: bitfield({ ...LEAF, pageSize: 7, reserved: [20, 12], address: [51, 21] }),
  3: bitfield({ ...LEAF, pageSize: 7, reserved: [29, 12], address: [51, 30] }),
} as const;

/** The fields of an entry by name, as what it is at its level. */
export const decodeEptEntry = (
  entry: bigint,
  level: number,
  leaf: boolean,
): Readonly<Record<string, bigint>> =>
  leaf && (level === 1 || level === 2 || level === 3)
    ? EPT_LEAF_ENTRY[level].decode(entry)
    : EPT_TABLE_ENTRY.decode(entry);
