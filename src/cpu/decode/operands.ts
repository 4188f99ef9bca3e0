import type { Width } from '../../core';
import type { Decoding } from './decoding';
import type { MemoryOperand, Operand, OtherRegisterOperand, RegisterOperand } from './instruction';
import { SEGMENT_NAMES, type SegmentNumber } from './instruction';

/** Makes one operand of the instruction being decoded; consumes its immediate bytes. */
export type OperandReader = (d: Decoding) => Operand;

const frozen = <T>(value: T): T => Object.freeze(value);
const upTo = <T>(count: number, make: (number: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, number) => frozen(make(number)));

const NO_INDEX = 4;
const registersOf = (width: Width): readonly RegisterOperand[] =>
  upTo(16, (number) => ({ kind: 'register', number, width, high: false }));
const REGISTERS8 = registersOf(8);
const REGISTERS16 = registersOf(16);
const REGISTERS32 = registersOf(32);
const REGISTERS64 = registersOf(64);
const HIGH_REGISTERS = upTo(
  4,
  (number): RegisterOperand => ({ kind: 'register', number, width: 8, high: true }),
);
const SEGMENTS = upTo(6, (number): Operand => ({ kind: 'segment', number: number as SegmentNumber }));
const CONTROLS = upTo(16, (number): Operand => ({ kind: 'control', number }));
const DEBUGS = upTo(8, (number): Operand => ({ kind: 'debug', number }));
const file = (name: (number: number) => string, count: number): readonly OtherRegisterOperand[] =>
  upTo(count, (number) => ({ kind: 'other', name: name(number) }));
const X87 = file((n) => `st(${n})`, 8);
const MMX = file((n) => `mm${n}`, 8);
const OPMASKS = file((n) => `k${n}`, 8);
const BOUNDS = file((n) => `bnd${n}`, 4);
const TILES = file((n) => `tmm${n}`, 8);
const VECTORS = ['xmm', 'ymm', 'zmm'].map((name) => file((n) => `${name}${n}`, 32));

/** A general-purpose register; byte registers 4 to 7 are AH to BH unless a REX prefix stands. SDM Vol. 1, 3.4.1.1 */
export const generalRegister = (d: Decoding, number: number, width: number): RegisterOperand => {
  if (width === 32) return REGISTERS32[number];
  if (width === 64) return REGISTERS64[number];
  if (width === 16) return REGISTERS16[number];
  return number >= 4 && number < 8 && !d.rexPresent ? HIGH_REGISTERS[number - 4] : REGISTERS8[number];
};

/** The widths that a size letter of an operand code stands for; digits are bits. Documented in `rows.ts`. */
const WIDTHS: Record<string, (d: Decoding) => number> = {
  '': () => 0,
  b: () => 8,
  w: () => 16,
  d: () => 32,
  q: () => 64,
  o: () => 128,
  v: (d) => d.operandWidth,
  z: (d) => (d.operandWidth === 16 ? 16 : 32),
  y: (d) => (d.w === 1 && d.codeSize === 64 ? 64 : 32),
  n: (d) => (d.codeSize === 64 ? 64 : 32),
  j: (d) => d.addressWidth,
  p: (d) => d.operandWidth + 16,
  a: (d) => d.operandWidth * 2,
  s: (d) => (d.codeSize === 64 ? 80 : 48),
  x: (d) => 128 << d.vectorLength,
  h: (d) => 64 << d.vectorLength,
  f: (d) => 32 << d.vectorLength,
  g: (d) => 16 << d.vectorLength,
  env: (d) => (d.operandWidth === 16 ? 112 : 224),
  sav: (d) => (d.operandWidth === 16 ? 752 : 864),
};

const widthBy = (size: string): ((d: Decoding) => number) => {
  if (/^\d+$/.test(size)) {
    const width = Number(size);
    return () => width;
  }
  return WIDTHS[size];
};

/** The operand at the address that was read; EVEX multiplies an 8-bit displacement by the bytes of `unit`. */
const memory = (d: Decoding, width: number, unit = width): MemoryOperand => ({
  kind: 'memory',
  segment: d.segmentOfBase,
  base: d.base,
  index: d.index === NO_INDEX ? -1 : d.index,
  scale: d.scale,
  displacement: BigInt(d.compressedDisplacement ? d.displacement * (unit >> 3) : d.displacement),
  addressWidth: d.addressWidth,
  width,
});

