import { maskOf, shiftRightWide } from '../../../core';
import { STATUS } from './access';

/** Rounding control, as in the control word. SDM Vol. 1, 4.8.4 Rounding */
const ROUND = { nearest: 0, down: 1, up: 2, zero: 3 } as const;

const INTEGER_BIT = 1n << 63n;
const QUIET = 1n << 62n;
const MAXIMUM = 0x7fff;
const BIAS = 16383;

/** The real indefinite QNaN. SDM Vol. 1, 4.8.3.7 QNaN Floating-Point Indefinite */
export const INDEFINITE = 0xffff_c000_0000_0000_0000n;

interface Layout {
  readonly exponentBits: number;
  readonly fractionBits: number;
  readonly bias: number;
}
const LAYOUTS: Readonly<Record<32 | 64, Layout>> = {
  32: { exponentBits: 8, fractionBits: 23, bias: 127 },
  64: { exponentBits: 11, fractionBits: 52, bias: 1023 },
};

/** A converted value with the status bits of the exceptions that it raises. */
export interface Converted {
  readonly value: bigint;
  readonly raised: number;
}

const exact = (value: bigint): Converted => ({ value, raised: 0 });

const compose = (negative: boolean, exponent: number, significand: bigint): bigint =>
  (negative ? 1n << 79n : 0n) | (BigInt(exponent) << 64n) | significand;

export const isNegative = (value: bigint): boolean => (value & (1n << 79n)) !== 0n;
export const exponentOf = (value: bigint): number => Number(shiftRightWide(value, 64) & 0x7fffn);
export const significandOf = (value: bigint): bigint => value & maskOf(64);

/** Bits of a positive number. */
const lengthOf = (value: bigint): number => value.toString(2).length;

/** Single or double precision to double extended precision: always exact. SDM Vol. 2, FLD */
export const fromFloat = (bits: bigint, width: 32 | 64): Converted => {
  const { exponentBits, fractionBits, bias } = LAYOUTS[width];
  const negative = ((bits >> BigInt(width - 1)) & 1n) !== 0n;
  const exponent = Number((bits >> BigInt(fractionBits)) & maskOf(exponentBits));
  const fraction = bits & maskOf(fractionBits);
  const shifted = fraction << BigInt(63 - fractionBits);
  if (exponent === Number(maskOf(exponentBits))) {
    if (fraction === 0n) return exact(compose(negative, MAXIMUM, INTEGER_BIT));
    const signals = (shifted & QUIET) === 0n;
    return {
      value: compose(negative, MAXIMUM, INTEGER_BIT | QUIET | shifted),
      raised: signals ? STATUS.invalid : 0,
    };
  }
  if (exponent !== 0) return exact(compose(negative, exponent - bias + BIAS, INTEGER_BIT | shifted));
  if (fraction === 0n) return exact(compose(negative, 0, 0n));
  const length = lengthOf(fraction);
  const significand = fraction << BigInt(64 - length);
  return {
    value: compose(negative, 1 - bias - (fractionBits - length + 1) + BIAS, significand),
    raised: STATUS.denormal,
  };
};

/** A signed integer to double extended precision: always exact. SDM Vol. 2, FILD */
export const fromInteger = (value: bigint): bigint => {
  if (value === 0n) return 0n;
  const magnitude = value < 0n ? -value : value;
  const length = lengthOf(magnitude);
  return compose(value < 0n, BIAS + length - 1, magnitude << BigInt(64 - length));
};

/** A number cut by `places` bits, rounded; and whether that was inexact, and away from zero. */
const rounded = (
  value: bigint,
  places: number,
  negative: boolean,
  rounding: number,
): { readonly kept: bigint; readonly inexact: boolean; readonly up: boolean } => {
  if (places <= 0) return { kept: value << BigInt(-places), inexact: false, up: false };
  const shift = BigInt(places);
  const kept = value >> shift;
  const rest = value & ((1n << shift) - 1n);
  if (rest === 0n) return { kept, inexact: false, up: false };
  const half = 1n << (shift - 1n);
  const up =
    rounding === ROUND.nearest
      ? rest > half || (rest === half && (kept & 1n) === 1n)
      : rounding === (negative ? ROUND.down : ROUND.up);
  return { kept: up ? kept + 1n : kept, inexact: true, up };
};

