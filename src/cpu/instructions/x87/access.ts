import { maskOf } from '../../../core';
import type { Instruction, MemoryOperand } from '../../decode/instruction';
import { VECTOR } from '../../event';
import type { X87State } from '../../extended-state';
import { announces } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { CR0, SLOT } from '../../slots';
import { effectiveAddress } from '../system/operands';
import { requireFeature } from '../system/privilege';

/** Bits of the status word. SDM Vol. 1, 8.1.3 x87 FPU Status Register */
export const STATUS = {
  invalid: 1 << 0,
  denormal: 1 << 1,
  overflow: 1 << 3,
  underflow: 1 << 4,
  precision: 1 << 5,
  stackFault: 1 << 6,
  /** An exception is pending that the control word does not mask. */
  summary: 1 << 7,
  c0: 1 << 8,
  c1: 1 << 9,
  c2: 1 << 10,
  c3: 1 << 14,
  busy: 1 << 15,
} as const;
/** Status bits 5:0 raise, control bits 5:0 mask. */
export const EXCEPTIONS = 0x3f;

export const topOf = ({ status }: X87State): number => (status >> 11) & 7;

/** The physical register behind ST(i). */
export const physicalOf = (x87: X87State, index: number): number => (topOf(x87) + index) & 7;

export const setX87 = (cpu: ProcessorDraft, changes: Partial<X87State>): void => {
  cpu.extended = Object.freeze({
    ...cpu.extended,
    x87: Object.freeze({ ...cpu.extended.x87, ...changes }),
  });
};

/** Status with the error summary and its copy, the busy bit, as exceptions and masks ask. */
export const summarized = (status: number, control: number): number =>
  (status & EXCEPTIONS & ~control) === 0
    ? status & ~(STATUS.summary | STATUS.busy)
    : status | STATUS.summary | STATUS.busy;

const unavailable = (cpu: ProcessorDraft): never => cpu.raise(VECTOR.nm);

/** #NM for an x87 instruction: CR0.EM or CR0.TS. SDM Vol. 3A, 2.5 Control Registers */
export const requireX87 = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'fpu');
  if ((cpu.W[2 * SLOT.cr0] & (CR0.em | CR0.ts)) !== 0) unavailable(cpu);
};

/** #NM for FWAIT: CR0.MP and CR0.TS. SDM Vol. 2, WAIT/FWAIT */
export const requireWait = (cpu: ProcessorDraft): void => {
  const both = CR0.mp | CR0.ts;
  if ((cpu.W[2 * SLOT.cr0] & both) === both) unavailable(cpu);
};

/** #MF when an unmasked exception is pending. SDM Vol. 1, 8.7.1 Native Mode */
export const requireNoPending = (cpu: ProcessorDraft): void => {
  if ((cpu.extended.x87.status & STATUS.summary) === 0) return;
  // SDM Vol. 1, 8.7.2 MS-DOS Compatibility Sub-mode: FERR# to an interrupt controller
  if ((cpu.W[2 * SLOT.cr0] & CR0.ne) === 0) cpu.unbuilt('x87 exception through FERR#');
  cpu.raise(VECTOR.mf);
};

/** Opcode, instruction pointer and, with a memory operand, data pointer of a non-control instruction. SDM Vol. 1, 8.1.8 x87 FPU Instruction and Data (Operand) Pointers */
export const pointers = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  unmasked: boolean,
): Partial<X87State> => {
  const selectors = !announces(cpu.cpuid, 'fcs-fds-deprecated');
  const data = instruction.operands.find((one): one is MemoryOperand => one.kind === 'memory');
  const remembersData = unmasked || !announces(cpu.cpuid, 'fdp-exceptions-only');
  return {
    ...(unmasked ? { opcode: instruction.x87Opcode! } : {}),
    instructionPointer: cpu.rip & maskOf(cpu.codeSize === 64 ? 64 : 32),
    codeSelector: selectors && !cpu.mode64 ? cpu.W[2 * SLOT.cs] : 0,
    ...(data === undefined || !remembersData
      ? {}
      : {
          dataPointer: effectiveAddress(cpu, data),
          dataSelector: selectors && !cpu.mode64 ? cpu.W[2 * (SLOT.es + data.segment)] : 0,
        }),
  };
};