/** A memory operand at an address without ModR/M (moffs). SDM Vol. 2, 2.2.1.4 Direct Memory-Offset MOVs */
const offsetOnly = (d: Decoding, width: number): MemoryOperand => ({
  kind: 'memory',
  segment: (d.segment < 0 ? 3 : d.segment) as SegmentNumber,
  base: -1,
  index: -1,
  scale: 0,
  displacement:
    d.addressWidth === 64
      ? BigInt.asIntN(64, d.read64())
      : BigInt(d.addressWidth === 32 ? d.read32() : (d.read16() << 16) >> 16),
  addressWidth: d.addressWidth,
  width,
});

const vectorOf = (d: Decoding, number: number, width: number): Operand => {
  const files = width <= 128 ? VECTORS[0] : width === 256 ? VECTORS[1] : VECTORS[2];
  return files[number & (d.codeSize === 64 ? 31 : 7)];
};

/** The register in vvvv; its high bit is ignored outside 64-bit mode. */
const sourceNumber = (d: Decoding): number => d.vvvv & (d.codeSize === 64 ? 15 : 7);

const immediate = (width: Width, value: bigint): Operand => ({ kind: 'immediate', value, width });

/** An int32 immediate, sign-extended to the operation's width. */
const extended = (width: Width, value: number): Operand =>
  immediate(
    width,
    width === 64 ? BigInt.asUintN(64, BigInt(value)) : BigInt(width === 16 ? value & 0xffff : value >>> 0),
  );

const reserved = (d: Decoding, instead: Operand): Operand => {
  d.undefinedOperand = true;
  return instead;
};

type Size = (d: Decoding) => number;

