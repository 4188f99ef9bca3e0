import { isCanonical } from '../../../core';
import type { SegmentNumber } from '../../decode/instruction';
import { VECTOR } from '../../event';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddressBits } from '../../segmented-address';
import {
  accessed,
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isContradictoryCode,
  isNull,
  isPresent,
  isUsable,
  isWritableData,
  nullSegment,
  readDescriptor,
  SEGMENT,
  type SegmentValue,
  segmentRaw,
  selectorError,
  setSegmentRaw,
} from '../../segments';
import { ACCESS_RIGHTS } from '../../slots';

/** A code segment that passed its checks: to be loaded with a CPL in its selector. */
export interface CodeTarget {
  readonly descriptor: Descriptor;
  /** CPL after the transfer. */
  readonly privilege: number;
  readonly mode64: boolean;
}

const target = (cpu: ProcessorDraft, descriptor: Descriptor, privilege: number): CodeTarget => ({
  descriptor,
  privilege,
  mode64: cpu.longMode && (descriptor.rights & ACCESS_RIGHTS.l) !== 0,
});

const refuseUnlessPresent = (cpu: ProcessorDraft, { selector, rights }: Descriptor): void => {
  if (cpu.longMode && isContradictoryCode(rights)) cpu.generalProtection(selectorError(selector));
  if (!isPresent(rights)) cpu.raise(VECTOR.np, selectorError(selector));
};

/** #GP(0) when a far target is not canonical in 64-bit mode, or beyond the limit of the code segment otherwise. */
export const checkTarget = (
  cpu: ProcessorDraft,
  { descriptor, mode64 }: CodeTarget,
  offset: bigint,
): void => {
  const inside = mode64 ? isCanonical(offset, linearAddressBits(cpu)) : offset <= BigInt(descriptor.limit);
  if (!inside) cpu.generalProtection();
};

/** The target of a far JMP or CALL that names a code segment. SDM Vol. 3A, 5.8.1 Direct Calls or Jumps to Code Segments */
export const directTarget = (cpu: ProcessorDraft, descriptor: Descriptor): CodeTarget => {
  const { rights, selector } = descriptor;
  const { cpl } = cpu;
  const allowed = isConforming(rights)
    ? dplOf(rights) <= cpl
    : (selector & 3) <= cpl && dplOf(rights) === cpl;
  if (!isCode(rights) || !allowed) cpu.generalProtection(selectorError(selector));
  refuseUnlessPresent(cpu, descriptor);
  return target(cpu, descriptor, cpl);
};

/**
 * The target of a call gate: a CALL may go to an inner level, a JMP stays. In IA-32e mode it is 64-bit code. The RPL does not matter.
 * SDM Vol. 3A, 5.8.4 Accessing a Code Segment Through a Call Gate
 */
export const gateTarget = (cpu: ProcessorDraft, selector: number, calls: boolean): CodeTarget => {
  if (isNull(selector)) cpu.generalProtection();
  const descriptor = readDescriptor(cpu, selector);
  const { rights } = descriptor;
  const { cpl } = cpu;
  const dpl = dplOf(rights);
  const stays = isConforming(rights) || !calls;
  const allowed = isConforming(rights) || calls ? dpl <= cpl : dpl === cpl;
  if (!isCode(rights) || !allowed) cpu.generalProtection(selectorError(selector));
  if (cpu.longMode && (rights & ACCESS_RIGHTS.l) === 0) cpu.generalProtection(selectorError(selector));
  refuseUnlessPresent(cpu, descriptor);
  return target(cpu, descriptor, stays ? cpl : dpl);
};

/** The target of a far RET or IRET. SDM Vol. 3A, 5.8.6 Returning from a Called Procedure */
export const returnTarget = (cpu: ProcessorDraft, selector: number): CodeTarget => {
  if (isNull(selector)) cpu.generalProtection();
  const descriptor = readDescriptor(cpu, selector);
  const { rights } = descriptor;
  const rpl = selector & 3;
  const allowed = isConforming(rights) ? dplOf(rights) <= rpl : dplOf(rights) === rpl;
  if (!isCode(rights) || rpl < cpu.cpl || !allowed) cpu.generalProtection(selectorError(selector));
  refuseUnlessPresent(cpu, descriptor);
  return target(cpu, descriptor, rpl);
};

/** The stack segment of a return, for the CPL after it. SDM Vol. 2, RET, IRET */
export const returnStack = (cpu: ProcessorDraft, selector: number, to: CodeTarget): SegmentValue => {
  const { privilege } = to;
  if (isNull(selector)) {
    if (!to.mode64 || privilege === 3 || (selector & 3) !== privilege) cpu.generalProtection();
    return nullSegment(selector, privilege);
  }
  const descriptor = readDescriptor(cpu, selector);
  const { rights } = descriptor;
  if ((selector & 3) !== privilege || !isWritableData(rights) || dplOf(rights) !== privilege)
    cpu.generalProtection(selectorError(selector));
  if (!isPresent(rights)) cpu.raise(VECTOR.ss, selectorError(selector));
  return accessed(cpu, descriptor);
};

/** Loads CS. CPL itself is that of SS, which a change of privilege loads too. */
export const loadCode = (
  cpu: ProcessorDraft,
  { descriptor, privilege }: CodeTarget,
  code: SegmentValue,
): void => {
  setSegmentRaw(cpu, SEGMENT.cs, { ...code, selector: (descriptor.selector & 0xfffc) | privilege });
  cpu.mmu.contextChanged();
};

const DATA: readonly SegmentNumber[] = [SEGMENT.es, SEGMENT.ds, SEGMENT.fs, SEGMENT.gs];

/** After a return to an outer level: data registers too privileged for it become null. SDM Vol. 3A, 5.8.6 */
export const dropPrivilegedData = (cpu: ProcessorDraft): void => {
  for (const segment of DATA) {
    const value = segmentRaw(cpu, segment);
    const keeps = !isUsable(value.rights) || isConforming(value.rights) || dplOf(value.rights) >= cpu.cpl;
    // The bases of FS and GS stay: 64-bit mode uses them whatever the selector.
    if (!keeps) setSegmentRaw(cpu, segment, { ...nullSegment(0), base: value.base });
  }
};
