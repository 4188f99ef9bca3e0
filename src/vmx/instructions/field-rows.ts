import { high32, join, low32 } from '../../core';
import type { Instruction, Operand } from '../../cpu/decode/instruction';
import type { SystemRow } from '../../cpu/engine/row';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { VMX_MISC } from '../capabilities';
import type { VmExit } from '../exit/vm-exit';
import type { VmxOperation } from '../operation';
import { type FieldRow, fieldIndex, fieldOfEncoding, VMCS_FIELDS } from '../vmcs';
import {
  operandAddress,
  operandDisplacement,
  operandInformation,
  registerOperand,
  secondRegister,
} from './operands';
import { inRootOperation } from './prologue';
import { type VmxResult, vmxRow } from './results';

/** Of all fields that there are. SDM Vol. 3D, Appendix B Field Encoding in VMCS */
const HIGHEST_ENCODING = 0x6fff;

/** A field as VMREAD and VMWRITE reach it: whole, or bits 63:32 alone. */
interface FieldAccess {
  readonly index: number;
  readonly high: boolean;
  readonly readOnly: boolean;
}

/** By encoding. */
const accesses: (FieldAccess | undefined)[] = new Array(HIGHEST_ENCODING + 1).fill(undefined);
for (const [name, row] of Object.entries(VMCS_FIELDS) as [keyof typeof VMCS_FIELDS, FieldRow][])
  for (const encoding of row.width === 64 ? [row.encoding, row.encoding + 1] : [row.encoding])
    accesses[encoding] = {
      index: fieldIndex(name),
      high: fieldOfEncoding(encoding)!.high,
      readOnly: row.area === 'read-only',
    };

/** The field that a register names on this processor. All bits of the operand count. */
const accessTo = (vmx: VmxOperation, cpu: ProcessorDraft, operand: Operand): FieldAccess | undefined => {
  const half = 2 * registerOperand(operand)!.number;
  const { W } = cpu;
  const encoding = W[half] >>> 0;
  if (encoding > HIGHEST_ENCODING || (cpu.mode64 && W[half + 1] !== 0)) return undefined;
  const access = accesses[encoding];
  return access !== undefined && vmx.supported[access.index] === 1 ? access : undefined;
};

/** 64 bits in 64-bit mode, else 32. */
const operandWidth = (cpu: ProcessorDraft): 32 | 64 => (cpu.mode64 ? 64 : 32);

const exitOf =
  (
    reason: 'vmread' | 'vmwrite',
    cpu: ProcessorDraft,
    instruction: Instruction,
    data: Operand,
    encoding: Operand,
  ) =>
  (): VmExit => ({
    reason,
    length: instruction.length,
    displacement: operandDisplacement(cpu, data),
    information: operandInformation(data) | secondRegister(encoding),
  });

// SDM Vol. 3C, VMREAD—Read Field from Virtual-Machine Control Structure
const vmread = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const [destination, source] = instruction.operands;
  const vmx = inRootOperation(cpu, instruction, exitOf('vmread', cpu, instruction, destination, source));
  if (vmx.current === undefined) return 'VMfailInvalid';
  const access = accessTo(vmx, cpu, source);
  if (access === undefined) return 'unsupportedVmcsComponent';
  const { halves } = vmx.current.data;
  const half = 2 * access.index;
  const low = halves[access.high ? half + 1 : half];
  const high = access.high || !cpu.mode64 ? 0 : halves[half + 1];
  if (destination.kind === 'memory') {
    const bytes = operandWidth(cpu) / 8;
    cpu.mmu.write(operandAddress(cpu, destination, bytes, true), bytes, join(low, high));
  } else {
    const register = 2 * registerOperand(destination)!.number;
    cpu.W[register] = low;
    cpu.W[register + 1] = high;
  }
  return 'VMsucceed';
};

// SDM Vol. 3C, VMWRITE—Write Field to Virtual-Machine Control Structure
const vmwrite = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const [target, source] = instruction.operands;
  const vmx = inRootOperation(cpu, instruction, exitOf('vmwrite', cpu, instruction, source, target));
  const vmcs = vmx.current;
  if (vmcs === undefined) return 'VMfailInvalid';
  let low: number;
  let high: number;
  if (source.kind === 'memory') {
    const bytes = operandWidth(cpu) / 8;
    const value = cpu.mmu.read(operandAddress(cpu, source, bytes, false), bytes);
    low = low32(value);
    high = high32(value);
  } else {
    const register = 2 * registerOperand(source)!.number;
    low = cpu.W[register];
    high = cpu.mode64 ? cpu.W[register + 1] : 0;
  }
  const access = accessTo(vmx, cpu, target);
  if (access === undefined) return 'unsupportedVmcsComponent';
  if (access.readOnly && VMX_MISC.get(vmx.capabilities.ia32VmxMisc, 'vmwriteAnyField') === 0n)
    return 'vmwriteReadOnlyComponent';
  const { data } = vmcs;
  if (access.high) data.setHalves(access.index, data.halves[2 * access.index], low);
  else data.setHalves(access.index, low, high);
  vmcs.changed();
  return 'VMsucceed';
};

export const FIELD_ROWS: readonly SystemRow[] = [
  { ...vmxRow('vmread', vmread), keepsMode: true },
  { ...vmxRow('vmwrite', vmwrite), keepsMode: true },
];
