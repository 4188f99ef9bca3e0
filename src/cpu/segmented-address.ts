import { isCanonical, u64 } from '../core';
import type { SegmentNumber } from './decode/instruction';
import { VECTOR } from './event';
import type { ProcessorDraft } from './processor-draft';
import { ACCESS_RIGHTS, CR0, CR4, FLAG, SLOT } from './slots';

const SS: SegmentNumber = 2;
const FS: SegmentNumber = 4;
const USER = 3;
const CODE = 8;
/** Of a data segment: expand-down. Of a code segment: conforming. */
const EXPAND_DOWN = 4;
/** Of a data segment: writable. Of a code segment: readable. */
const WRITABLE = 2;

/** Linear-address width of the current paging mode in 64-bit mode: 48 or 57 bits. SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging */
export const linearAddressBits = (cpu: ProcessorDraft): 48 | 57 =>
  (cpu.W[2 * SLOT.cr4] & CR4.la57) !== 0 ? 57 : 48;

/** The high half of a canonical address, shifted right by this (signed), is 0 or -1. */
export const canonicalShift = (cpu: ProcessorDraft): number => linearAddressBits(cpu) - 33;

/** #SS(0) for the stack segment, #GP(0) for the others. */
const refuse = (cpu: ProcessorDraft, segment: SegmentNumber): never =>
  cpu.raise(segment === SS ? VECTOR.ss : VECTOR.gp, 0);

const permits = (cpu: ProcessorDraft, rights: number, write: boolean): boolean => {
  if ((rights & ACCESS_RIGHTS.unusable) !== 0) return false;
  // Types belong to protection: in real-address mode CS is written as any other segment.
  if (!cpu.protectedMode) return true;
  if ((rights & CODE) !== 0) return !write && (rights & WRITABLE) !== 0;
  return !write || (rights & WRITABLE) !== 0;
};

// SDM Vol. 3A, 5.3 Limit Checking
const withinLimit = (rights: number, limit: bigint, first: bigint, last: bigint): boolean => {
  if ((rights & CODE) !== 0 || (rights & EXPAND_DOWN) === 0) return last <= limit;
  return first > limit && last <= ((rights & ACCESS_RIGHTS.db) !== 0 ? 0xffff_ffffn : 0xffffn);
};

/** How code made for a mode checks an access: by `linearAddress`; by base and limit alone; not at all (base 0, limit 4 GiB). `writable` is added where writes are permitted. */
export const SEGMENT_CHECK = { general: 0, limit: 1, none: 2, writable: 4 } as const;
/** The largest access less one: a smaller limit is left to `linearAddress`. */
const SMALLEST_LIMIT = 15;

/** What accesses through a segment register need outside 64-bit mode, as `SEGMENT_CHECK` says. */
export const segmentCheck = (cpu: ProcessorDraft, segment: SegmentNumber): number => {
  const rights = cpu.W[2 * (SLOT.es + segment) + 1];
  const limit = cpu.W[2 * (SLOT.esLimit + segment)] >>> 0;
  const expandsDown = (rights & (CODE | EXPAND_DOWN)) === EXPAND_DOWN;
  if (!permits(cpu, rights, false) || expandsDown || limit < SMALLEST_LIMIT) return SEGMENT_CHECK.general;
  const flat = limit === 0xffff_ffff && cpu.W[2 * (SLOT.esBase + segment)] === 0;
  return (
    (flat ? SEGMENT_CHECK.none : SEGMENT_CHECK.limit) |
    (permits(cpu, rights, true) ? SEGMENT_CHECK.writable : 0)
  );
};

/** Whether explicit data accesses are checked for alignment now. SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 17 Alignment Check Exception */
export const checksAlignment = (cpu: ProcessorDraft): boolean =>
  cpu.flag(FLAG.ac) && (cpu.W[2 * SLOT.cr0] & CR0.am) !== 0 && cpu.cpl === USER;

