import { announces, type FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import type { Virtualization } from '../../virtualization';

/** #GP(0) unless CPL is 0. SDM Vol. 3A, 5.9 Privileged Instructions */
export const requirePrivilege = (cpu: ProcessorDraft): void => {
  if (cpu.cpl !== 0) cpu.generalProtection();
};

/** #UD unless the processor announces a feature. */
export const requireFeature = (cpu: ProcessorDraft, feature: FeatureName): void => {
  if (!announces(cpu.cpuid, feature)) cpu.invalidOpcode();
};

/** #UD in non-root operation unless a control enables the instruction. */
export const requireEnabled = (
  cpu: ProcessorDraft,
  id: Parameters<Virtualization['instructionEnabled']>[1],
): void => {
  if (cpu.nonRoot && cpu.virtualization?.instructionEnabled(cpu, id) === false) cpu.invalidOpcode();
};

/** #UD unless in 64-bit mode. */
export const require64 = (cpu: ProcessorDraft): void => {
  if (!cpu.mode64) cpu.invalidOpcode();
};

/** #UD outside protected mode: the instruction is recognized in no other. */
export const requireProtectedMode = (cpu: ProcessorDraft): void => {
  if (!cpu.protectedMode || cpu.virtual8086) cpu.invalidOpcode();
};

/** #GP(0) for SGDT, SIDT, SLDT, SMSW and STR of users. SDM Vol. 3A, 2.5: CR4.UMIP */
export const requireUmipPrivilege = (cpu: ProcessorDraft): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.umip) !== 0) requirePrivilege(cpu);
};

/** CR4.TSD. SDM Vol. 3A, 2.5 Control Registers */
export const requireTimeStampPrivilege = (cpu: ProcessorDraft): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.tsd) !== 0) requirePrivilege(cpu);
};

/** I/O privilege level. */
export const ioPrivilege = (cpu: ProcessorDraft): number => (cpu.W[2 * SLOT.rflags] >> 12) & 3;
