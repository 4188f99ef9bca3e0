import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { accessed, SEGMENT, setSegmentRaw } from '../../segments';
import { ACCESS_RIGHTS, FLAG, SLOT } from '../../slots';
import { previousTask, switchTaskBy } from '../../tasks';
import { callThroughGate, jumpThroughGate } from './call-gate';
import {
  type CodeTarget,
  checkTarget,
  dropPrivilegedData,
  loadCode,
  returnStack,
  returnTarget,
} from './code-segments';
import { farDestination } from './far-destination';
import { call8086, enterVirtual8086, interruptReturn8086, jump8086, return8086 } from './far-transfer-8086';
import { farPointer, setGeneral } from './operands';
import { ioPrivilege } from './privilege';
import { peek, preparePush, releaseStack } from './stack';
import { type Execute, systemRow } from './system-row';

/** The offset of a direct far JMP or CALL: 32 bits of it outside 64-bit mode. */
const offsetIn = ({ mode64 }: CodeTarget, offset: bigint): bigint =>
  mode64 ? offset : BigInt.asUintN(32, offset);

const jumpFar = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const { selector, offset } = farPointer(cpu, instruction.operands[0], instruction.operandWidth);
  const destination = farDestination(cpu, selector);
  if (destination.kind === 'call-gate') jumpThroughGate(cpu, destination.gate);
  else if (destination.kind === 'task') switchTaskBy(cpu, 'jmp', destination.selector, instruction.length);
  else {
    const { target } = destination;
    const to = offsetIn(target, offset);
    checkTarget(cpu, target, to);
    loadCode(cpu, target, accessed(cpu, target.descriptor));
    cpu.nextRip = to;
  }
};

const callFar = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const { operandWidth } = instruction;
  const { selector, offset } = farPointer(cpu, instruction.operands[0], operandWidth);
  const destination = farDestination(cpu, selector);
  if (destination.kind === 'call-gate') callThroughGate(cpu, destination.gate);
  else if (destination.kind === 'task') switchTaskBy(cpu, 'call', destination.selector, instruction.length);
  else {
    const { target } = destination;
    const to = offsetIn(target, offset);
    const returnAddress = [BigInt(cpu.W[2 * SLOT.cs] & 0xffff), cpu.nextRip];
    const push = preparePush(cpu, operandWidth / 8, returnAddress);
    checkTarget(cpu, target, to);
    const code = accessed(cpu, target.descriptor);
    push();
    loadCode(cpu, target, code);
    cpu.nextRip = to;
  }
};

/** Puts the stack pointer of an outer level in place: 64 bits, or the width of the new SS. */
const setOuterPointer = (cpu: ProcessorDraft, pointer: bigint): void => {
  const narrow = !cpu.mode64 && (cpu.W[2 * SLOT.ss + 1] & ACCESS_RIGHTS.db) === 0;
  setGeneral(cpu, SLOT.rsp, narrow ? 16 : 64, pointer);
};

// SDM Vol. 2, RET: far returns; the immediate is released from both stacks
const returnFar = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const [operand] = instruction.operands;
  const extra = operand?.kind === 'immediate' ? Number(operand.value) : 0;
  const bytes = instruction.operandWidth / 8;
  const offset = peek(cpu, 0, bytes);
  const target = returnTarget(cpu, Number(peek(cpu, bytes, bytes) & 0xffffn));
  if (target.privilege === cpu.cpl) {
    checkTarget(cpu, target, offset);
    const code = accessed(cpu, target.descriptor);
    releaseStack(cpu, 2 * bytes + extra);
    loadCode(cpu, target, code);
  } else {
    const pointer = peek(cpu, 2 * bytes + extra, bytes);
    const selector = Number(peek(cpu, 3 * bytes + extra, bytes) & 0xffffn);
    const stack = returnStack(cpu, selector, target);
    checkTarget(cpu, target, offset);
    const code = accessed(cpu, target.descriptor);
    setSegmentRaw(cpu, SEGMENT.ss, stack);
    loadCode(cpu, target, code);
    setOuterPointer(cpu, pointer);
    releaseStack(cpu, extra);
    dropPrivilegedData(cpu);
  }
  cpu.nextRip = offset;
};

