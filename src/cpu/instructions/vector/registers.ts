import { maskOf } from '../../../core';
import type { Operand } from '../../decode/instruction';
import { VECTOR } from '../../event';
import type { FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { CR0, CR4, SLOT } from '../../slots';
import { bytesOf, MemoryArea, wordOf } from '../memory-area';
import { requireFeature } from '../system/privilege';
import { requireNoPending, setX87 } from '../x87/access';

/** A register of the MMX, XMM or YMM file. */
export interface VectorRegister {
  readonly file: 'mm' | 'xmm' | 'ymm' | 'zmm';
  readonly number: number;
  readonly bits: number;
}

const BITS = { mm: 64, xmm: 128, ymm: 256, zmm: 512 } as const;

const parsed = (name: string): VectorRegister => {
  const [, file, number] = /^([a-z]+)(\d+)$/.exec(name)! as unknown as [
    string,
    VectorRegister['file'],
    string,
  ];
  return { file, number: Number(number), bits: BITS[file] };
};
const REGISTERS = new Map<string, VectorRegister>();

export const vectorOf = (operand: Operand | undefined): VectorRegister => {
  const { name } = operand as { name: string };
  const known = REGISTERS.get(name) ?? parsed(name);
  REGISTERS.set(name, known);
  return known;
};

export const isMemory = (operand: Operand | undefined): boolean => operand?.kind === 'memory';

const XMM = maskOf(128);
/** Sign and exponent that a write to an MMX register gives the x87 register behind it. SDM Vol. 1, 9.2.1 MMX Registers */
const MMX_HIGH = 0xffffn << 64n;

export const readRegister = (cpu: ProcessorDraft, { file, number, bits }: VectorRegister): bigint =>
  (file === 'mm' ? cpu.extended.x87.registers[number] : cpu.extended.vectors[number]) & maskOf(bits);

/** Writes a register: the rest of a YMM register is kept by SSE instructions, and cleared by those with VEX. */
export const writeRegister = (
  cpu: ProcessorDraft,
  { file, number, bits }: VectorRegister,
  value: bigint,
  vex: boolean,
): void => {
  const { extended } = cpu;
  if (file === 'mm') {
    const registers = Object.freeze(extended.x87.registers.with(number, MMX_HIGH | (value & maskOf(64))));
    setX87(cpu, { registers });
    return;
  }
  const kept = vex ? 0n : extended.vectors[number] & ~XMM;
  const vectors = Object.freeze(extended.vectors.with(number, kept | (value & maskOf(bits))));
  cpu.extended = Object.freeze({ ...extended, vectors });
};

const isTaskSwitched = (cpu: ProcessorDraft): boolean => (cpu.W[2 * SLOT.cr0] & CR0.ts) !== 0;

/** #UD or #NM of an SSE instruction. SDM Vol. 2, 2.4 AVX and SSE Instruction Exception Classification */
export const requireSse = (cpu: ProcessorDraft, feature: FeatureName): void => {
  requireFeature(cpu, feature);
  if ((cpu.W[2 * SLOT.cr0] & CR0.em) !== 0 || (cpu.W[2 * SLOT.cr4] & CR4.osfxsr) === 0) cpu.invalidOpcode();
  if (isTaskSwitched(cpu)) cpu.raise(VECTOR.nm);
};

const SSE_AND_AVX = 6;

/** #UD or #NM of an instruction with a VEX prefix. SDM Vol. 2, 2.4 AVX and SSE Instruction Exception Classification */
export const requireAvx = (cpu: ProcessorDraft, feature: FeatureName): void => {
  requireFeature(cpu, feature);
  if (!cpu.protectedMode || cpu.virtual8086) cpu.invalidOpcode();
  if ((cpu.W[2 * SLOT.cr4] & CR4.osxsave) === 0) cpu.invalidOpcode();
  if ((cpu.W[2 * SLOT.xcr0] & SSE_AND_AVX) !== SSE_AND_AVX) cpu.invalidOpcode();
  if (isTaskSwitched(cpu)) cpu.raise(VECTOR.nm);
};

/** #UD, #NM or #MF of an MMX instruction, which also makes all registers valid. SDM Vol. 1, 9.5.1 MMX Instructions and the x87 FPU Tag Word */
export const requireMmx = (cpu: ProcessorDraft, feature: FeatureName = 'mmx'): void => {
  requireFeature(cpu, feature);
  if ((cpu.W[2 * SLOT.cr0] & CR0.em) !== 0) cpu.invalidOpcode();
  if (isTaskSwitched(cpu)) cpu.raise(VECTOR.nm);
  requireNoPending(cpu);
};

/** The tag word and TOP after an MMX instruction; nothing of it may fault any more. */
export const enterMmx = (cpu: ProcessorDraft): void => {
  const { full, status } = cpu.extended.x87;
  if (full !== 0xff || (status & (7 << 11)) !== 0) setX87(cpu, { full: 0xff, status: status & ~(7 << 11) });
};

/** Reads a register, or memory of `bits`; `aligned` demands natural alignment of memory. */
export const readVector = (
  cpu: ProcessorDraft,
  operand: Operand | undefined,
  bits: number,
  aligned: boolean,
): bigint => {
  if (operand?.kind !== 'memory') return readRegister(cpu, vectorOf(operand)) & maskOf(bits);
  // The low elements alone of some MMX and SSE sources.
  const bytes = Math.min(operand.width, bits) / 8;
  return wordOf(new MemoryArea(cpu, operand, bytes, false, aligned ? bytes : 1).read(0, bytes));
};

export const writeMemory = (
  cpu: ProcessorDraft,
  operand: Operand | undefined,
  bits: number,
  value: bigint,
  aligned: boolean,
): void => {
  if (operand?.kind !== 'memory') return;
  const bytes = bits / 8;
  new MemoryArea(cpu, operand, bytes, true, aligned ? bytes : 1).write(0, bytesOf(value, bytes));
};
