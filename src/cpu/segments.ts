import { bitfield, isCanonical, shiftRight, u64 } from '../core';
import type { SegmentNumber } from './decode/instruction';
import { VECTOR } from './event';
import { linearAddressWidth } from './presets/features';
import type { ProcessorDraft } from './processor-draft';
import { linearAddressBits, structureAddress } from './segmented-address';
import { ACCESS_RIGHTS, SLOT } from './slots';

/** Segment registers in encoding order. */
export const SEGMENT = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

/** SDM Vol. 3A, 3.4.5 Segment Descriptors; `attributes` is type, S, DPL and P, `flags` AVL, L, D/B and G. */
export const SEGMENT_DESCRIPTOR = bitfield({
  limitLow: [15, 0],
  baseLow: [39, 16],
  attributes: [47, 40],
  limitHigh: [51, 48],
  flags: [55, 52],
  baseHigh: [63, 56],
});

/** Type bits of code and data segments. SDM Vol. 3A, 3.4.5.1 Code- and Data-Segment Descriptor Types */
export const TYPE = { accessed: 1, writable: 2, readable: 2, expandDown: 4, conforming: 4, code: 8 } as const;
/** System-segment types that the core knows. SDM Vol. 3A, 3.5 System Descriptor Types */
export const SYSTEM_TYPE = {
  tss16: 1,
  ldt: 2,
  busyTss16: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss: 9,
  busyTss: 11,
  callGate: 12,
  interruptGate: 14,
  trapGate: 15,
} as const;

const NULL_RIGHTS = ACCESS_RIGHTS.unusable;
/** Byte of a descriptor that holds type, S, DPL and P. */
export const ATTRIBUTES_BYTE = 5;
/** The busy flag in the type of a TSS descriptor. SDM Vol. 3A, 8.2.2 TSS Descriptor */
export const BUSY = 2;

/** What a segment register holds: selector, base, limit in bytes and access rights in the format of the VMCS. */
export interface SegmentValue {
  readonly selector: number;
  readonly base: bigint;
  /** Unsigned, scaled by G. */
  readonly limit: number;
  readonly rights: number;
}

/** A descriptor as read from its table; `linear` is its address. */
export interface Descriptor extends SegmentValue {
  readonly linear: bigint;
  readonly raw: bigint;
}

/** How faults of a descriptor access are reported: #TS instead of #GP for selectors from a TSS, EXT (0 or 1) in the error code. */
export interface FaultReport {
  readonly vector: number;
  readonly external: number;
}
const DIRECTLY: FaultReport = { vector: VECTOR.gp, external: 0 };

/** Error code of a selector: without RPL, with EXT. SDM Vol. 3A, 6.13 Error Code */
export const selectorError = (selector: number, external = 0): number => (selector & 0xfffc) | external;

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const dplOf = (rights: number): number => (rights >> ACCESS_RIGHTS.dplShift) & 3;
export const typeOf = (rights: number): number => rights & ACCESS_RIGHTS.type;
export const isPresent = (rights: number): boolean => (rights & ACCESS_RIGHTS.present) !== 0;
export const isUsable = (rights: number): boolean => (rights & ACCESS_RIGHTS.unusable) === 0;
/** Code or data, not system. */
export const isOrdinary = (rights: number): boolean => (rights & ACCESS_RIGHTS.s) !== 0;
export const isCode = (rights: number): boolean => isOrdinary(rights) && (rights & TYPE.code) !== 0;
export const isConforming = (rights: number): boolean => isCode(rights) && (rights & TYPE.conforming) !== 0;
export const isWritableData = (rights: number): boolean =>
  isOrdinary(rights) && (rights & TYPE.code) === 0 && (rights & TYPE.writable) !== 0;
/** Data, or code that may be read. */
export const isReadable = (rights: number): boolean =>
  isOrdinary(rights) && (!isCode(rights) || (rights & TYPE.readable) !== 0);
/** Code that says 64-bit and 32-bit at once: refused in IA-32e mode. */
export const isContradictoryCode = (rights: number): boolean =>
  (rights & ACCESS_RIGHTS.l) !== 0 && (rights & ACCESS_RIGHTS.db) !== 0;

/** Base, limit and rights of an 8-byte descriptor. */
export const segmentValue = (selector: number, raw: bigint): SegmentValue => {
  const get = SEGMENT_DESCRIPTOR.get;
  const rights = Number(get(raw, 'attributes') | (get(raw, 'flags') << 12n));
  const limit = Number(get(raw, 'limitLow') | (get(raw, 'limitHigh') << 16n));
  return {
    selector,
    base: get(raw, 'baseLow') | (get(raw, 'baseHigh') << 24n),
    limit: (rights & ACCESS_RIGHTS.g) !== 0 ? limit * 4096 + 4095 : limit,
    rights,
  };
};

const fixedSlots = (name: 'ldtr' | 'tr') => ({
  at: SLOT[name],
  base: SLOT[`${name}Base`],
  limit: SLOT[`${name}Limit`],
});
const slotsOf = (segment: SegmentNumber | 'ldtr' | 'tr') =>
  typeof segment === 'string'
    ? fixedSlots(segment)
    : { at: SLOT.es + segment, base: SLOT.esBase + segment, limit: SLOT.esLimit + segment };

