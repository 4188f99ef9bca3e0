import { VECTOR } from '../../cpu/event';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { type EptViolation, eptViolationQualification } from '../../ept';
import { unblockingBit } from '../exit/exit-fields';
import { EXIT_REASONS } from '../exit/exit-reasons';
import type { VmxOperation } from '../operation';
import { fieldIndex } from '../vmcs';
import { controlMask } from '../vmcs/halves';

const EPT_VIOLATION_VE = controlMask('eptViolationVe');
const INFORMATION_ADDRESS = fieldIndex('virtualizationExceptionInfoAddress');
const EPTP_INDEX = fieldIndex('eptpIndex');
const BUSY = 0xffff_ffffn;

/** Offsets in the virtualization-exception information area. SDM Vol. 3C, 26.5.7.2 Virtualization-Exception Information */
const AREA = { reason: 0, busy: 4, qualification: 8, linear: 16, physical: 24, eptpIndex: 32 } as const;

/**
 * Raises #VE in place of the VM exit of an EPT violation where nothing stands against it, and saves what the area says of it. Bit 63 of the entry that
 * ended the walk, which is not present or maps the page, makes it convertible when it is 0; `entryHigh` is its high half (int32).
 * SDM Vol. 3C, 26.5.7 Virtualization Exceptions, 26.5.7.1 Convertible EPT Violations
 */
export const convertViolation = (
  vmx: VmxOperation,
  cpu: ProcessorDraft,
  violation: Omit<EptViolation, 'kind'>,
  entryHigh: number,
): void => {
  if ((vmx.secondary & EPT_VIOLATION_VE) === 0 || entryHigh < 0) return;
  if (!cpu.protectedMode || cpu.delivering) return;
  const { mmu } = cpu;
  const { words } = vmx.current!.data;
  const area = Number(words[INFORMATION_ADDRESS]);
  if (mmu.readPhysical(area + AREA.busy, 4) !== 0n) return;
  const qualification = eptViolationQualification(violation) | unblockingBit(cpu.nmiUnblocked);
  mmu.writePhysical(area + AREA.reason, 4, BigInt(EXIT_REASONS.eptViolation.number));
  mmu.writePhysical(area + AREA.busy, 4, BUSY);
  mmu.writePhysical(area + AREA.qualification, 8, BigInt(qualification));
  mmu.writePhysical(area + AREA.linear, 8, violation.linear ?? 0n);
  mmu.writePhysical(area + AREA.physical, 8, BigInt(violation.gpa));
  mmu.writePhysical(area + AREA.eptpIndex, 2, words[EPTP_INDEX]);
  cpu.raise(VECTOR.ve);
};
