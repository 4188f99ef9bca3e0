import { ModelError } from '../../core';
import type { Instruction } from '../../cpu/decode/instruction';
import type { SystemRow } from '../../cpu/engine/row';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { FLAG } from '../../cpu/slots';
import { storeStatusFlags } from '../../cpu/status-flags';
import { VmxOperation } from '../operation';
import { fieldIndex } from '../vmcs';
import { INSTRUCTION_ERRORS, type InstructionError } from './instruction-errors';

/** How a VMX instruction ends; an error is VMfail with its number. SDM Vol. 3C, 31.2 Conventions */
export type VmxResult = 'VMsucceed' | 'VMfailInvalid' | InstructionError;

const VM_INSTRUCTION_ERROR = fieldIndex('vmInstructionError');

/**
 * Status flags and VM-instruction error of a result: VMsucceed clears all flags; VMfailInvalid sets CF alone; VMfail sets ZF alone and the error
 * field of the current VMCS, and is VMfailInvalid when there is none. SDM Vol. 3C, 31.2 Conventions
 */
export const conclude = (cpu: ProcessorDraft, result: VmxResult): void => {
  if (result === 'VMsucceed') storeStatusFlags(cpu.W, 0);
  else {
    const { virtualization } = cpu;
    if (!(virtualization instanceof VmxOperation)) throw new ModelError('a VMX instruction without VMX');
    const vmcs = result === 'VMfailInvalid' ? undefined : virtualization.current;
    storeStatusFlags(cpu.W, vmcs === undefined ? FLAG.cf : FLAG.zf);
    if (vmcs === undefined || result === 'VMfailInvalid') return;
    vmcs.data.words[VM_INSTRUCTION_ERROR] = BigInt(INSTRUCTION_ERRORS[result].number);
    vmcs.changed();
  }
};

/** A VMX instruction as a row; `entered` leaves the flags to the state that was loaded, `exits`: `cpu.exit` holds a VM exit. */
export const vmxRow = (
  mnemonic: string,
  semantics: (cpu: ProcessorDraft, instruction: Instruction) => VmxResult | 'entered' | 'exits',
): SystemRow => ({
  kind: 'system',
  mnemonic,
  execute: (cpu, instruction) => {
    const result = semantics(cpu, instruction);
    if (result !== 'entered' && result !== 'exits') conclude(cpu, result);
  },
});
