import type { Instruction } from '../../cpu/decode/instruction';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import type { VmExit } from '../exit/vm-exit';
import { VmxOperation } from '../operation';

/** VMX of this processor; #UD when it has none. */
export const vmxOf = (cpu: ProcessorDraft): VmxOperation =>
  cpu.virtualization instanceof VmxOperation ? cpu.virtualization : cpu.invalidOpcode();

/** #UD in real-address, virtual-8086 and compatibility mode, whatever the operation. */
export const checkMode = (cpu: ProcessorDraft): void => {
  if (!cpu.protectedMode || cpu.virtual8086 || (cpu.longMode && !cpu.mode64)) cpu.invalidOpcode();
};

/**
 * What comes before the operands of every VMX instruction but VMXON and VMCALL: #UD outside VMX operation and in the wrong mode, the VM exit
 * in non-root operation, #GP(0) when CPL is above 0. SDM Vol. 3C, 31.3 VMX Instructions
 */
export const inRootOperation = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  exit: () => VmExit,
): VmxOperation => {
  const vmx = vmxOf(cpu);
  if (instruction.lock || !vmx.on) cpu.invalidOpcode();
  checkMode(cpu);
  if (cpu.nonRoot) cpu.leave(exit());
  if (cpu.cpl > 0) cpu.generalProtection();
  return vmx;
};
