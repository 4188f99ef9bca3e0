import { isCanonical, MASK32, shiftRight } from '../../../core';
import type { Instruction, SegmentNumber } from '../../decode/instruction';
import { trapByNewFlags } from '../../events';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddressBits } from '../../segmented-address';
import { SEGMENT, setSegmentRaw } from '../../segments';
import { ACCESS_RIGHTS, EFER, FLAG, SLOT } from '../../slots';
import { require64, requireFeature, requirePrivilege } from './privilege';
import { systemRow } from './system-row';

// SDM Vol. 3A, 5.8.7 and 5.8.8: flat segments with fixed attributes; no descriptor is read
const FLAT = 0xffffffff;
const CODE_TYPE = 11;
const DATA_TYPE = 3;
/** RPL of the selectors that SYSRET and SYSEXIT load. */
const USER = 3;
const ORDINARY = ACCESS_RIGHTS.s | ACCESS_RIGHTS.present | ACCESS_RIGHTS.g;

const setFlat = (cpu: ProcessorDraft, segment: SegmentNumber, selector: number, rights: number): void =>
  setSegmentRaw(cpu, segment, { selector: selector & 0xffff, base: 0n, limit: FLAT, rights });

/** Loads CS and SS for a privilege level, and with them the mode. `code` and `stack` are selectors, whose RPL is as it is. */
const setFlatMode = (
  cpu: ProcessorDraft,
  privilege: 0 | 3,
  code: number,
  stack: number,
  wide: boolean,
): void => {
  const dpl = privilege << ACCESS_RIGHTS.dplShift;
  setFlat(cpu, SEGMENT.cs, code, ORDINARY | CODE_TYPE | dpl | (wide ? ACCESS_RIGHTS.l : ACCESS_RIGHTS.db));
  setFlat(cpu, SEGMENT.ss, stack, ORDINARY | DATA_TYPE | dpl | ACCESS_RIGHTS.db);
  cpu.disarm();
  cpu.mmu.contextChanged();
};

const requireSyscall = (cpu: ProcessorDraft): void => {
  require64(cpu);
  requireFeature(cpu, 'syscall');
  if ((cpu.W[2 * SLOT.efer] & EFER.sce) === 0) cpu.invalidOpcode();
};

const systemCall = (cpu: ProcessorDraft): void => {
  requireSyscall(cpu);
  const { R } = cpu;
  const flags = cpu.rflags & ~BigInt(FLAG.rf);
  const selector = Number(shiftRight(R[SLOT.star], 32n) & 0xffffn);
  R[SLOT.rcx] = cpu.nextRip;
  R[SLOT.r11] = flags;
  cpu.rflags = flags & ~R[SLOT.fmask];
  trapByNewFlags(cpu);
  // SDM Vol. 2, SYSCALL: RPL of CS is cleared, that of SS is not.
  setFlatMode(cpu, 0, selector & 0xfffc, selector + 8, true);
  cpu.nextRip = R[SLOT.lstar];
};

const LOADABLE = 0x3c7fd7n;

// SDM Vol. 2, SYSRET: a non-canonical RCX faults at CPL 0
const systemReturn = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireSyscall(cpu);
  requirePrivilege(cpu);
  const { R } = cpu;
  const wide = instruction.operandWidth === 64;
  const target = R[SLOT.rcx];
  if (wide && !isCanonical(target, linearAddressBits(cpu))) cpu.generalProtection();
  const selector = Number(shiftRight(R[SLOT.star], 48n) & 0xffffn);
  cpu.rflags = (R[SLOT.r11] & LOADABLE) | 2n;
  trapByNewFlags(cpu);
  setFlatMode(cpu, 3, (selector + (wide ? 16 : 0)) | USER, (selector + 8) | USER, wide);
  cpu.nextRip = wide ? target : target & MASK32;
};

const requireSysenter = (cpu: ProcessorDraft): number => {
  requireFeature(cpu, 'sep');
  const selector = cpu.W[2 * SLOT.sysenterCs] & 0xfffc;
  if (!cpu.protectedMode || selector === 0) cpu.generalProtection();
  return selector;
};

const enterSystem = (cpu: ProcessorDraft): void => {
  const selector = requireSysenter(cpu);
  const { R } = cpu;
  const wide = cpu.longMode;
  cpu.W[2 * SLOT.rflags] &= ~(FLAG.vm | FLAG.if | FLAG.rf);
  setFlatMode(cpu, 0, selector, selector + 8, wide);
  R[SLOT.rsp] = wide ? R[SLOT.sysenterEsp] : R[SLOT.sysenterEsp] & MASK32;
  cpu.nextRip = wide ? R[SLOT.sysenterEip] : R[SLOT.sysenterEip] & MASK32;
};

const exitSystem = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireFeature(cpu, 'sep');
  if (!cpu.protectedMode) cpu.generalProtection();
  requirePrivilege(cpu);
  const selector = requireSysenter(cpu);
  const { R } = cpu;
  const wide = instruction.operandWidth === 64;
  const target = R[SLOT.rdx];
  const stack = R[SLOT.rcx];
  const bits = linearAddressBits(cpu);
  if (wide && !(isCanonical(target, bits) && isCanonical(stack, bits))) cpu.generalProtection();
  const code = (selector + (wide ? 32 : 16)) | USER;
  setFlatMode(cpu, 3, code, code + 8, wide);
  R[SLOT.rsp] = wide ? stack : stack & MASK32;
  cpu.nextRip = wide ? target : target & MASK32;
};

const swapBase = (cpu: ProcessorDraft): void => {
  require64(cpu);
  requirePrivilege(cpu);
  const { R } = cpu;
  const base = R[SLOT.gsBase];
  R[SLOT.gsBase] = R[SLOT.kernelGsBase];
  R[SLOT.kernelGsBase] = base;
};

export const SYSTEM_CALL_ROWS = [
  systemRow('syscall', systemCall),
  systemRow('sysret', systemReturn),
  systemRow('sysenter', enterSystem),
  systemRow('sysexit', exitSystem),
  systemRow('swapgs', swapBase),
];
