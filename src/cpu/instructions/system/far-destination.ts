import { shiftRight, u64 } from '../../../core';
import { VECTOR } from '../../event';
import type { ProcessorDraft } from '../../processor-draft';
import {
  type Descriptor,
  descriptorAddress,
  dplOf,
  isNull,
  isOrdinary,
  isPresent,
  readDescriptor,
  SYSTEM_TYPE,
  selectorError,
  typeOf,
} from '../../segments';
import { type CodeTarget, directTarget } from './code-segments';

/** SDM Vol. 3A, 5.8.3 Call Gates; 5.8.3.1 IA-32e Mode Call Gates */
export interface CallGate {
  /** Of the code segment. */
  readonly selector: number;
  readonly offset: bigint;
  /** Bytes of a push. */
  readonly bytes: 2 | 4 | 8;
  /** Values of `bytes` bytes that a CALL copies to an inner stack: 0 to 31. */
  readonly parameters: number;
}

/** What the selector of a far JMP or CALL names. */
export type FarDestination =
  | { readonly kind: 'code'; readonly target: CodeTarget }
  | { readonly kind: 'call-gate'; readonly gate: CallGate }
  | { readonly kind: 'task'; readonly selector: number };

/** #GP(selector) when the DPL of a gate or TSS is below the CPL or the RPL. */
const requireVisible = (cpu: ProcessorDraft, { selector, rights }: Descriptor): void => {
  if (dplOf(rights) < Math.max(cpu.cpl, selector & 3)) cpu.generalProtection(selectorError(selector));
};

const refuseAbsent = (cpu: ProcessorDraft, { selector, rights }: Descriptor): void => {
  if (!isPresent(rights)) cpu.raise(VECTOR.np, selectorError(selector));
};

/** Bits 127:64 of a call gate of IA-32e mode; #GP(selector) when the table does not hold them or their type is not 0. */
const upperHalf = (cpu: ProcessorDraft, { selector, linear }: Descriptor): bigint => {
  if (descriptorAddress(cpu, selector, 16) === undefined) cpu.generalProtection(selectorError(selector));
  const upper = cpu.mmu.read(u64(linear + 8n), 8, { implicit: true });
  if ((shiftRight(upper, 40n) & 0x1fn) !== 0n) cpu.generalProtection(selectorError(selector));
  return upper;
};

const selectorOf = (raw: bigint): number => Number(shiftRight(raw, 16n) & 0xffffn);

const callGate = (cpu: ProcessorDraft, descriptor: Descriptor): CallGate => {
  requireVisible(cpu, descriptor);
  const upper = cpu.longMode ? upperHalf(cpu, descriptor) : 0n;
  refuseAbsent(cpu, descriptor);
  const { raw, rights } = descriptor;
  const narrow = typeOf(rights) === SYSTEM_TYPE.callGate16;
  const wide = (raw & 0xffffn) | ((shiftRight(raw, 48n) & 0xffffn) << 16n) | ((upper & 0xffffffffn) << 32n);
  return {
    selector: selectorOf(raw),
    offset: narrow ? raw & 0xffffn : wide,
    bytes: cpu.longMode ? 8 : narrow ? 2 : 4,
    parameters: cpu.longMode ? 0 : Number(shiftRight(raw, 32n) & 0x1fn),
  };
};

/** IA-32e mode has call gates alone, of one type. SDM Vol. 3A, 3.5 System Descriptor Types */
const LONG_TYPES: readonly number[] = [SYSTEM_TYPE.callGate];
const LEGACY_TYPES: readonly number[] = [
  SYSTEM_TYPE.callGate,
  SYSTEM_TYPE.callGate16,
  SYSTEM_TYPE.taskGate,
  SYSTEM_TYPE.tss16,
  SYSTEM_TYPE.busyTss16,
  SYSTEM_TYPE.tss,
  SYSTEM_TYPE.busyTss,
];

/**
 * What a far JMP or CALL goes to, with the checks of the descriptor that its selector names.
 * SDM Vol. 3A, 5.8.1 Direct Calls or Jumps to Code Segments; 5.8.4 Accessing a Code Segment Through a Call Gate; SDM Vol. 2, CALL, JMP
 */
export const farDestination = (cpu: ProcessorDraft, selector: number): FarDestination => {
  if (isNull(selector)) cpu.generalProtection();
  const descriptor = readDescriptor(cpu, selector);
  const { rights, raw } = descriptor;
  if (isOrdinary(rights)) return { kind: 'code', target: directTarget(cpu, descriptor) };
  const type = typeOf(rights);
  if (!(cpu.longMode ? LONG_TYPES : LEGACY_TYPES).includes(type))
    cpu.generalProtection(selectorError(selector));
  if (type === SYSTEM_TYPE.callGate || type === SYSTEM_TYPE.callGate16)
    return { kind: 'call-gate', gate: callGate(cpu, descriptor) };
  requireVisible(cpu, descriptor);
  if (type !== SYSTEM_TYPE.taskGate) return { kind: 'task', selector };
  refuseAbsent(cpu, descriptor);
  return { kind: 'task', selector: selectorOf(raw) };
};
