import { maskOf, shiftRight, u64 } from '../../../core';
import type { Instruction, MemoryOperand, Operand, RegisterOperand } from '../../decode/instruction';
import { RIP_BASE } from '../../decode/instruction';
import type { SystemRow } from '../../engine/row';
import { announces, type FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { ACCESS_RIGHTS, CR4, FLAG, SLOT } from '../../slots';
import type { InterceptedInstruction, Virtualization } from '../../virtualization';

export type Execute = SystemRow['execute'];

export const systemRow = (mnemonic: string, execute: Execute): SystemRow => ({
  kind: 'system',
  mnemonic,
  execute,
});

/** #GP(0) unless CPL is 0. SDM Vol. 3A, 5.9 Privileged Instructions */
export const requirePrivilege = (cpu: ProcessorDraft): void => {
  if (cpu.cpl !== 0) cpu.generalProtection();
};
/** #UD unless the processor announces a feature. */
export const requireFeature = (cpu: ProcessorDraft, feature: FeatureName): void => {
  if (!announces(cpu.cpuid, feature)) cpu.invalidOpcode();
};
/** #UD in non-root operation unless a control enables the instruction. */
export const requireEnabled = (
  cpu: ProcessorDraft,
  id: Parameters<Virtualization['instructionEnabled']>[1],
): void => {
  if (cpu.nonRoot && cpu.virtualization?.instructionEnabled(cpu, id) === false) cpu.invalidOpcode();
};
/** #UD unless in 64-bit mode. */
export const require64 = (cpu: ProcessorDraft): void => {
  if (!cpu.mode64) cpu.invalidOpcode();
};
/** #UD outside protected mode: the instruction is recognized in no other. */
export const requireProtectedMode = (cpu: ProcessorDraft): void => {
  if (!cpu.protectedMode || cpu.virtual8086) cpu.invalidOpcode();
};
/** #GP(0) for SGDT, SIDT, SLDT, SMSW and STR of users. SDM Vol. 3A, 2.5: CR4.UMIP */
export const requireUmipPrivilege = (cpu: ProcessorDraft): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.umip) !== 0) requirePrivilege(cpu);
};
/** The place of interception of an instruction, in non-root operation. */
export const intercept = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  what: InterceptedInstruction,
): void => {
  if (cpu.nonRoot) cpu.virtualization?.intercept(cpu, instruction, what);
};

/** I/O privilege level. */
export const ioPrivilege = (cpu: ProcessorDraft): number => (cpu.W[2 * SLOT.rflags] >> 12) & 3;

// ---- registers

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

// ---- memory operands

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

// ---- the stack

/** Width of the stack pointer: 64 bits in 64-bit mode, else by SS.B. SDM Vol. 1, 6.2.3 Address-Size Attributes for Stack Accesses */
export const stackWidth = (cpu: ProcessorDraft): 16 | 32 | 64 => {
  if (cpu.mode64) return 64;
  return (cpu.W[2 * SLOT.ss + 1] & ACCESS_RIGHTS.db) !== 0 ? 32 : 16;
};

/** Linear address of the stack slot `ahead` bytes above (or below) the stack pointer. */
const slotAddress = (cpu: ProcessorDraft, ahead: number, bytes: number, write: boolean): bigint => {
  const offset = (cpu.R[SLOT.rsp] + BigInt(ahead)) & maskOf(stackWidth(cpu));
  return linearAddress(cpu, SEGMENT.ss, offset, bytes, write);
};

/** Reads a stack slot; RSP stays. */
export const peek = (cpu: ProcessorDraft, ahead: number, bytes: number): bigint =>
  cpu.mmu.read(slotAddress(cpu, ahead, bytes, false), bytes);

/** Moves the stack pointer. */
export const releaseStack = (cpu: ProcessorDraft, bytes: number): void => {
  const width = stackWidth(cpu);
  setGeneral(cpu, SLOT.rsp, width, cpu.R[SLOT.rsp] + BigInt(bytes));
};

/** Pushes values in order: all or nothing. */
export const pushAll = (cpu: ProcessorDraft, bytes: number, values: readonly bigint[]): void => {
  const addresses = values.map((_, index) => slotAddress(cpu, -bytes * (index + 1), bytes, true));
  for (const linear of addresses) cpu.mmu.probeWrite(linear, bytes);
  addresses.forEach((linear, index) => {
    cpu.mmu.write(linear, bytes, values[index] & maskOf(8 * bytes));
  });
  releaseStack(cpu, -bytes * values.length);
};
