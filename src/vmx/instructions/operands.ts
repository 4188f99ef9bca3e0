import { u64 } from '../../core';
import {
  type Instruction,
  type MemoryOperand,
  type Operand,
  type RegisterOperand,
  RIP_BASE,
} from '../../cpu/decode/instruction';
import type { ProcessorDraft } from '../../cpu/processor-draft';
import { linearAddress } from '../../cpu/segmented-address';

const ADDRESS_SIZE = { 16: 0, 32: 1, 64: 2 } as const;
const REGISTER_FORM = 1 << 10;
const NO_INDEX = 1 << 22;
const NO_BASE = 1 << 27;

/** The memory operand of an instruction; #UD when it has none. */
export const memoryOperand = (cpu: ProcessorDraft, instruction: Instruction): MemoryOperand => {
  const operand = instruction.operands.find(({ kind }) => kind === 'memory');
  return operand?.kind === 'memory' ? operand : cpu.invalidOpcode();
};

export const registerOperand = (operand: Operand | undefined): RegisterOperand | undefined =>
  operand?.kind === 'register' ? operand : undefined;

/** Offset in the segment, of the operand's address width. */
const effectiveAddress = (cpu: ProcessorDraft, operand: MemoryOperand): bigint => {
  const { base, index, scale, displacement, addressWidth } = operand;
  const from = base === RIP_BASE ? cpu.nextRip : base < 0 ? 0n : cpu.R[base];
  const scaled = index < 0 ? 0n : cpu.R[index] << BigInt(scale);
  return BigInt.asUintN(addressWidth, from + scaled + displacement);
};

/** Linear address of an operand of `bytes` bytes; leaves with #GP(0) or #SS(0). */
export const operandAddress = (
  cpu: ProcessorDraft,
  operand: MemoryOperand,
  bytes: number,
  write: boolean,
): bigint => linearAddress(cpu, operand.segment, effectiveAddress(cpu, operand), bytes, write);

/** Exit qualification of an exit due to an instruction with this operand. SDM Vol. 3C, 28.2.1 Basic VM-Exit Information */
export const operandDisplacement = (cpu: ProcessorDraft, operand: Operand | undefined): bigint => {
  if (operand?.kind !== 'memory') return 0n;
  return u64(operand.base === RIP_BASE ? operand.displacement + cpu.nextRip : operand.displacement);
};

/**
 * VM-exit instruction information of a memory or register operand (int32): scaling, address size, segment, index and base, or the register.
 * SDM Vol. 3C, 28.2.5 Information for VM Exits Due to Instruction Execution
 */
export const operandInformation = (operand: Operand | undefined): number => {
  if (operand?.kind === 'register') return REGISTER_FORM | (operand.number << 3);
  if (operand?.kind !== 'memory') return 0;
  const { base, index, scale, addressWidth, segment } = operand;
  return (
    (index < 0 ? NO_INDEX : scale | (index << 18)) |
    (ADDRESS_SIZE[addressWidth] << 7) |
    (segment << 15) |
    (base < 0 || base === RIP_BASE ? NO_BASE : base << 23)
  );
};

/** Bits 31:28, the second register operand. */
export const secondRegister = (operand: Operand | undefined): number =>
  (registerOperand(operand)?.number ?? 0) << 28;
