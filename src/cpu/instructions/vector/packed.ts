import { maskOf, shiftRightWide } from '../../../core';
import { bytesOf, wordOf } from '../memory-area';

/** A result of two sources of `bits` bits, and of the immediate where there is one. */
export type Operation = (first: bigint, second: bigint, bits: number, immediate: number) => bigint;

type Lanes = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;
interface LanesOf {
  new (buffer: ArrayBuffer): Lanes;
}

const lanes = (Type: LanesOf, value: bigint, bits: number): Lanes =>
  new Type(bytesOf(value, bits / 8).buffer as ArrayBuffer);
const joined = (values: { readonly buffer: ArrayBufferLike }, bits: number): bigint =>
  wordOf(new Uint8Array(values.buffer), 0, bits / 8);

/** Element by element; a result is cut to the element's size. */
export const each =
  (Type: LanesOf, operation: (a: number, b: number) => number): Operation =>
  (first, second, bits) => {
    const left = lanes(Type, first, bits);
    const right = lanes(Type, second, bits);
    left.forEach((value, index) => {
      left[index] = operation(value, right[index]);
    });
    return joined(left, bits);
  };

const LANE = 128;

/** An operation of 128 bits (or 64) that a longer vector repeats in each lane. */
export const inLanes =
  (operation: Operation): Operation =>
  (first, second, bits, immediate) => {
    if (bits <= LANE) return operation(first, second, bits, immediate);
    const low = operation(first & maskOf(LANE), second & maskOf(LANE), LANE, immediate);
    const high = operation(shiftRightWide(first, LANE), shiftRightWide(second, LANE), LANE, immediate);
    return low | (high << 128n);
  };

const QUADWORDS = 64n;
const quadwords = (value: bigint, bits: number): bigint[] =>
  Array.from({ length: bits / 64 }, (_, index) => BigInt.asUintN(64, shiftRightWide(value, 64 * index)));
const fromQuadwords = (values: readonly bigint[]): bigint =>
  values.reduceRight((all, value) => (all << QUADWORDS) | BigInt.asUintN(64, value), 0n);

/** Quadword by quadword; a result is cut to 64 bits. */
export const eachQuadword =
  (operation: (a: bigint, b: bigint) => bigint): Operation =>
  (first, second, bits) => {
    const right = quadwords(second, bits);
    return fromQuadwords(quadwords(first, bits).map((value, index) => operation(value, right[index])));
  };

const clamp = (least: number, most: number) => (value: number) => Math.min(most, Math.max(least, value));
const s8 = clamp(-0x80, 0x7f);
const u8 = clamp(0, 0xff);
const s16 = clamp(-0x8000, 0x7fff);
const u16 = clamp(0, 0xffff);

/** Narrows the elements of both sources with saturation, the first source's below. */
const pack =
  (From: LanesOf, to: number, saturate: (value: number) => number): Operation =>
  (first, second, bits) => {
    const all = [...lanes(From, first, bits), ...lanes(From, second, bits)];
    return all.reduceRight(
      (word, value) => (word << BigInt(to)) | BigInt.asUintN(to, BigInt(saturate(value))),
      0n,
    );
  };

const elements = (value: bigint, bits: number, size: number): readonly bigint[] =>
  Array.from({ length: bits / size }, (_, index) =>
    BigInt.asUintN(size, shiftRightWide(value, index * size)),
  );
const assembled = (values: readonly bigint[], size: number): bigint =>
  values.reduceRight((word, value) => (word << BigInt(size)) | value, 0n);

/** Interleaves the low or the high halves of two sources. */
const unpack = (size: number, high: boolean): Operation =>
  inLanes((first, second, bits) => {
    const count = bits / size / 2;
    const from = high ? count : 0;
    const right = elements(second, bits, size);
    return assembled(
      elements(first, bits, size)
        .slice(from, from + count)
        .flatMap((value, index) => [value, right[from + index]]),
      size,
    );
  });

const sums = (a: Uint8Array, b: Uint8Array): bigint =>
  BigInt(a.reduce((all, value, index) => all + Math.abs(value - b[index]), 0));

