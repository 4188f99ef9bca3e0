import { maskOf, shiftRightWide } from '../../../core';
import { EXTENDED_INITIAL, type X87State } from '../../extended-state';
import { MSR } from '../../msr-index';
import type { ProcessorDraft } from '../../processor-draft';
import { SLOT } from '../../slots';
import { bytesOf, wordOf } from '../memory-area';
import { physicalOf, summarized, topOf } from '../x87/access';

const XMM = maskOf(128);

const setX87 = (cpu: ProcessorDraft, x87: X87State): void => {
  cpu.extended = Object.freeze({ ...cpu.extended, x87: Object.freeze(x87) });
};

/** How the bits of the abridged tag word, full 1, and the status word make the first 24 bytes, and the registers 128 bytes from 32 on. */
export const x87Image = (cpu: ProcessorDraft, wide: boolean): readonly [Uint8Array, Uint8Array] => {
  const { x87 } = cpu.extended;
  const head = new Uint8Array(24);
  head.set(bytesOf(BigInt(x87.control), 2), 0);
  head.set(bytesOf(BigInt(x87.status), 2), 2);
  head[4] = x87.full;
  head.set(bytesOf(BigInt(x87.opcode), 2), 6);
  if (wide) {
    head.set(bytesOf(x87.instructionPointer, 8), 8);
    head.set(bytesOf(x87.dataPointer, 8), 16);
  } else {
    head.set(bytesOf(x87.instructionPointer & maskOf(32), 4), 8);
    head.set(bytesOf(BigInt(x87.codeSelector), 2), 12);
    head.set(bytesOf(x87.dataPointer & maskOf(32), 4), 16);
    head.set(bytesOf(BigInt(x87.dataSelector), 2), 20);
  }
  const registers = new Uint8Array(128);
  for (let index = 0; index < 8; index++)
    registers.set(bytesOf(x87.registers[physicalOf(x87, index)], 10), 16 * index);
  return [head, registers];
};

/** Loads x87 state from the legacy region. SDM Vol. 1, 10.5.1 FXSAVE Area */
export const loadX87 = (cpu: ProcessorDraft, area: Uint8Array, wide: boolean): void => {
  const word = (at: number, bytes: number): number => Number(wordOf(area, at, bytes));
  const control = (word(0, 2) & 0x1f3f) | 0x40;
  const status = summarized(word(2, 2) & 0x7f7f, control);
  const x87: X87State = {
    control,
    status,
    full: area[4],
    opcode: word(6, 2) & 0x7ff,
    instructionPointer: wordOf(area, 8, wide ? 8 : 4),
    codeSelector: wide ? 0 : word(12, 2),
    dataPointer: wordOf(area, 16, wide ? 8 : 4),
    dataSelector: wide ? 0 : word(20, 2),
    registers: [],
  };
  const top = topOf(x87);
  const registers = Array.from({ length: 8 }, (_, physical) =>
    wordOf(area, 32 + 16 * ((physical - top) & 7), 10),
  );
  setX87(cpu, { ...x87, registers: Object.freeze(registers) });
};

/** In 64-bit mode XMM0 to XMM15, elsewhere XMM0 to XMM7: the others are neither saved nor loaded. */
export const vectorCount = (cpu: ProcessorDraft): 8 | 16 => (cpu.mode64 ? 16 : 8);

const half = (cpu: ProcessorDraft, upper: boolean): Uint8Array => {
  const count = vectorCount(cpu);
  const bytes = new Uint8Array(16 * count);
  for (let index = 0; index < count; index++) {
    const value = cpu.extended.vectors[index];
    bytes.set(bytesOf(upper ? shiftRightWide(value, 128) : value & XMM, 16), 16 * index);
  }
  return bytes;
};

export const sseImage = (cpu: ProcessorDraft): Uint8Array => half(cpu, false);
export const avxImage = (cpu: ProcessorDraft): Uint8Array => half(cpu, true);

const setVectors = (cpu: ProcessorDraft, change: (value: bigint, index: number) => bigint): void => {
  const count = vectorCount(cpu);
  const vectors = Object.freeze(
    cpu.extended.vectors.map((value, index) => (index < count ? change(value, index) : value)),
  );
  cpu.extended = Object.freeze({ ...cpu.extended, vectors });
};

/** `bytes` from XMM0 on; without them the initial configuration. */
export const loadSse = (cpu: ProcessorDraft, bytes?: Uint8Array): void =>
  setVectors(
    cpu,
    (value, index) => (value & ~XMM) | (bytes === undefined ? 0n : wordOf(bytes, 16 * index, 16)),
  );
export const loadAvx = (cpu: ProcessorDraft, bytes?: Uint8Array): void =>
  setVectors(
    cpu,
    (value, index) => (value & XMM) | (bytes === undefined ? 0n : wordOf(bytes, 16 * index, 16) << 128n),
  );

export const setMxcsr = (cpu: ProcessorDraft, mxcsr: number): void => {
  cpu.extended = Object.freeze({ ...cpu.extended, mxcsr });
};

export const initializeX87 = (cpu: ProcessorDraft): void => setX87(cpu, EXTENDED_INITIAL.x87);

const isX87Initial = ({ extended: { x87 } }: ProcessorDraft): boolean => {
  const { registers, ...rest } = x87;
  const { registers: zero, ...initial } = EXTENDED_INITIAL.x87;
  return (
    (Object.keys(initial) as (keyof typeof initial)[]).every((key) => rest[key] === initial[key]) &&
    registers.every((value, index) => value === zero[index])
  );
};

/** IA32_PL3_SSP. */
const USER_POINTER = MSR.IA32_PL0_SSP + 3;
const isUsed = (cpu: ProcessorDraft, index: number): boolean => (cpu.msrs.get(index) ?? 0n) !== 0n;

/** XINUSE: the components that are not in their initial configuration. SDM Vol. 1, 13.6 Processor Tracking of XSAVE-Managed State */
export const inUse = (cpu: ProcessorDraft): bigint => {
  const count = vectorCount(cpu);
  let all = isX87Initial(cpu) ? 0n : 1n;
  for (let index = 0; index < count; index++) {
    const value = cpu.extended.vectors[index];
    if ((value & XMM) !== 0n) all |= 2n;
    if ((value & ~XMM) !== 0n) all |= 4n;
  }
  if (cpu.R[SLOT.pkru] !== 0n) all |= 1n << 9n;
  if (isUsed(cpu, MSR.IA32_U_CET) || isUsed(cpu, USER_POINTER)) all |= 1n << 11n;
  for (let pointer = MSR.IA32_PL0_SSP; pointer < USER_POINTER; pointer++)
    if (isUsed(cpu, pointer)) all |= 1n << 12n;
  return all;
};

export const readPkru = (cpu: ProcessorDraft): bigint => cpu.R[SLOT.pkru];