/** Writes a segment register whole, without any check. CPL follows SS: the caller says `contextChanged` when it may have changed. */
export const setSegmentRaw = (
  cpu: ProcessorDraft,
  segment: SegmentNumber | 'ldtr' | 'tr',
  value: SegmentValue,
): void => {
  const { at, base, limit } = slotsOf(segment);
  cpu.W[2 * at] = value.selector;
  cpu.W[2 * at + 1] = value.rights;
  cpu.R[base] = value.base;
  cpu.R[limit] = BigInt(value.limit);
};

/** The contents of a segment register. */
export const segmentRaw = (cpu: ProcessorDraft, segment: SegmentNumber | 'ldtr' | 'tr'): SegmentValue => {
  const { at, base, limit } = slotsOf(segment);
  return {
    selector: cpu.W[2 * at] & 0xffff,
    rights: cpu.W[2 * at + 1],
    base: cpu.R[base],
    limit: cpu.W[2 * limit] >>> 0,
  };
};

/** A null selector: unusable; of SS, with the CPL as DPL. */
export const nullSegment = (selector: number, dpl = 0): SegmentValue => ({
  selector,
  base: 0n,
  limit: 0,
  rights: NULL_RIGHTS | (dpl << ACCESS_RIGHTS.dplShift),
});

/** Whether a base may be loaded: in IA-32e mode canonical for the processor, whatever CR4.LA57 is. SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging */
export const isLoadableBase = (cpu: ProcessorDraft, base: bigint): boolean =>
  !cpu.longMode || isCanonical(base, linearAddressWidth(cpu.cpuid));

/** Canonical in IA-32e mode; always true outside. */
export const isReachable = (cpu: ProcessorDraft, linear: bigint): boolean =>
  !cpu.longMode || isCanonical(linear, linearAddressBits(cpu));

/**
 * Linear address of a selector's descriptor (`bytes` long), or undefined when the table does not hold it.
 * SDM Vol. 3A, 3.4.2 Segment Selectors; 3.5.1 Segment Descriptor Tables
 */
export const descriptorAddress = (cpu: ProcessorDraft, selector: number, bytes = 8): bigint | undefined => {
  const local = (selector & 4) !== 0;
  if (local && !isUsable(cpu.W[2 * SLOT.ldtr + 1])) return undefined;
  const limit = cpu.W[2 * (local ? SLOT.ldtrLimit : SLOT.gdtrLimit)] >>> 0;
  const offset = selector & 0xfff8;
  if (offset + bytes - 1 > limit) return undefined;
  const linear = structureAddress(cpu, cpu.R[local ? SLOT.ldtrBase : SLOT.gdtrBase], offset);
  return isReachable(cpu, linear) ? linear : undefined;
};

/** The descriptor of a selector that is not null; #GP(selector), or as `report` says, when the table does not hold it. */
export const readDescriptor = (
  cpu: ProcessorDraft,
  selector: number,
  report: FaultReport = DIRECTLY,
): Descriptor => {
  const linear = descriptorAddress(cpu, selector);
  if (linear === undefined) return cpu.raise(report.vector, selectorError(selector, report.external));
  const raw = cpu.mmu.read(linear, 8, { implicit: true });
  return { ...segmentValue(selector, raw), linear, raw };
};

/** Sets the accessed bit in memory (may leave with #PF) and returns the value for the register. SDM Vol. 3A, 3.4.5.1 */
export const accessed = (cpu: ProcessorDraft, descriptor: Descriptor): SegmentValue => {
  const { selector, base, limit, rights, linear } = descriptor;
  if ((rights & TYPE.accessed) === 0)
    cpu.mmu.write(
      structureAddress(cpu, linear, ATTRIBUTES_BYTE),
      1,
      BigInt((rights & 0xff) | TYPE.accessed),
      {
        implicit: true,
      },
    );
  return { selector, base, limit, rights: rights | TYPE.accessed };
};

/** Attributes of every segment of virtual-8086 mode: writable data, DPL 3. SDM Vol. 3B, 21.2 Virtual-8086 Mode */
const VIRTUAL_8086_RIGHTS = 0xf3;
const REAL_MODE_RIGHTS = 0x93;
const REAL_MODE_LIMIT = 0xffff;

/**
 * What a selector loads where it names no descriptor: the base is 16 times the selector. Real-address mode keeps limit and attributes, whoever set them.
 * SDM Vol. 3B, 21.1.1 Address Translation in Real-Address Mode
 */
export const paragraphSegment = (
  cpu: ProcessorDraft,
  segment: SegmentNumber,
  selector: number,
): SegmentValue => {
  const base = BigInt(selector) * 16n;
  if (cpu.virtual8086) return { selector, base, limit: REAL_MODE_LIMIT, rights: VIRTUAL_8086_RIGHTS };
  const { limit, rights } = segmentRaw(cpu, segment);
  if (!isUsable(rights)) return { selector, base, limit: REAL_MODE_LIMIT, rights: REAL_MODE_RIGHTS };
  return { selector, base, limit, rights };
};

