/** Machine words: unsigned 64-bit values are `bigint`, 32-bit halves are int32 numbers. */

/** Operand widths in bits. */
export type Width = 8 | 16 | 32 | 64;

export const MASK32 = 0xffff_ffffn;

const MASKS: readonly bigint[] = Array.from({ length: 257 }, (_, width) => (1n << BigInt(width)) - 1n);

/** All ones in the low `width` bits, 0 to 256. */
export const maskOf = (width: number): bigint => MASKS[width];

/** The value modulo 2^64. */
export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A 64-bit value from its two int32 halves. */
export const join = (low: number, high: number): bigint =>
  high === 0 ? BigInt(low >>> 0) : (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

/** Bits 31:0 as int32. */
export const low32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

/**
 * A 64-bit word shifted right by a constant. Rule: a 64-bit word that may come from more than one place (branches, loops, inlined functions) is
 * shifted right by this function, never by `>>` itself. The optimizing compiler of Node 20 (V8 11.3) aborts the process at `word >> constant` when
 * it knows every origin of `word` to fit 64 bits (an element of a BigUint64Array, a result of `BigInt.asUintN`) and only 64 bits of the result are
 * used. `BigInt.asUintN` in between keeps it from that, and lets it shift a machine word.
 */
export const shiftRight = (word: bigint, count: bigint): bigint => BigInt.asUintN(64, word) >> count;

/** A value wider than 64 bits (a register of the x87 FPU, a vector) shifted right by a number of bits. */
export const shiftRightWide = (value: bigint, count: number): bigint => value >> BigInt(count);

/** Bits 63:32 as int32. */
export const high32 = (value: bigint): number => Number(BigInt.asIntN(32, shiftRight(value, 32n)));

/** One bit of a word. */
export const bitOf = (value: bigint, position: number): boolean => ((value >> BigInt(position)) & 1n) === 1n;

/** Sign-extends the low `width` bits to a 64-bit word. */
export const signExtend = (value: bigint, width: number): bigint => u64(BigInt.asIntN(width, value));

/**
 * Whether a linear address is canonical: bits 63 to `bits`-1 are all equal.
 * SDM Vol. 1, 3.3.7.1 Canonical Addressing
 */
export const isCanonical = (address: bigint, bits = 48): boolean => {
  const top = high32(address) >> (bits - 33);
  return top === 0 || top === -1;
};

/** Hexadecimal with prefix; `digits` pads with zeros. */
export const hex = (value: bigint | number, digits = 0): string =>
  `0x${(typeof value === 'bigint' ? u64(value) : value < 0 ? BigInt.asUintN(32, BigInt(value)) : value)
    .toString(16)
    .padStart(digits, '0')}`;
