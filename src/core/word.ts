/** Machine words: unsigned 64-bit values are `bigint`, 32-bit halves are int32 numbers. */

export type Width = 8 | 16 | 32 | 64;

export const MASK32 = 0xffff_ffffn;
export const MASK64 = 0xffff_ffff_ffff_ffffn;

/** All ones in the low `width` bits. */
export const maskOf = (width: number): bigint => (1n << BigInt(width)) - 1n;

/** The value modulo 2^64. */
export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);

/** A 64-bit value from its two int32 halves. */
export const join = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

/** Bits 31:0 as int32. */
export const low32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

/** Bits 63:32 as int32. */
export const high32 = (value: bigint): number => Number(BigInt.asIntN(32, value >> 32n));

/** One bit of a word. */
export const bitOf = (value: bigint, position: number): boolean => ((value >> BigInt(position)) & 1n) === 1n;

/** Sign-extends the low `width` bits to a 64-bit word. */
export const signExtend = (value: bigint, width: number): bigint => u64(BigInt.asIntN(width, value));

/**
 * Whether a linear address is canonical: bits 63 to `bits`-1 are all equal.
 * SDM Vol. 1, 3.3.7.1 Canonical Addressing
 */
export const isCanonical = (address: bigint, bits = 48): boolean => {
  const top = Number(BigInt.asIntN(64, address) >> BigInt(bits - 1));
  return top === 0 || top === -1;
};

/**
 * Whether two 64-bit words are equal. Used instead of `===` where an operand may have been chosen among several: comparing two values that the
 * optimizing compiler of Node 20 knows to fit 64 bits, one of them merged from branches, aborts the process.
 */
export const sameWord = (a: bigint, b: bigint): boolean => (a ^ b) === 0n;

/** Unsigned order of two 64-bit words; used instead of `<` for the reason given at `sameWord`. */
export const wordBelow = (a: bigint, b: bigint): boolean => a - b < 0n;

/** Hexadecimal with prefix; `digits` pads with zeros. */
export const hex = (value: bigint | number, digits = 0): string =>
  `0x${(typeof value === 'bigint' ? u64(value) : value < 0 ? BigInt.asUintN(32, BigInt(value)) : value)
    .toString(16)
    .padStart(digits, '0')}`;