/** Loads all six registers of a virtual-8086 task, RFLAGS.VM being set already; selectors are in encoding order. SDM Vol. 3B, 21.2.5 Entering Virtual-8086 Mode */
export const loadVirtual8086Segments = (cpu: ProcessorDraft, selectors: readonly number[]): void => {
  selectors.forEach((selector, number) => {
    const segment = number as SegmentNumber;
    setSegmentRaw(cpu, segment, paragraphSegment(cpu, segment, selector & 0xffff));
  });
  cpu.mmu.contextChanged();
};

// SDM Vol. 2, MOV: SS checks; SDM Vol. 3A, 5.7 Privilege Level Checking when Loading the SS Register
const checkedStack = (cpu: ProcessorDraft, selector: number): SegmentValue => {
  const cpl = cpu.cpl;
  if (isNull(selector)) {
    if (!cpu.mode64 || cpl === 3 || (selector & 3) !== cpl) cpu.generalProtection();
    return nullSegment(selector, cpl);
  }
  const descriptor = readDescriptor(cpu, selector);
  const { rights } = descriptor;
  if ((selector & 3) !== cpl || !isWritableData(rights) || dplOf(rights) !== cpl)
    cpu.generalProtection(selectorError(selector));
  if (!isPresent(rights)) cpu.raise(VECTOR.ss, selectorError(selector));
  return accessed(cpu, descriptor);
};

/** Whether a data register may hold the segment at this CPL and RPL: conforming code always. SDM Vol. 3A, 5.6 */
export const isVisible = (rights: number, cpl: number, rpl: number): boolean =>
  isConforming(rights) || dplOf(rights) >= Math.max(cpl, rpl);

/**
 * All checks of loading ES, SS, DS, FS or GS, the accessed bit set; the register is not written yet (`setSegmentRaw`).
 * SDM Vol. 3A, 5.6 Privilege Level Checking when Accessing Data Segments
 */
export const checkedSegment = (
  cpu: ProcessorDraft,
  segment: SegmentNumber,
  selector: number,
): SegmentValue => {
  if (!cpu.usesDescriptors) return paragraphSegment(cpu, segment, selector);
  if (segment === SEGMENT.ss) return checkedStack(cpu, selector);
  if (isNull(selector)) return nullSegment(selector);
  const descriptor = readDescriptor(cpu, selector);
  const { rights } = descriptor;
  if (!isReadable(rights) || !isVisible(rights, cpu.cpl, selector & 3))
    cpu.generalProtection(selectorError(selector));
  if (!isPresent(rights)) cpu.raise(VECTOR.np, selectorError(selector));
  return accessed(cpu, descriptor);
};

/** An LDT or TSS descriptor of the GDT: 16 bytes in IA-32e mode. SDM Vol. 3A, 3.5 System Descriptor Types; 8.2.3 TSS Descriptor in 64-bit mode */
const readSystemDescriptor = (cpu: ProcessorDraft, selector: number, types: readonly number[]) => {
  const linear = (selector & 4) !== 0 ? undefined : descriptorAddress(cpu, selector, cpu.longMode ? 16 : 8);
  if (linear === undefined) return cpu.generalProtection(selectorError(selector));
  const raw = cpu.mmu.read(linear, 8, { implicit: true });
  const value = segmentValue(selector, raw);
  const upper = cpu.longMode ? cpu.mmu.read(u64(linear + 8n), 8, { implicit: true }) : 0n;
  if (isOrdinary(value.rights) || !types.includes(typeOf(value.rights)))
    cpu.generalProtection(selectorError(selector));
  if (!isPresent(value.rights)) cpu.raise(VECTOR.np, selectorError(selector));
  const base = value.base | (BigInt.asUintN(32, upper) << 32n);
  if ((shiftRight(upper, 40n) & 0x1fn) !== 0n || !isLoadableBase(cpu, base))
    cpu.generalProtection(selectorError(selector));
  return { ...value, base, linear };
};

/** LLDT: a null selector makes LDTR unusable. SDM Vol. 2, LLDT */
export const loadLocalTable = (cpu: ProcessorDraft, selector: number): void => {
  const value = isNull(selector)
    ? nullSegment(selector)
    : readSystemDescriptor(cpu, selector, [SYSTEM_TYPE.ldt]);
  setSegmentRaw(cpu, 'ldtr', value);
};

/** LTR: marks the TSS busy. SDM Vol. 2, LTR */
export const loadTaskRegister = (cpu: ProcessorDraft, selector: number): void => {
  if (isNull(selector)) cpu.generalProtection();
  const types = cpu.longMode ? [SYSTEM_TYPE.tss] : [SYSTEM_TYPE.tss16, SYSTEM_TYPE.tss];
  const value = readSystemDescriptor(cpu, selector, types);
  const rights = value.rights | BUSY;
  cpu.mmu.write(structureAddress(cpu, value.linear, ATTRIBUTES_BYTE), 1, BigInt(rights & 0xff), {
    implicit: true,
  });
  setSegmentRaw(cpu, 'tr', { ...value, rights });
};
