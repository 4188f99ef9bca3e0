import type { Instruction } from '../../cpu/decode/instruction';
import type { SystemRow } from '../../cpu/engine/row';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { enterGuest } from '../entry/vm-entry';
import type { VmExit } from '../exit/vm-exit';
import { checkMode, inRootOperation, vmxOf } from './prologue';
import { type VmxResult, vmxRow } from './results';

// SDM Vol. 3C, VMLAUNCH/VMRESUME—Launch/Resume Virtual Machine
const entry =
  (reason: 'vmlaunch' | 'vmresume') =>
  (cpu: ProcessorDraft, instruction: Instruction): VmxResult | 'entered' => {
    const vmx = inRootOperation(cpu, instruction, () => ({ reason, length: instruction.length }));
    return enterGuest(vmx, cpu, reason);
  };

// SDM Vol. 3C, VMCALL—Call to VM Monitor: no dual-monitor treatment, so that root operation always fails.
const vmcall = (cpu: ProcessorDraft, instruction: Instruction): VmxResult | 'exits' => {
  const vmx = vmxOf(cpu);
  if (instruction.lock || !vmx.on) cpu.invalidOpcode();
  if (cpu.nonRoot) {
    cpu.exit = { reason: 'vmcall', length: instruction.length } satisfies VmExit;
    return 'exits';
  }
  checkMode(cpu);
  if (cpu.cpl > 0) cpu.generalProtection();
  return 'vmcallInVmxRoot';
};

export const ENTRY_ROWS: readonly SystemRow[] = [
  vmxRow('vmlaunch', entry('vmlaunch')),
  vmxRow('vmresume', entry('vmresume')),
  vmxRow('vmcall', vmcall),
];