/** Operand codes by their letters; the second and third sizes stand after `*` and `/` (`rows.ts` says what they mean). */
const READERS: Record<string, (size: Size, element: Size | null, inMemory: Size | null) => OperandReader> = {
  E: (size, _, inMemory) => (d) =>
    d.mod === 3 ? generalRegister(d, d.rm | d.extendBase, size(d)) : memory(d, (inMemory ?? size)(d)),
  G: (size) => (d) => generalRegister(d, d.reg | d.extendReg, size(d)),
  R: (size) => (d) => generalRegister(d, d.rm | d.extendBase, size(d)),
  B: (size) => (d) => generalRegister(d, sourceNumber(d), size(d)),
  Z: (size) => (d) => generalRegister(d, (d.opcode & 7) | d.extendBase, size(d)),
  M: (size) => (d) => memory(d, size(d)),
  O: (size) => (d) => offsetOnly(d, size(d)),
  S: () => (d) => (d.reg < 6 ? SEGMENTS[d.reg] : reserved(d, SEGMENTS[0])),
  C: () => (d) => {
    const number = d.reg | d.extendReg;
    const known = number <= 4 ? number !== 1 : number === 8;
    return known ? CONTROLS[number] : reserved(d, CONTROLS[0]);
  },
  D: () => (d) => (d.extendReg === 0 ? DEBUGS[d.reg] : reserved(d, DEBUGS[0])),

  I: (size) => (d) => {
    const width = size(d);
    if (width === 8) return immediate(8, BigInt(d.read8()));
    if (width === 16) return immediate(16, BigInt(d.read16()));
    return width === 32 ? extended(32, d.read32()) : immediate(64, d.read64());
  },
  Iz: () => (d) => extended(d.operandWidth, d.operandWidth === 16 ? d.read16() : d.read32()),
  sI: () => (d) => extended(d.operandWidth, (d.read8() << 24) >> 24),
  J: (size) => (d) => {
    const displacement =
      size(d) === 8 ? (d.read8() << 24) >> 24 : d.operandWidth === 16 ? (d.read16() << 16) >> 16 : d.read32();
    return { kind: 'relative', displacement: BigInt(displacement) };
  },
  A: () => (d) => {
    const offset = d.operandWidth === 16 ? d.read16() : d.read32() >>> 0;
    return { kind: 'far', selector: d.read16(), offset };
  },

  P: () => (d) => MMX[d.reg],
  N: () => (d) => MMX[d.rm],
  Q: (size) => (d) => (d.mod === 3 ? MMX[d.rm] : memory(d, size(d))),
  V: (size) => (d) => vectorOf(d, d.reg | d.extendReg, size(d)),
  H: (size) => (d) => vectorOf(d, d.vvvv | d.extendVectorIndex, size(d)),
  U: (size) => (d) => vectorOf(d, d.rm | d.extendBase | d.extendVectorRm, size(d)),
  W: (size, element, inMemory) => (d) => {
    if (d.mod === 3) return vectorOf(d, d.rm | d.extendBase | d.extendVectorRm, size(d));
    if (d.broadcast && element !== null) {
      const one = element(d);
      return { ...memory(d, one), broadcast: size(d) / one };
    }
    return memory(d, size(d), (inMemory ?? size)(d));
  },
  X: (size, element) => (d) => {
    const { index, ...rest } = memory(d, element!(d));
    const vector = vectorOf(d, d.index | d.extendVectorIndex, size(d)) as OtherRegisterOperand;
    const found: MemoryOperand = { ...rest, index: -1, vectorIndex: vector.name };
    return d.hasSib ? found : reserved(d, found);
  },
  L: (size) => (d) => vectorOf(d, d.read8() >> 4, size(d)),
  KG: () => (d) => (d.extendReg === 0 ? OPMASKS[d.reg] : reserved(d, OPMASKS[0])),
  KB: () => (d) => (sourceNumber(d) < 8 ? OPMASKS[sourceNumber(d)] : reserved(d, OPMASKS[0])),
  KE: (size) => (d) => (d.mod === 3 ? OPMASKS[d.rm] : memory(d, size(d))),
  BG: () => (d) => ((d.reg | d.extendReg) < 4 ? BOUNDS[d.reg] : reserved(d, BOUNDS[0])),
  BE: (size) => (d) => {
    if (d.mod !== 3) return memory(d, size(d));
    return (d.rm | d.extendBase) < 4 ? BOUNDS[d.rm] : reserved(d, BOUNDS[0]);
  },
  TG: () => (d) => (d.extendReg === 0 ? TILES[d.reg] : reserved(d, TILES[0])),
  TE: () => (d) => (d.extendBase === 0 ? TILES[d.rm] : reserved(d, TILES[0])),
  TB: () => (d) => (sourceNumber(d) < 8 ? TILES[sourceNumber(d)] : reserved(d, TILES[0])),
  TM: () => (d) => (d.hasSib ? memory(d, 0) : reserved(d, memory(d, 0))),
};

const ONE = frozen(immediate(8, 1n));

/** Operands that the opcode alone names. */
const FIXED: Record<string, OperandReader> = {
  AL: () => REGISTERS8[0],
  CL: () => REGISTERS8[1],
  AX: () => REGISTERS16[0],
  DX: () => REGISTERS16[2],
  rAX: (d) => generalRegister(d, 0, d.operandWidth),
  '1': () => ONE,
  ST0: () => X87[0],
  STi: (d) => X87[d.rm],
  ...Object.fromEntries(SEGMENT_NAMES.map((name, number) => [name.toUpperCase(), () => SEGMENTS[number]])),
};

const CODE = /^(Iz|sI|[A-Z]|K[GBE]|B[GE]|T[GEBM])(\d+|[a-z]*)(?:\*([a-z]))?(?:\/([a-z]))?$/;
const VECTOR_LETTERS = 'VHUWXL';

/** Letters of an operand code. */
export const operandLetters = (code: string): string => (code in FIXED ? code : CODE.exec(code)![1]);

/** The reader of an operand code such as `Ev`, `sIb`, `Wx*d` or `ST0`. */
export const operandReader = (code: string): OperandReader => {
  if (code in FIXED) return FIXED[code];
  const [, letters, size, element, inMemory] = CODE.exec(code)!;
  const byDefault = VECTOR_LETTERS.includes(letters) ? 'x' : '';
  return READERS[letters](
    widthBy(size || byDefault),
    element ? widthBy(element) : null,
    inMemory ? widthBy(inMemory) : null,
  );
};