/** SDM Vol. 2, PSADBW: a sum for each eight bytes. */
const absoluteDifferences: Operation = (first, second, bits) => {
  const right = quadwords(second, bits);
  return fromQuadwords(
    quadwords(first, bits).map((value, index) => sums(bytesOf(value, 8), bytesOf(right[index], 8))),
  );
};

// SDM Vol. 2, PMADDWD
const multiplyAdd: Operation = (first, second, bits) => {
  const a = lanes(Int16Array, first, bits);
  const b = lanes(Int16Array, second, bits);
  const result = Int32Array.from(
    { length: bits / 32 },
    (_, index) => a[2 * index] * b[2 * index] + a[2 * index + 1] * b[2 * index + 1],
  );
  return joined(result, bits);
};

const equal = (a: number, b: number): number => (a === b ? -1 : 0);
const greater = (a: number, b: number): number => (a > b ? -1 : 0);

const and: Operation = (a, b) => a & b;
const andNot: Operation = (a, b) => ~a & b;
const or: Operation = (a, b) => a | b;
const xor: Operation = (a, b) => a ^ b;

/** Of MMX, SSE2 and AVX: packed integers, by mnemonic. SDM Vol. 1, 9.4 MMX Instructions, 11.4.2 SSE2 64-Bit and 128-Bit SIMD Integer Instructions */
export const INTEGER_OPERATIONS: Readonly<Record<string, Operation>> = {
  pand: and,
  pandn: (a, b, bits) => andNot(a, b, bits, 0) & maskOf(bits),
  por: or,
  pxor: xor,
  paddb: each(Uint8Array, (a, b) => a + b),
  paddw: each(Uint16Array, (a, b) => a + b),
  paddd: each(Uint32Array, (a, b) => a + b),
  paddq: eachQuadword((a, b) => a + b),
  psubb: each(Uint8Array, (a, b) => a - b),
  psubw: each(Uint16Array, (a, b) => a - b),
  psubd: each(Uint32Array, (a, b) => a - b),
  psubq: eachQuadword((a, b) => a - b),
  paddsb: each(Int8Array, (a, b) => s8(a + b)),
  paddsw: each(Int16Array, (a, b) => s16(a + b)),
  paddusb: each(Uint8Array, (a, b) => u8(a + b)),
  paddusw: each(Uint16Array, (a, b) => u16(a + b)),
  psubsb: each(Int8Array, (a, b) => s8(a - b)),
  psubsw: each(Int16Array, (a, b) => s16(a - b)),
  psubusb: each(Uint8Array, (a, b) => u8(a - b)),
  psubusw: each(Uint16Array, (a, b) => u16(a - b)),
  pmullw: each(Int16Array, (a, b) => a * b),
  pmulhw: each(Int16Array, (a, b) => (a * b) >> 16),
  pmulhuw: each(Uint16Array, (a, b) => Math.floor((a * b) / 65536)),
  pmuludq: eachQuadword((a, b) => BigInt.asUintN(32, a) * BigInt.asUintN(32, b)),
  pmaddwd: multiplyAdd,
  pavgb: each(Uint8Array, (a, b) => (a + b + 1) >> 1),
  pavgw: each(Uint16Array, (a, b) => (a + b + 1) >> 1),
  pminub: each(Uint8Array, Math.min),
  pmaxub: each(Uint8Array, Math.max),
  pminsw: each(Int16Array, Math.min),
  pmaxsw: each(Int16Array, Math.max),
  psadbw: absoluteDifferences,
  pcmpeqb: each(Uint8Array, equal),
  pcmpeqw: each(Uint16Array, equal),
  pcmpeqd: each(Uint32Array, equal),
  pcmpgtb: each(Int8Array, greater),
  pcmpgtw: each(Int16Array, greater),
  pcmpgtd: each(Int32Array, greater),
  packsswb: inLanes(pack(Int16Array, 8, s8)),
  packuswb: inLanes(pack(Int16Array, 8, u8)),
  packssdw: inLanes(pack(Int32Array, 16, s16)),
  punpcklbw: unpack(8, false),
  punpcklwd: unpack(16, false),
  punpckldq: unpack(32, false),
  punpcklqdq: unpack(64, false),
  punpckhbw: unpack(8, true),
  punpckhwd: unpack(16, true),
  punpckhdq: unpack(32, true),
  punpckhqdq: unpack(64, true),
};

