import { RIGHTS } from './paging-format';

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

export const pageFaultErrorCode = (
  present: boolean,
  reserved: boolean,
  write: boolean,
  fetch: boolean,
  by: PagingRights,
): number =>
  (present ? PAGE_FAULT.present : 0) |
  (write ? PAGE_FAULT.write : 0) |
  (by.user ? PAGE_FAULT.user : 0) |
  (reserved ? PAGE_FAULT.reserved | PAGE_FAULT.present : 0) |
  (fetch && (by.noExecute || by.smep) ? PAGE_FAULT.fetch : 0);
