import { ENTRY, gpa } from '../../core';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import type { PhysicalAccess } from '../../cpu/virtualization';
import { eptAllows, highHalf, lowHalf } from '../../ept';
import type { VmxOperation } from '../operation';

/** Guest-physical to host-physical; leaves with an EPT violation or misconfiguration. SDM Vol. 3C, 29.3 The Extended Page Table Mechanism (EPT) */
export const translateGuestPhysical = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  address: number,
  access: PhysicalAccess,
): number => {
  if (!vmx.eptEnabled) return address;
  if (vmx.fallbackTables !== undefined) vmx.fallbackTables.mmu = cpu.mmu;
  const walk = vmx.eptWalk;
  const end = walk.translate(lowHalf(address), highHalf(address));
  if (end === ENTRY.leaf && eptAllows(walk.rights, access)) return walk.frame * 4096 + (address & 4095);
  if (end === ENTRY.reserved) return cpu.leave({ reason: 'eptMisconfiguration', gpa: gpa(address) });
  return cpu.leave({
    reason: 'eptViolation',
    gpa: gpa(address),
    access: { read: access.read, write: access.write, fetch: access.fetch },
    rights: walk.rights,
    linear: access.linear,
    pagingStructure: access.pagingStructure,
  });
};