/** Of SSE and SSE2 on packed floating point, without arithmetic. SDM Vol. 1, 10.4.1.3 SSE Logical Instructions */
export const FLOAT_OPERATIONS: Readonly<Record<string, Operation>> = {
  andps: and,
  andpd: and,
  andnps: (a, b, bits) => ~a & b & maskOf(bits),
  andnpd: (a, b, bits) => ~a & b & maskOf(bits),
  orps: or,
  orpd: or,
  xorps: xor,
  xorpd: xor,
  unpcklps: unpack(32, false),
  unpcklpd: unpack(64, false),
  unpckhps: unpack(32, true),
  unpckhpd: unpack(64, true),
  shufps: inLanes((first, second, bits, immediate) => {
    const a = elements(first, bits, 32);
    const b = elements(second, bits, 32);
    return assembled(
      [a, a, b, b].map((from, index) => from[(immediate >> (2 * index)) & 3]),
      32,
    );
  }),
  // Each lane has two bits of the immediate of its own.
  shufpd: (first, second, bits, immediate) => {
    const a = elements(first, bits, 64);
    const b = elements(second, bits, 64);
    return assembled(
      a.map((_, index) => (index % 2 === 0 ? a : b)[(index & ~1) + ((immediate >> index) & 1)]),
      64,
    );
  },
};

/** Four elements of a source chosen by an immediate; `size` bits each, from bit `from` on. The rest is kept. */
const chosen = (size: number, from: number, source: bigint, immediate: number): bigint => {
  const four = elements(shiftRightWide(source, from) & maskOf(4 * size), 4 * size, size);
  const picked = assembled(
    four.map((_, index) => four[(immediate >> (2 * index)) & 3]),
    size,
  );
  return (source & ~(maskOf(4 * size) << BigInt(from))) | (picked << BigInt(from));
};

/** Of one source and an immediate. */
export const SHUFFLE_OPERATIONS: Readonly<Record<string, Operation>> = {
  pshufd: inLanes((_, source, __, immediate) => chosen(32, 0, source, immediate)),
  pshuflw: inLanes((_, source, __, immediate) => chosen(16, 0, source, immediate)),
  pshufhw: inLanes((_, source, __, immediate) => chosen(16, 64, source, immediate)),
  pshufw: (_, source, __, immediate) => chosen(16, 0, source, immediate),
};

/** Element by element, all by the same count. SDM Vol. 2, PSLLW/PSLLD/PSLLQ, PSRLW/PSRLD/PSRLQ, PSRAW/PSRAD/PSRAQ */
const shift =
  (size: number, kind: 'left' | 'right' | 'arithmetic') =>
  (value: bigint, count: bigint, bits: number): bigint => {
    const over = count >= BigInt(size);
    if (over && kind !== 'arithmetic') return 0n;
    const places = over ? BigInt(size - 1) : count;
    return assembled(
      elements(value, bits, size).map((one) => {
        if (kind === 'left') return BigInt.asUintN(size, one << places);
        return kind === 'right'
          ? shiftRightWide(one, Number(places))
          : BigInt.asUintN(size, shiftRightWide(BigInt.asIntN(size, one), Number(places)));
      }),
      size,
    );
  };

export const SHIFTS: Readonly<Record<string, ReturnType<typeof shift>>> = {
  psllw: shift(16, 'left'),
  pslld: shift(32, 'left'),
  psllq: shift(64, 'left'),
  psrlw: shift(16, 'right'),
  psrld: shift(32, 'right'),
  psrlq: shift(64, 'right'),
  psraw: shift(16, 'arithmetic'),
  psrad: shift(32, 'arithmetic'),
};

const byBytes = (left: boolean): Operation =>
  inLanes((value, _, bits, count) => {
    if (8 * count >= bits) return 0n;
    return left ? (value << BigInt(8 * count)) & maskOf(bits) : shiftRightWide(value, 8 * count);
  });

/** Shifts of the whole register by bytes. */
export const BYTE_SHIFTS: Readonly<Record<string, Operation>> = {
  pslldq: byBytes(true),
  psrldq: byBytes(false),
};
