import type { ProcessorDraft } from '../../processor-draft';
import { CR4, FLAG, SLOT } from '../../slots';
import { ioPrivilege } from './privilege';

/**
 * Whether PUSHF, POPF or IRET of this operand width shows and loads VIF in place of IF. #GP(0) in virtual-8086 mode with an IOPL below 3 when CR4.VME
 * or the width does not allow it. SDM Vol. 3B, 21.2.7 Sensitive Instructions
 */
export const usesVirtualInterruptFlag = (cpu: ProcessorDraft, width: number): boolean => {
  if (!cpu.virtual8086 || ioPrivilege(cpu) === 3) return false;
  if ((cpu.W[2 * SLOT.cr4] & CR4.vme) === 0 || width !== 16) cpu.generalProtection();
  return true;
};

/** #GP(0) for an image that would single-step, or enable virtual interrupts while one is pending. SDM Vol. 2, POPF */
export const checkVirtualFlags = (cpu: ProcessorDraft, image: bigint): void => {
  const flags = Number(image & 0xffffn);
  const admits = (flags & FLAG.if) !== 0 && cpu.flag(FLAG.vip);
  if (admits || (flags & FLAG.tf) !== 0) cpu.generalProtection();
};

/** VIF becomes IF of the image. */
export const setVirtualInterruptFlag = (cpu: ProcessorDraft, image: bigint): void => {
  if ((image & BigInt(FLAG.if)) !== 0n) cpu.W[2 * SLOT.rflags] |= FLAG.vif;
  else cpu.W[2 * SLOT.rflags] &= ~FLAG.vif;
};
