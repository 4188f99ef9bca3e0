import { shiftRight } from '../../core';
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
  readonly width: number;
  readonly readOnly: boolean;
}

/** By encoding. */
const accesses: (FieldAccess | undefined)[] = new Array(HIGHEST_ENCODING + 1).fill(undefined);
for (const [name, row] of Object.entries(VMCS_FIELDS) as [keyof typeof VMCS_FIELDS, FieldRow][])
  for (const encoding of row.width === 64 ? [row.encoding, row.encoding + 1] : [row.encoding])
    accesses[encoding] = {
      index: fieldIndex(name),
      high: fieldOfEncoding(encoding)!.high,
      width: row.width === 'natural' ? 64 : row.width,
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

/** A value as wide as operands are. */
const operandOf = (cpu: ProcessorDraft, value: bigint): bigint =>
  cpu.mode64 ? value : BigInt.asUintN(32, value);

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
  const word = vmx.current.data.words[access.index];
  const value = operandOf(cpu, access.high ? shiftRight(word, 32n) : word);
  if (destination.kind === 'memory') {
    const bytes = operandWidth(cpu) / 8;
    cpu.mmu.write(operandAddress(cpu, destination, bytes, true), bytes, value);
  } else cpu.R[registerOperand(destination)!.number] = value;
  return 'VMsucceed';
};

const readSource = (cpu: ProcessorDraft, operand: Operand): bigint => {
  if (operand.kind !== 'memory') return operandOf(cpu, cpu.R[registerOperand(operand)!.number]);
  const bytes = operandWidth(cpu) / 8;
  return cpu.mmu.read(operandAddress(cpu, operand, bytes, false), bytes);
};

// SDM Vol. 3C, VMWRITE—Write Field to Virtual-Machine Control Structure
const vmwrite = (cpu: ProcessorDraft, instruction: Instruction): VmxResult => {
  const [target, source] = instruction.operands;
  const vmx = inRootOperation(cpu, instruction, exitOf('vmwrite', cpu, instruction, source, target));
  const vmcs = vmx.current;
  if (vmcs === undefined) return 'VMfailInvalid';
  const value = readSource(cpu, source);
  const access = accessTo(vmx, cpu, target);
  if (access === undefined) return 'unsupportedVmcsComponent';
  if (access.readOnly && VMX_MISC.get(vmx.capabilities.ia32VmxMisc, 'vmwriteAnyField') === 0n)
    return 'vmwriteReadOnlyComponent';
  const { words, written } = vmcs.data;
  words[access.index] = access.high
    ? BigInt.asUintN(32, words[access.index]) | (BigInt.asUintN(32, value) << 32n)
    : access.width === 64
      ? value
      : BigInt.asUintN(access.width, value);
  written[access.index] = 1;
  vmcs.changed();
  return 'VMsucceed';
};

export const FIELD_ROWS: readonly SystemRow[] = [
  { ...vmxRow('vmread', vmread), keepsMode: true },
  { ...vmxRow('vmwrite', vmwrite), keepsMode: true },
];
