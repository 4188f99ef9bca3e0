import { maskOf, shiftRight, u64 } from '../../../core';
import { type MemoryOperand, type Operand, type RegisterOperand, RIP_BASE } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { FLAG, SLOT } from '../../slots';

/** The low `width` bits of a general-purpose register. */
export const general = (cpu: ProcessorDraft, number: number, width: number): bigint =>
  cpu.R[number] & maskOf(width);

/** Writes a general-purpose register: 32 bits clear the upper half, 8 and 16 keep the rest. SDM Vol. 1, 3.4.1.1 */
export const setGeneral = (cpu: ProcessorDraft, number: number, width: number, value: bigint): void => {
  const mask = maskOf(width);
  const kept = width < 32 ? cpu.R[number] & ~mask : 0n;
  cpu.R[number] = kept | (value & mask);
};

/** EDX:EAX. */
export const pair = (cpu: ProcessorDraft): bigint =>
  (general(cpu, SLOT.rdx, 32) << 32n) | general(cpu, SLOT.rax, 32);

export const setPair = (cpu: ProcessorDraft, value: bigint): void => {
  setGeneral(cpu, SLOT.rax, 32, value);
  setGeneral(cpu, SLOT.rdx, 32, shiftRight(value, 32n));
};

export const registerOf = (operand: Operand | undefined): RegisterOperand => operand as RegisterOperand;

export const memoryOf = (operand: Operand | undefined): MemoryOperand => operand as MemoryOperand;

/** Number of a segment, control or debug register operand. */
export const numberOf = (operand: Operand | undefined): number => (operand as { number: number }).number;

export const setZero = (cpu: ProcessorDraft, zero: boolean): void => {
  const flags = cpu.rflags & ~BigInt(FLAG.zf);
  cpu.rflags = zero ? flags | BigInt(FLAG.zf) : flags;
};

/** Effective address, cut to the address width. SDM Vol. 1, 3.7.5 Specifying an Offset */
export const effectiveAddress = (cpu: ProcessorDraft, operand: MemoryOperand): bigint => {
  const { R } = cpu;
  const base = operand.base === RIP_BASE ? cpu.nextRip : operand.base < 0 ? 0n : R[operand.base];
  const index = operand.index < 0 ? 0n : R[operand.index] << BigInt(operand.scale);
  return (base + index + operand.displacement) & maskOf(operand.addressWidth);
};

/** Linear address without any check, as exits and INVLPG use it. */
export const uncheckedLinear = (cpu: ProcessorDraft, segment: number, offset: bigint): bigint => {
  if (!cpu.mode64) return BigInt.asUintN(32, cpu.R[SLOT.esBase + segment] + offset);
  return segment >= SEGMENT.fs ? u64(cpu.R[SLOT.esBase + segment] + offset) : u64(offset);
};

/** Checked linear address of `bytes` bytes, `ahead` bytes into the operand. */
export const linearOf = (
  cpu: ProcessorDraft,
  operand: MemoryOperand,
  bytes: number,
  write: boolean,
  ahead = 0,
): bigint => {
  const offset = (effectiveAddress(cpu, operand) + BigInt(ahead)) & maskOf(operand.addressWidth);
  return linearAddress(cpu, operand.segment, offset, bytes, write);
};

export const readMemory = (cpu: ProcessorDraft, operand: MemoryOperand, bytes: number, ahead = 0): bigint =>
  cpu.mmu.read(linearOf(cpu, operand, bytes, false, ahead), bytes);

/** A register or memory operand of at most `width` bits: 16-bit selectors and the like. */
export const readOperand = (cpu: ProcessorDraft, operand: Operand | undefined, width: number): bigint =>
  operand?.kind === 'memory'
    ? readMemory(cpu, operand, width / 8)
    : general(cpu, registerOf(operand).number, width);

/** Writes 16 bits to memory, or a zero-extended value to a register of its own width. */
export const writeOperand = (cpu: ProcessorDraft, operand: Operand | undefined, value: bigint): void => {
  if (operand?.kind === 'memory') cpu.mmu.write(linearOf(cpu, operand, 2, true), 2, value & 0xffffn);
  else setGeneral(cpu, registerOf(operand).number, registerOf(operand).width, value);
};

/** A far pointer as software gives it; the offset is of the operand width. */
export interface FarPointer {
  readonly selector: number;
  readonly offset: bigint;
}

/** Selector and offset of a far pointer, in the instruction or in memory. */
export const farPointer = (cpu: ProcessorDraft, operand: Operand, width: number): FarPointer => {
  if (operand.kind === 'far') return { selector: operand.selector, offset: BigInt(operand.offset) };
  if (operand.kind !== 'memory') return cpu.invalidOpcode();
  const bytes = width / 8;
  const offset = readMemory(cpu, operand, bytes);
  return { offset, selector: Number(readMemory(cpu, operand, 2, bytes)) };
};
