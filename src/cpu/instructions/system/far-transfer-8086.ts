import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { checkBranchTarget } from '../../segmented-address';
import { loadVirtual8086Segments, paragraphSegment, SEGMENT, setSegmentRaw } from '../../segments';
import { FLAG, SLOT } from '../../slots';
import { type FarPointer, farPointer } from './operands';
import { peek, preparePush, releaseStack } from './stack';
import {
  checkVirtualFlags,
  setVirtualInterruptFlag,
  usesVirtualInterruptFlag,
} from './virtual-interrupt-flag';

// Far transfers where selectors name no descriptors. SDM Vol. 3B, 21.1.3 Instructions Supported in Real-Address Mode

/** Loads CS:EIP, which was found within the limit. */
const goTo = (cpu: ProcessorDraft, { selector, offset }: FarPointer): void => {
  setSegmentRaw(cpu, SEGMENT.cs, paragraphSegment(cpu, SEGMENT.cs, selector));
  cpu.nextRip = offset;
  cpu.mmu.contextChanged();
};

/** Far JMP. #GP(0) when the target is beyond the limit of CS. SDM Vol. 2, JMP */
export const jump8086 = (cpu: ProcessorDraft, { operands, operandWidth }: Instruction): void => {
  const to = farPointer(cpu, operands[0], operandWidth);
  checkBranchTarget(cpu, to.offset);
  goTo(cpu, to);
};

/** Far CALL: room for both pushes is looked for before the limit. SDM Vol. 2, CALL */
export const call8086 = (cpu: ProcessorDraft, { operands, operandWidth }: Instruction): void => {
  const to = farPointer(cpu, operands[0], operandWidth);
  const push = preparePush(cpu, operandWidth / 8, [BigInt(cpu.W[2 * SLOT.cs] & 0xffff), cpu.nextRip]);
  checkBranchTarget(cpu, to.offset);
  push();
  goTo(cpu, to);
};

/** The far pointer on top of the stack. */
const poppedPointer = (cpu: ProcessorDraft, bytes: number): FarPointer => {
  const offset = peek(cpu, 0, bytes);
  const selector = Number(peek(cpu, bytes, bytes) & 0xffffn);
  return { selector, offset };
};

/** Far RET. SDM Vol. 2, RET */
export const return8086 = (cpu: ProcessorDraft, { operands, operandWidth }: Instruction): void => {
  const [released] = operands;
  const bytes = operandWidth / 8;
  const to = poppedPointer(cpu, bytes);
  checkBranchTarget(cpu, to.offset);
  releaseStack(cpu, 2 * bytes + (released?.kind === 'immediate' ? Number(released.value) : 0));
  goTo(cpu, to);
};

const ALWAYS = FLAG.cf | FLAG.pf | FLAG.af | FLAG.zf | FLAG.sf | FLAG.tf | FLAG.df | FLAG.of | FLAG.nt;
const WIDE = FLAG.rf | FLAG.ac | FLAG.id;

/**
 * IRET in real-address mode, and in virtual-8086 mode, where it does not change IOPL: #GP(0) when that is below 3, unless VIF stands for IF.
 * SDM Vol. 2, IRET/IRETD/IRETQ
 */
export const interruptReturn8086 = (cpu: ProcessorDraft, { operandWidth }: Instruction): void => {
  const virtual = usesVirtualInterruptFlag(cpu, operandWidth);
  const bytes = operandWidth / 8;
  const to = poppedPointer(cpu, bytes);
  const image = peek(cpu, 2 * bytes, bytes);
  checkBranchTarget(cpu, to.offset);
  if (virtual) checkVirtualFlags(cpu, image);
  const privileged = (virtual ? 0 : FLAG.if) | (cpu.protectedMode ? 0 : FLAG.iopl);
  const loadable = BigInt(ALWAYS | WIDE | privileged) & maskOf(operandWidth);
  releaseStack(cpu, 3 * bytes);
  const kept = cpu.rflags & ~loadable & ~BigInt(FLAG.rf);
  cpu.rflags = kept | (image & loadable);
  if (virtual) setVirtualInterruptFlag(cpu, image);
  goTo(cpu, to);
};

const FLAGS_OF_TASK = BigInt(ALWAYS | WIDE | FLAG.if | FLAG.iopl | FLAG.vm | FLAG.vif | FLAG.vip);

/** IRET at CPL 0 whose image of EFLAGS has VM: nine doublewords are taken. SDM Vol. 3B, 21.2.5 Entering Virtual-8086 Mode; SDM Vol. 2, IRET/IRETD/IRETQ */
export const enterVirtual8086 = (cpu: ProcessorDraft): void => {
  const frame = Array.from({ length: 9 }, (_, index) => peek(cpu, 4 * index, 4));
  const [offset, cs, image, stack, ss, es, ds, fs, gs] = frame;
  if (offset > 0xffffn) cpu.generalProtection();
  cpu.rflags = (image & FLAGS_OF_TASK) | 2n;
  loadVirtual8086Segments(cpu, [es, cs, ss, ds, fs, gs].map(Number));
  cpu.R[SLOT.rsp] = stack;
  cpu.nextRip = offset;
};
