import { u64 } from '../../core';
import { VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { checksAlignment, structureAddress } from '../segmented-address';
import {
  accessed,
  dplOf,
  isNull,
  isPresent,
  isReachable,
  isWritableData,
  readDescriptor,
  type SegmentValue,
  SYSTEM_TYPE,
  selectorError,
  TYPE,
  typeOf,
} from '../segments';
import { ACCESS_RIGHTS, SLOT } from '../slots';
import { dataBreakpoint } from './debug';

/** A stack to push on: the segment as it will be loaded, and the stack pointer. */
export interface NewStack {
  readonly segment: SegmentValue;
  readonly pointer: bigint;
}

const taskStateError = (cpu: ProcessorDraft, external: number): never =>
  cpu.raise(VECTOR.ts, selectorError(cpu.W[2 * SLOT.tr], external));

/** Reads from the current TSS; #TS(TR) when its limit does not reach that far. */
const readTaskState = (cpu: ProcessorDraft, offset: number, bytes: number, external: number): bigint => {
  const limit = cpu.W[2 * SLOT.trLimit] >>> 0;
  if (offset + bytes - 1 > limit) taskStateError(cpu, external);
  return cpu.mmu.read(structureAddress(cpu, cpu.R[SLOT.trBase], offset), bytes, { implicit: true });
};

const RSP0 = 0x04;
const IST1 = 0x24;

/** RSPn or ISTn of the 64-bit TSS. SDM Vol. 3A, 8.7 Task Management in 64-bit Mode */
export const stackPointer64 = (
  cpu: ProcessorDraft,
  from: { readonly privilege: number } | { readonly interruptStack: number },
  external: number,
): bigint => {
  const offset = 'privilege' in from ? RSP0 + 8 * from.privilege : IST1 + 8 * (from.interruptStack - 1);
  return readTaskState(cpu, offset, 8, external);
};

/**
 * The stack of an inner privilege level from the 32-bit or 16-bit TSS, with its checks and the accessed bit of its descriptor.
 * SDM Vol. 3A, 5.8.5 Stack Switching; SDM Vol. 2, INT n
 */
export const innerStack = (cpu: ProcessorDraft, privilege: number, external: number): NewStack => {
  const type = typeOf(cpu.W[2 * SLOT.tr + 1]);
  const wide = type === SYSTEM_TYPE.tss || type === SYSTEM_TYPE.busyTss;
  const at = wide ? 4 + 8 * privilege : 2 + 4 * privilege;
  const size = wide ? 4 : 2;
  const limit = cpu.W[2 * SLOT.trLimit] >>> 0;
  if (at + size + 1 > limit) taskStateError(cpu, external);
  const pointer = readTaskState(cpu, at, size, external);
  const selector = Number(readTaskState(cpu, at + size, 2, external));
  if (isNull(selector)) cpu.raise(VECTOR.ts, external);
  const report = { vector: VECTOR.ts, external };
  const descriptor = readDescriptor(cpu, selector, report);
  const { rights } = descriptor;
  if ((selector & 3) !== privilege || dplOf(rights) !== privilege || !isWritableData(rights))
    cpu.raise(VECTOR.ts, selectorError(selector, external));
  if (!isPresent(rights)) cpu.raise(VECTOR.ss, selectorError(selector, external));
  return { segment: accessed(cpu, descriptor), pointer };
};

/** Whether a stack segment holds `bytes` bytes at an offset. SDM Vol. 3A, 5.3 Limit Checking */
const holds = ({ rights, limit }: SegmentValue, offset: bigint, bytes: number): boolean => {
  if ((rights & ACCESS_RIGHTS.unusable) !== 0) return false;
  const last = offset + BigInt(bytes - 1);
  if ((rights & TYPE.expandDown) === 0) return last <= BigInt(limit);
  return offset > BigInt(limit) && last <= ((rights & ACCESS_RIGHTS.db) !== 0 ? 0xffffffffn : 0xffffn);
};

export interface Frame {
  readonly stack: NewStack;
  /** Values in the order of the pushes. */
  readonly values: readonly bigint[];
  readonly bytes: 2 | 4 | 8;
  /** CPL of the accesses. */
  readonly privilege: number;
  /** Error code of #SS when the frame does not fit. */
  readonly errorCode: number;
}

const slots = (cpu: ProcessorDraft, { stack, values, bytes, errorCode }: Frame) => {
  const { segment, pointer } = stack;
  const wide = bytes === 8;
  const mask = wide || (segment.rights & ACCESS_RIGHTS.db) !== 0 ? 32 : 16;
  let offset = pointer;
  const addresses = values.map(() => {
    offset = wide ? u64(offset - 8n) : BigInt.asUintN(mask, offset - BigInt(bytes));
    const linear = wide ? offset : BigInt.asUintN(32, segment.base + offset);
    const fits = wide ? isReachable(cpu, linear) : holds(segment, offset, bytes);
    if (!fits) cpu.raise(VECTOR.ss, errorCode);
    return linear;
  });
  const kept = wide ? 0n : pointer & ~((1n << BigInt(mask)) - 1n);
  return { addresses, pointer: kept | offset };
};

/** Checks that a whole frame can be pushed. Then `push` writes it and returns the new stack pointer; it cannot fault. */
export const prepareFrame = (cpu: ProcessorDraft, frame: Frame): { readonly push: () => bigint } => {
  const { addresses, pointer } = slots(cpu, frame);
  // From CPL 3 the new stack is reached with the rights of the new privilege level.
  const implicit = frame.privilege < 3 && cpu.cpl === 3;
  const access = implicit ? { implicit } : {};
  const aligned = frame.privilege === 3 && checksAlignment(cpu) ? frame.bytes : 1;
  for (const linear of addresses) {
    // SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 17 Alignment Check Exception: pushes at CPL 3 are checked too.
    if ((Number(linear & 7n) & (aligned - 1)) !== 0) cpu.raise(VECTOR.ac, 0);
    cpu.mmu.probeWrite(linear, frame.bytes, access);
  }
  const push = (): bigint => {
    frame.values.forEach((value, index) => {
      cpu.mmu.write(addresses[index], frame.bytes, BigInt.asUintN(8 * frame.bytes, value), access);
      if (implicit) dataBreakpoint(cpu, addresses[index], frame.bytes, 'write');
    });
    return pointer;
  };
  return { push };
};