/**
 * The linear address of an explicit data access of `bytes` bytes at an offset of the effective address's width. Leaves with #GP(0), or #SS(0)
 * for the stack segment, when segment or canonical form forbid it; with #AC(0) when it is misaligned and that is checked (`alignment` is the
 * natural one in bytes). Nothing is translated. SDM Vol. 1, 3.4.2.1 Segment Registers in 64-Bit Mode; SDM Vol. 3A, 5.3 Limit Checking, 5.4 Type Checking
 */
export const linearAddress = (
  cpu: ProcessorDraft,
  segment: SegmentNumber,
  offset: bigint,
  bytes: number,
  write: boolean,
  alignment: number = bytes & -bytes,
): bigint => {
  let linear: bigint;
  if (cpu.mode64) {
    linear = segment >= FS ? u64(cpu.R[SLOT.esBase + segment] + offset) : u64(offset);
    const bits = linearAddressBits(cpu);
    if (!isCanonical(linear, bits) || !isCanonical(u64(linear + BigInt(bytes - 1)), bits))
      refuse(cpu, segment);
  } else {
    const first = BigInt.asUintN(32, offset);
    const rights = cpu.W[2 * (SLOT.es + segment) + 1];
    const limit = BigInt.asUintN(32, cpu.R[SLOT.esLimit + segment]);
    // An access that wraps around 4 GiB ends beyond every limit; the manual leaves its fault to the implementation.
    if (!permits(cpu, rights, write) || !withinLimit(rights, limit, first, first + BigInt(bytes - 1)))
      refuse(cpu, segment);
    linear = BigInt.asUintN(32, cpu.R[SLOT.esBase + segment] + first);
  }
  if (alignment > 1 && checksAlignment(cpu) && (linear & BigInt(alignment - 1)) !== 0n)
    cpu.raise(VECTOR.ac, 0);
  return linear;
};

/** #GP(0) when PUSHA would come to the end of a 16-bit stack at an odd address, outside protection. SDM Vol. 2, PUSHA/PUSHAD */
export const checkPushAll = (cpu: ProcessorDraft): void => {
  const pointer = cpu.W[2 * SLOT.rsp] & 0xffff;
  if (pointer >= 7 && pointer <= 15 && (pointer & 1) === 1 && !cpu.usesDescriptors) cpu.generalProtection();
};

/** Linear address of a place in a descriptor table or TSS: of 32 bits outside IA-32e mode. SDM Vol. 3A, 3.5.1 Segment Descriptor Tables */
export const structureAddress = (cpu: ProcessorDraft, base: bigint, offset: number): bigint => {
  const linear = base + BigInt(offset);
  return cpu.longMode ? u64(linear) : BigInt.asUintN(32, linear);
};

/** Linear address of the next instruction. */
export const linearRip = (cpu: ProcessorDraft): bigint =>
  cpu.mode64 ? cpu.rip : BigInt.asUintN(32, cpu.R[SLOT.csBase] + cpu.rip);

/** Bytes from RIP to the end of the code segment; 64-bit mode knows no end. SDM Vol. 3A, 5.3.1 Segment Limit Checking in 64-bit Mode */
export const codeBytesLeft = (cpu: ProcessorDraft): number =>
  cpu.mode64 ? Number.POSITIVE_INFINITY : (cpu.W[2 * SLOT.csLimit] >>> 0) - (cpu.W[2 * SLOT.rip] >>> 0) + 1;

/**
 * Checks a near branch target (an offset in the code segment, already of the operand's width): #GP(0) when it is not canonical in 64-bit mode, or
 * beyond the limit of CS otherwise. SDM Vol. 3A, 5.3.1 Segment Limit Checking in 64-bit Mode
 */
export const checkBranchTarget = (cpu: ProcessorDraft, target: bigint): void => {
  const inside = cpu.mode64
    ? isCanonical(target, linearAddressBits(cpu))
    : target <= BigInt.asUintN(32, cpu.R[SLOT.csLimit]);
  if (!inside) cpu.generalProtection();
};
