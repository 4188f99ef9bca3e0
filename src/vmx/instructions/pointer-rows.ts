import type { Instruction } from '../../cpu/decode/instruction';
import type { SystemRow } from '../../cpu/engine/row';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { CR4, SLOT } from '../../cpu/slots';
import { controlSupported, FEATURE_CONTROL, revisionIdentifier, VMX_BASIC } from '../capabilities';
import type { VmExit } from '../exit/vm-exit';
import { registerAllowed } from '../non-root/control-registers';
import type { VmxOperation } from '../operation';
import { ActiveVmcs } from '../state';
import { readRegion, writeRegion } from '../vmcs/region';
import { memoryOperand, operandAddress, operandDisplacement, operandInformation } from './operands';
import { checkMode, inRootOperation, vmxOf } from './prologue';
import { type VmxResult, vmxRow } from './results';

type PointerInstruction = 'vmxon' | 'vmclear' | 'vmptrld' | 'vmptrst';

const POINTER_BYTES = 8;
const NO_VMCS = 0xffff_ffff_ffff_ffffn;
const SHADOW = 0x8000_0000;

const exitOf = (reason: PointerInstruction, cpu: ProcessorDraft, instruction: Instruction) => (): VmExit => {
  const operand = memoryOperand(cpu, instruction);
  return {
    reason,
    length: instruction.length,
    displacement: operandDisplacement(cpu, operand),
    information: operandInformation(operand),
  };
};

const readPointer = (cpu: ProcessorDraft, instruction: Instruction): bigint =>
  cpu.mmu.read(operandAddress(cpu, memoryOperand(cpu, instruction), POINTER_BYTES, false), POINTER_BYTES);

/** 4-KiB aligned, and within the physical-address width (32 bits with IA32_VMX_BASIC[48]). */
const isRegionAddress = (vmx: VmxOperation, pointer: bigint): boolean => {
  const narrow = VMX_BASIC.get(vmx.capabilities.ia32VmxBasic, 'physicalAddressWidth32') === 1n;
  const width = narrow ? 32 : vmx.physicalAddressWidth;
  return (pointer & 0xfffn) === 0n && pointer >> BigInt(width) === 0n;
};

const revisionAt = (cpu: ProcessorDraft, address: number): number => Number(cpu.mmu.readPhysical(address, 4));

/** SDM Vol. 3C, 24.7 Enabling and Entering VMX Operation: SMX operation is not modelled. */
const mayEnter = (vmx: VmxOperation, cpu: ProcessorDraft): boolean => {
  const control = cpu.R[SLOT.featureControl];
  return (
    !cpu.mmu.a20m &&
    registerAllowed(vmx, 0, cpu.R[SLOT.cr0], false) &&
    registerAllowed(vmx, 4, cpu.R[SLOT.cr4], false) &&
    FEATURE_CONTROL.get(control, 'lock') === 1n &&
    FEATURE_CONTROL.get(control, 'enableVmxOutsideSmx') === 1n
  );
};

// SDM Vol. 3C, VMXON—Enter VMX Operation
const vmxon = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = vmxOf(cpu);
  const operand = memoryOperand(cpu, instruction);
  if (instruction.lock || !cpu.protectedMode || (cpu.W[2 * SLOT.cr4] & CR4.vmxe) === 0) cpu.invalidOpcode();
  checkMode(cpu);
  if (vmx.on) {
    if (cpu.nonRoot) cpu.leave(exitOf('vmxon', cpu, instruction)());
    if (cpu.cpl > 0) cpu.generalProtection();
    return 'vmxonInVmxRoot';
  }
  if (cpu.cpl > 0 || !mayEnter(vmx, cpu)) cpu.generalProtection();
  const pointer = cpu.mmu.read(operandAddress(cpu, operand, POINTER_BYTES, false), POINTER_BYTES);
  if (!isRegionAddress(vmx, pointer)) return 'VMfailInvalid';
  const address = Number(pointer);
  if (revisionAt(cpu, address) !== revisionIdentifier(vmx.capabilities)) return 'VMfailInvalid';
  vmx.switchOn(address);
  return 'VMsucceed';
};

// SDM Vol. 3C, VMXOFF—Leave VMX Operation: active VMCSs stay active.
const vmxoff = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = inRootOperation(cpu, instruction, () => ({ reason: 'vmxoff', length: instruction.length }));
  vmx.switchOn(undefined);
  // A20M# counts again.
  if (cpu.mmu.a20m) cpu.mmu.flush();
  for (const vmcs of vmx.active.values()) {
    vmcs.vmxoffSinceLaunch = vmcs.data.launched;
    vmcs.changed();
  }
  return 'VMsucceed';
};

// SDM Vol. 3C, VMCLEAR—Clear Virtual-Machine Control Structure
const vmclear = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = inRootOperation(cpu, instruction, exitOf('vmclear', cpu, instruction));
  const pointer = readPointer(cpu, instruction);
  if (!isRegionAddress(vmx, pointer)) return 'vmclearInvalidAddress';
  const address = Number(pointer);
  if (address === vmx.vmxonPointer) return 'vmclearVmxonPointer';
  writeRegion(cpu.mmu, address, vmx.active.get(address)?.data, false);
  vmx.deactivate(address);
  return 'VMsucceed';
};

// SDM Vol. 3C, VMPTRLD—Load Pointer to Virtual-Machine Control Structure
const vmptrld = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = inRootOperation(cpu, instruction, exitOf('vmptrld', cpu, instruction));
  const pointer = readPointer(cpu, instruction);
  if (!isRegionAddress(vmx, pointer)) return 'vmptrldInvalidAddress';
  const address = Number(pointer);
  if (address === vmx.vmxonPointer) return 'vmptrldVmxonPointer';
  const revision = revisionAt(cpu, address);
  const shadow = revision >= SHADOW;
  if (
    (shadow ? revision - SHADOW : revision) !== revisionIdentifier(vmx.capabilities) ||
    (shadow && !controlSupported(vmx.capabilities, 'vmcsShadowing'))
  )
    return 'vmptrldIncorrectRevision';
  let vmcs = vmx.active.get(address);
  if (vmcs === undefined) {
    vmcs = new ActiveVmcs(address, readRegion(cpu.mmu, address));
    vmx.activate(vmcs);
  }
  vmx.current = vmcs;
  return 'VMsucceed';
};

// SDM Vol. 3C, VMPTRST—Store Pointer to Virtual-Machine Control Structure
const vmptrst = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const vmx = inRootOperation(cpu, instruction, exitOf('vmptrst', cpu, instruction));
  const linear = operandAddress(cpu, memoryOperand(cpu, instruction), POINTER_BYTES, true);
  const pointer = vmx.current === undefined ? NO_VMCS : BigInt(vmx.current.address);
  cpu.mmu.write(linear, POINTER_BYTES, pointer);
  return 'VMsucceed';
};

export const POINTER_ROWS: readonly SystemRow[] = [
  vmxRow('vmxon', vmxon),
  vmxRow('vmxoff', vmxoff),
  vmxRow('vmclear', vmclear),
  vmxRow('vmptrld', vmptrld),
  vmxRow('vmptrst', vmptrst),
];