const ALWAYS = FLAG.cf | FLAG.pf | FLAG.af | FLAG.zf | FLAG.sf | FLAG.tf | FLAG.df | FLAG.of | FLAG.nt;
const WIDE = FLAG.rf | FLAG.ac | FLAG.id;

/** The flags that IRET may change at this CPL and operand width. SDM Vol. 2, IRET */
const loadableFlags = (cpu: ProcessorDraft, width: number): bigint => {
  const { cpl } = cpu;
  let loadable = ALWAYS | WIDE;
  if (cpl <= ioPrivilege(cpu)) loadable |= FLAG.if;
  if (cpl === 0) loadable |= FLAG.iopl | FLAG.vif | FLAG.vip;
  return BigInt(loadable) & maskOf(width);
};

/** NMIs are unblocked by the execution of IRET, even of one that faults. SDM Vol. 3A, 6.7.1 Handling Multiple NMIs */
const unblockNmi = (cpu: ProcessorDraft): void => {
  if (cpu.nonRoot && cpu.virtualization) {
    cpu.nmiUnblocked = cpu.virtualization.unblockNmi(cpu);
  } else {
    cpu.nmiUnblocked = cpu.blockingByNmi;
    cpu.blockingByNmi = false;
  }
  if (cpu.nmiUnblocked) cpu.boundaryWork = true;
};

// SDM Vol. 2, IRET/IRETD/IRETQ
const returnFromInterrupt = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if (!cpu.usesDescriptors) {
    interruptReturn8086(cpu, instruction);
    return;
  }
  if (cpu.flag(FLAG.nt)) {
    if (cpu.longMode) cpu.generalProtection();
    switchTaskBy(cpu, 'iret', previousTask(cpu), instruction.length);
    return;
  }
  const width = instruction.operandWidth;
  const bytes = width / 8;
  const offset = peek(cpu, 0, bytes);
  const selector = Number(peek(cpu, bytes, bytes) & 0xffffn);
  const image = peek(cpu, 2 * bytes, bytes);
  if (!cpu.longMode && cpu.cpl === 0 && width === 32 && (image & BigInt(FLAG.vm)) !== 0n) {
    enterVirtual8086(cpu);
    return;
  }
  const target = returnTarget(cpu, selector);
  const outward = target.privilege > cpu.cpl;
  const popsStack = outward || cpu.mode64;
  const pointer = popsStack ? peek(cpu, 3 * bytes, bytes) : 0n;
  const stackSelector = popsStack ? Number(peek(cpu, 4 * bytes, bytes) & 0xffffn) : 0;
  const stack = popsStack ? returnStack(cpu, stackSelector, target) : undefined;
  checkTarget(cpu, target, offset);
  const code = accessed(cpu, target.descriptor);
  const loadable = loadableFlags(cpu, width);
  const flags = (cpu.rflags & ~loadable) | (image & loadable);
  if (stack === undefined) releaseStack(cpu, 3 * bytes);
  else setSegmentRaw(cpu, SEGMENT.ss, stack);
  cpu.rflags = width === 16 ? flags & ~BigInt(FLAG.rf) : flags;
  loadCode(cpu, target, code);
  if (stack !== undefined) setOuterPointer(cpu, pointer);
  if (outward) dropPrivilegedData(cpu);
  cpu.nextRip = offset;
};

const interruptReturn = (cpu: ProcessorDraft, instruction: Instruction): void => {
  unblockNmi(cpu);
  returnFromInterrupt(cpu, instruction);
  cpu.nmiUnblocked = false;
};

/** Either form of a far transfer. */
const byMode =
  (withoutDescriptors: Execute, withDescriptors: Execute): Execute =>
  (cpu, instruction) =>
    cpu.usesDescriptors ? withDescriptors(cpu, instruction) : withoutDescriptors(cpu, instruction);

const callByMode = byMode(call8086, callFar);

export const FAR_ROWS = [
  systemRow('jmp_far', byMode(jump8086, jumpFar)),
  systemRow('call_far', (cpu, instruction) => {
    callByMode(cpu, instruction);
    cpu.disarm();
  }),
  systemRow('ret_far', byMode(return8086, returnFar)),
  systemRow('iret', interruptReturn),
];
