import type { Instruction } from '../../cpu/decode/instruction';
import type { SystemRow } from '../../cpu/engine/row';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { SLOT } from '../../cpu/slots';
import { eptpError, withoutCombinedOfVpid0 } from '../../ept';
import { requireBuiltEptPointer } from '../entry/built';
import type { VmExit } from '../exit/vm-exit';
import type { VmxOperation } from '../operation';
import { fieldIndex } from '../vmcs';
import { controlMask, halfOf } from '../vmcs/halves';
import { vmxOf } from './prologue';

const ENABLE_VM_FUNCTIONS = controlMask('enableVmFunctions');
const ENABLE_VPID = controlMask('enableVpid');
const VM_FUNCTION_CONTROLS = halfOf('vmFunctionControls');
const EPT_POINTER = fieldIndex('eptPointer');
const EPTP_LIST = fieldIndex('eptpListAddress');
const EPTP_INDEX = fieldIndex('eptpIndex');
const FUNCTIONS = 64;
const LIST_ENTRIES = 512;

/** SDM Vol. 3C, 26.5.6.3 EPTP Switching: false where it causes a VM exit. */
const switchEptp = (vmx: VmxOperation, cpu: ProcessorDraft): boolean => {
  const index = cpu.W[2 * SLOT.rcx] >>> 0;
  if (index >= LIST_ENTRIES) return false;
  const vmcs = vmx.current!;
  const { words, written } = vmcs.data;
  const eptp = cpu.mmu.readPhysical(Number(words[EPTP_LIST]) + 8 * index, 8);
  if (eptpError(eptp, vmx.ept) !== undefined) return false;
  requireBuiltEptPointer(Number(eptp & 0xfffn));
  words[EPT_POINTER] = eptp;
  written[EPT_POINTER] = 1;
  if (vmx.supported[EPTP_INDEX] === 1) {
    words[EPTP_INDEX] = BigInt(index);
    written[EPTP_INDEX] = 1;
  }
  vmcs.changed();
  vmx.followEptPointer();
  if ((vmx.secondary & ENABLE_VPID) === 0) cpu.mmu.invalidate(withoutCombinedOfVpid0);
  cpu.mmu.contextChanged();
  return true;
};

// SDM Vol. 3C, 26.5.6.2 General Operation of the VMFUNC Instruction: at any CPL, in any mode
const vmfunc = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const vmx = vmxOf(cpu);
  const number = cpu.W[2 * SLOT.rax] >>> 0;
  if (!cpu.nonRoot) cpu.invalidOpcode();
  if ((vmx.secondary & ENABLE_VM_FUNCTIONS) === 0 || number >= FUNCTIONS) cpu.invalidOpcode();
  const controls = vmx.current!.data.halves;
  const enabled = (controls[VM_FUNCTION_CONTROLS + (number >> 5)] & (1 << (number & 31))) !== 0;
  if (enabled && number === 0 && switchEptp(vmx, cpu)) return;
  cpu.leave({ reason: 'vmfunc', length: instruction.length } satisfies VmExit);
};

export const VM_FUNCTION_ROW: SystemRow = { kind: 'system', mnemonic: 'vmfunc', execute: vmfunc };
