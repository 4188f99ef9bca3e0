import type { Gpa, Gva } from '../core';
import { RIGHTS } from '../cpu/paging-format';
import { EPT_RIGHTS } from './entry';

/** What an access to a guest-physical address wants. */
export interface EptAccess {
  readonly read: boolean;
  readonly write: boolean;
  readonly fetch: boolean;
}

/** The rights of the path do not allow the access, or an entry is not present. SDM Vol. 3C, 29.3.3.2 EPT Violations */
export interface EptViolation {
  readonly kind: 'ept-violation';
  readonly gpa: Gpa;
  readonly access: EptAccess;
  /** Cumulative `EPT_RIGHTS` of the path, `userExecute` under mode-based execute control; 0 when an entry is not present. */
  readonly rights: number;
  /** The linear address being translated; undefined when there is none (PDPTE loads). */
  readonly linear: Gva | undefined;
  /** The access is to a guest paging-structure entry, not to the translation of the linear address. */
  readonly pagingStructure: boolean;
  /** `RIGHTS` that the guest's paging gives the linear address; undefined where the processor does not report them or there are none. */
  readonly linearRights?: number | undefined;
}

/** A present entry holds a setting that is reserved. SDM Vol. 3C, 29.3.3.1 EPT Misconfigurations */
export interface EptMisconfiguration {
  readonly kind: 'ept-misconfiguration';
  readonly gpa: Gpa;
}

/** What ends a walk through EPT without a translation. SDM Vol. 3C, 29.3.3.1 EPT Misconfigurations, 29.3.3.2 EPT Violations */
export type EptFault = EptViolation | EptMisconfiguration;

/** What a fetch needs: under mode-based execute control it depends on the guest's rights to the linear address. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism */
export const eptFetchRight = (modeBased: boolean, linearRights: number): number =>
  modeBased && (linearRights & RIGHTS.user) !== 0 ? EPT_RIGHTS.userExecute : EPT_RIGHTS.execute;

/** Whether the cumulative rights of a path allow an access; `fetchRight` is the one of `EPT_RIGHTS` that a fetch needs. */
export const eptAllows = (
  rights: number,
  access: EptAccess,
  fetchRight: number = EPT_RIGHTS.execute,
): boolean =>
  !(
    (access.read && (rights & EPT_RIGHTS.read) === 0) ||
    (access.write && (rights & EPT_RIGHTS.write) === 0) ||
    (access.fetch && (rights & fetchRight) === 0)
  );

const READ = 1 << 0;
const WRITE = 1 << 1;
const FETCH = 1 << 2;
const RIGHTS_SHIFT = 3;
const THREE_RIGHTS = EPT_RIGHTS.read | EPT_RIGHTS.write | EPT_RIGHTS.execute;
const USER_EXECUTABLE = 1 << 6;
const LINEAR_VALID = 1 << 7;
const FINAL_TRANSLATION = 1 << 8;
const USER_LINEAR = 1 << 9;
const WRITABLE_LINEAR = 1 << 10;
const EXECUTE_DISABLE_LINEAR = 1 << 11;

/** Bits 11:9: what the guest's paging says of the linear address. */
const advancedInformation = (linearRights: number): number =>
  ((linearRights & RIGHTS.user) === 0 ? 0 : USER_LINEAR) |
  ((linearRights & RIGHTS.write) === 0 ? 0 : WRITABLE_LINEAR) |
  ((linearRights & RIGHTS.execute) === 0 ? EXECUTE_DISABLE_LINEAR : 0);

const linearInformation = (pagingStructure: boolean, linearRights: number | undefined): number => {
  if (pagingStructure) return LINEAR_VALID;
  return (
    LINEAR_VALID | FINAL_TRANSLATION | (linearRights === undefined ? 0 : advancedInformation(linearRights))
  );
};

/**
 * Exit qualification of an EPT violation, bits 11:0; bits that are undefined are 0; "NMI unblocking due to IRET" is added by the VM exit.
 * SDM Vol. 3C, Table 28-7 Exit Qualification for EPT Violations
 */
export const eptViolationQualification = (violation: Omit<EptViolation, 'kind' | 'gpa'>): number =>
  (violation.access.read ? READ : 0) |
  (violation.access.write ? WRITE : 0) |
  (violation.access.fetch ? FETCH : 0) |
  ((violation.rights & THREE_RIGHTS) << RIGHTS_SHIFT) |
  ((violation.rights & EPT_RIGHTS.userExecute) === 0 ? 0 : USER_EXECUTABLE) |
  (violation.linear === undefined ? 0 : linearInformation(violation.pagingStructure, violation.linearRights));
