import type { Gpa, Gva } from '../core';
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
  /** Cumulative `EPT_RIGHTS` of the path; 0 when an entry is not present. */
  readonly rights: number;
  /** The linear address being translated; undefined when there is none (PDPTE loads). */
  readonly linear: Gva | undefined;
  /** The access is to a guest paging-structure entry, not to the translation of the linear address. */
  readonly pagingStructure: boolean;
}

/** A present entry holds a setting that is reserved. SDM Vol. 3C, 29.3.3.1 EPT Misconfigurations */
export interface EptMisconfiguration {
  readonly kind: 'ept-misconfiguration';
  readonly gpa: Gpa;
}

/** What ends a walk through EPT without a translation. SDM Vol. 3C, 29.3.3.1 EPT Misconfigurations, 29.3.3.2 EPT Violations */
export type EptFault = EptViolation | EptMisconfiguration;

/** Whether the cumulative rights of a path allow an access. */
export const eptAllows = (rights: number, access: EptAccess): boolean =>
  !(
    (access.read && (rights & EPT_RIGHTS.read) === 0) ||
    (access.write && (rights & EPT_RIGHTS.write) === 0) ||
    (access.fetch && (rights & EPT_RIGHTS.execute) === 0)
  );

const READ = 1 << 0;
const WRITE = 1 << 1;
const FETCH = 1 << 2;
const RIGHTS_SHIFT = 3;
const LINEAR_VALID = 1 << 7;
const FINAL_TRANSLATION = 1 << 8;

/**
 * Exit qualification of an EPT violation, bits 8:0; "NMI unblocking due to IRET" is added by the VM exit.
 * SDM Vol. 3C, Table 28-7 Exit Qualification for EPT Violations
 */
export const eptViolationQualification = (violation: Omit<EptViolation, 'kind' | 'gpa'>): number =>
  (violation.access.read ? READ : 0) |
  (violation.access.write ? WRITE : 0) |
  (violation.access.fetch ? FETCH : 0) |
  (violation.rights << RIGHTS_SHIFT) |
  (violation.linear === undefined ? 0 : LINEAR_VALID | (violation.pagingStructure ? 0 : FINAL_TRANSLATION));
