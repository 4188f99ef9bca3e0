import { RIGHTS } from './paging-format';
import { CR4, SLOT } from './slots';

/** Page-fault error code. SDM Vol. 3A, 4.7 Page-Fault Exceptions */
export const PAGE_FAULT = {
  present: 1,
  write: 2,
  user: 4,
  reserved: 8,
  fetch: 16,
  protectionKey: 32,
} as const;

/** What an access wants, and what governs its rights. */
export interface PagingRights {
  readonly user: boolean;
  readonly writeProtect: boolean;
  readonly smep: boolean;
  /** CR4.SMAP is 1 and RFLAGS.AC does not suspend it for this access. */
  readonly smap: boolean;
  readonly noExecute: boolean;
}

/**
 * Whether the rights of a translation allow an access. SDM Vol. 3A, 4.6.1 Determination of Access Rights
 */
export const accessAllowed = (rights: number, write: boolean, fetch: boolean, by: PagingRights): boolean => {
  const userPage = (rights & RIGHTS.user) !== 0;
  if (fetch) {
    if ((rights & RIGHTS.execute) === 0) return false;
    return by.user ? userPage : !(userPage && by.smep);
  }
  if (by.user) return userPage && (!write || (rights & RIGHTS.write) !== 0);
  if (userPage && by.smap) return false;
  return !write || !by.writeProtect || (rights & RIGHTS.write) !== 0;
};

/** PKRU where CR4.PKE lets it govern, else 0 (int32). SDM Vol. 3A, 4.6.2 Protection Keys */
export const userKeys = (W: Int32Array): number =>
  (W[2 * SLOT.cr4]! & CR4.pke) !== 0 ? W[2 * SLOT.pkru]! : 0;

/** IA32_PKRS where CR4.PKS lets it govern, else 0 (int32). */
export const supervisorKeys = (W: Int32Array): number =>
  (W[2 * SLOT.cr4]! & CR4.pks) !== 0 ? W[2 * SLOT.pkrs]! : 0;

const KEY_SHIFT = 27;
const ACCESS_DISABLE = 1;
const WRITE_DISABLE = 2;

/** Protection key of a leaf, bits 62:59. SDM Vol. 3A, 4.6.2 Protection Keys */
export const protectionKey = (high: number): number => (high >>> KEY_SHIFT) & 15;

/**
 * Whether a protection key denies a data access: PKRU for user pages, IA32_PKRS for accesses of the supervisor to its pages; each is 0 while its
 * bit of CR4 is. SDM Vol. 3A, 4.6.2 Protection Keys
 */
export const keyDenies = (
  rights: number,
  key: number,
  write: boolean,
  by: PagingRights,
  pkru: number,
  pkrs: number,
): boolean => {
  const userPage = (rights & RIGHTS.user) !== 0;
  if (!userPage && by.user) return false;
  const denied = (userPage ? pkru : pkrs) >>> (2 * key);
  if ((denied & ACCESS_DISABLE) !== 0) return true;
  return write && (denied & WRITE_DISABLE) !== 0 && (by.user || by.writeProtect);
};

/** The error code of a page fault from why it arose (the entry's P and reserved bits, the key) and what the access was. SDM Vol. 3A, 4.7 Page-Fault Exceptions */
export const pageFaultErrorCode = (
  present: boolean,
  reserved: boolean,
  write: boolean,
  fetch: boolean,
  by: PagingRights,
  keyDenied = false,
): number =>
  (present ? PAGE_FAULT.present : 0) |
  (write ? PAGE_FAULT.write : 0) |
  (by.user ? PAGE_FAULT.user : 0) |
  (reserved ? PAGE_FAULT.reserved | PAGE_FAULT.present : 0) |
  (keyDenied ? PAGE_FAULT.protectionKey : 0) |
  (fetch && (by.noExecute || by.smep) ? PAGE_FAULT.fetch : 0);