/** A number without integer bit though its exponent is not 0: an operand that no longer exists. SDM Vol. 1, 8.2.2 Unsupported Double Extended-Precision Floating-Point Encodings and Pseudo-Denormals */
export const isUnsupported = (value: bigint): boolean =>
  exponentOf(value) !== 0 && (significandOf(value) & INTEGER_BIT) === 0n;

const precision = (up: boolean): number => STATUS.precision | (up ? STATUS.c1 : 0);

/**
 * Double extended precision to single or double. `raised` also has C1, where the result was rounded up; the value is the masked response.
 * SDM Vol. 2, FST/FSTP
 */
export const toFloat = (value: bigint, width: 32 | 64, rounding: number, masks: number): Converted => {
  const { exponentBits, fractionBits, bias } = LAYOUTS[width];
  const negative = isNegative(value);
  const significand = significandOf(value);
  const exponent = exponentOf(value);
  const sign = negative ? 1n << BigInt(width - 1) : 0n;
  const top = maskOf(exponentBits) << BigInt(fractionBits);
  if (isUnsupported(value))
    return { value: toFloat(INDEFINITE, width, rounding, masks).value, raised: STATUS.invalid };
  if (exponent === MAXIMUM) {
    if (significand === INTEGER_BIT) return exact(sign | top);
    const fraction = (significand & ~INTEGER_BIT) >> BigInt(63 - fractionBits);
    const quiet = 1n << BigInt(fractionBits - 1);
    return {
      value: sign | top | fraction | quiet,
      raised: (significand & QUIET) === 0n ? STATUS.invalid : 0,
    };
  }
  if (significand === 0n) return exact(sign);
  const length = lengthOf(significand);
  // The value is significand * 2^(scale - 63), its leading bit at `leading`.
  const scale = (exponent === 0 ? 1 : exponent) - BIAS;
  const leading = scale - 64 + length;
  const tiny = leading < 1 - bias;
  const lowest = tiny ? 1 - bias - fractionBits : leading - fractionBits;
  const cut = rounded(significand, lowest - (scale - 63), negative, rounding);
  const biased = tiny ? 0n : BigInt(leading + bias) - 1n;
  const bits = (biased << BigInt(fractionBits)) + cut.kept;
  if (bits >= top) {
    const toInfinity = rounding === ROUND.nearest || rounding === (negative ? ROUND.down : ROUND.up);
    return {
      value: sign | (toInfinity ? top : top - 1n),
      raised: STATUS.overflow | precision(toInfinity),
    };
  }
  const underflows = tiny && (cut.inexact || (masks & STATUS.underflow) === 0);
  return {
    value: sign | bits,
    raised: (cut.inexact ? precision(cut.up) : 0) | (underflows ? STATUS.underflow : 0),
  };
};

/** Double extended precision to a signed integer of `width` bits; out of range is the integer indefinite. SDM Vol. 2, FIST/FISTP */
export const toInteger = (value: bigint, width: 16 | 32 | 64, rounding: number): Converted => {
  const indefinite = { value: 1n << BigInt(width - 1), raised: STATUS.invalid };
  const exponent = exponentOf(value);
  if (isUnsupported(value) || exponent === MAXIMUM) return indefinite;
  const negative = isNegative(value);
  const scale = (exponent === 0 ? 1 : exponent) - BIAS;
  if (scale > 64) return indefinite;
  const { kept, inexact, up } = rounded(significandOf(value), 63 - scale, negative, rounding);
  const limit = 1n << BigInt(width - 1);
  if (kept > limit || (kept === limit && !negative)) return indefinite;
  return {
    value: BigInt.asUintN(width, negative ? -kept : kept),
    raised: inexact ? precision(up) : 0,
  };
};
