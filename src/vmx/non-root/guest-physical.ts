import { ENTRY, gpa, gva, high32, low32 } from '../../core';
import type { WayFault } from '../../cpu/caching';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import type { PhysicalAccess } from '../../cpu/virtualization';
import { type EptAccess, eptAllows, eptFetchRight, highHalf, lowHalf, withoutViolation } from '../../ept';
import type { VmExit } from '../exit/vm-exit';
import type { VmxOperation } from '../operation';
import { setAccessedAndDirty } from './accessed-dirty';
import { convertViolation } from './virtualization-exception';

/** Accesses to guest paging structures, the second with accessed and dirty flags. SDM Vol. 3C, 29.3.3.2 EPT Violations */
const READ: EptAccess = { read: true, write: false, fetch: false };
const READ_AND_WRITE: EptAccess = { read: true, write: true, fetch: false };

/** Leaves with an EPT violation or raises #VE; `entryHigh` is the high half of the entry of EPT that ended the walk. */
const violation = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  address: number,
  access: PhysicalAccess,
  wanted: EptAccess,
  rights: number,
  entryHigh: number,
): never => {
  const { linear, pagingStructure, linearRights, update } = access;
  const advanced = vmx.ept.advancedInformation && linear !== undefined && !pagingStructure;
  const reads = update && !pagingStructure && cpu.decide('update-violation', 2n, 0n) === 1n;
  const what = {
    gpa: gpa(address),
    access: { read: wanted.read || reads, write: wanted.write, fetch: wanted.fetch },
    rights,
    linear: linear === undefined ? undefined : gva(linear),
    pagingStructure,
    linearRights: advanced ? linearRights : undefined,
  };
  const at =
    linear === undefined || pagingStructure ? undefined : { low: low32(linear), high: high32(linear) };
  cpu.mmu.forget((caches, now) => withoutViolation(caches, address, at, now));
  convertViolation(vmx, cpu, what, entryHigh);
  return cpu.leave({ reason: 'eptViolation', ...what } satisfies VmExit);
};

/**
 * Guest-physical to host-physical; sets accessed and dirty flags where they are on. Leaves with an EPT violation, a misconfiguration, a full
 * page-modification log, or #VE. SDM Vol. 3C, 29.3 The Extended Page Table Mechanism (EPT)
 */
export const translateGuestPhysical = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  address: number,
  access: PhysicalAccess,
): number => {
  if (!vmx.eptEnabled) return address;
  if (vmx.fallbackTables !== undefined) vmx.fallbackTables.mmu = cpu.mmu;
  const walk = vmx.eptWalk;
  const wanted = walk.accessedDirty && access.pagingStructure ? READ_AND_WRITE : access;
  const end = walk.translate(lowHalf(address), highHalf(address));
  if (
    end === ENTRY.leaf &&
    eptAllows(walk.rights, wanted, eptFetchRight(walk.modeBased, access.linearRights))
  ) {
    const { frame } = walk;
    if (walk.accessedDirty) setAccessedAndDirty(vmx, cpu, address, wanted.write);
    return frame * 4096 + (address & 4095);
  }
  if (end === ENTRY.reserved)
    return cpu.leave({ reason: 'eptMisconfiguration', gpa: gpa(address) } satisfies VmExit);
  return violation(vmx, cpu, address, access, wanted, walk.rights, walk.path.high);
};

/** Leaves with what a remembered translation says; `entryHigh` as in `violation`. */
export const refuseTranslation = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  fault: Exclude<WayFault, { kind: 'page-fault' }>,
  access: PhysicalAccess,
  entryHigh: number,
): never => {
  if (fault.kind === 'ept-misconfiguration')
    return cpu.leave({ reason: 'eptMisconfiguration', gpa: gpa(fault.gpa) } satisfies VmExit);
  const { pagingStructure, linearRights } = fault;
  const { read, write, fetch, linear, update } = access;
  const what = { read, write, fetch, linear, linearRights, pagingStructure, update };
  const asTable = vmx.eptWalk.accessedDirty ? READ_AND_WRITE : READ;
  return violation(vmx, cpu, fault.gpa, what, pagingStructure ? asTable : access, fault.rights, entryHigh);
};
