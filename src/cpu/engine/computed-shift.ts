import { bitOf, maskOf, type Width } from '../../core';
import { FLAG } from '../slots';
import { flagIf, resultFlags } from './computed-flags';

export type ShiftKind = 'shl' | 'shr' | 'sar' | 'rol' | 'ror' | 'rcl' | 'rcr';

export interface Shifted {
  readonly result: bigint;
  /** The six status flags. */
  readonly flags: number;
  /** Those of them that the manual leaves undefined. */
  readonly undefinedFlags: number;
  /** The manual leaves the result undefined too. */
  readonly undefinedResult?: boolean;
}

const SHIFT_FLAGS = FLAG.cf | FLAG.of | FLAG.af | FLAG.sf | FLAG.zf | FLAG.pf;
const ROTATE_FLAGS = FLAG.cf | FLAG.of;

/** The count as the processor takes it: 5 bits, or 6 with 64-bit operands. */
export const maskedCount = (count: number, width: Width): number => count & (width === 64 ? 63 : 31);

const kept = (a: bigint, flags: number, undefinedFlags = 0): Shifted => ({
  result: a,
  flags,
  undefinedFlags,
});

const topBitsDiffer = (result: bigint, width: Width): boolean =>
  bitOf(result, width - 1) !== bitOf(result, width - 2);

// SDM Vol. 2, SAL/SAR/SHL/SHR; OF beyond a count of 1 is that of the last single-bit step.
const shifted = (
  result: bigint,
  carry: boolean,
  overflow: boolean,
  width: Width,
  count: number,
): Shifted => ({
  result,
  flags: resultFlags(result, width) | flagIf(carry, FLAG.cf) | flagIf(overflow, FLAG.of),
  undefinedFlags: FLAG.af | flagIf(count > 1, FLAG.of),
});

// SDM Vol. 2, RCL/RCR/ROL/ROR
const rotated = (
  result: bigint,
  carry: boolean,
  overflow: boolean,
  flags: number,
  count: number,
): Shifted => ({
  result,
  flags: (flags & (SHIFT_FLAGS & ~ROTATE_FLAGS)) | flagIf(carry, FLAG.cf) | flagIf(overflow, FLAG.of),
  undefinedFlags: flagIf(count > 1, FLAG.of),
});

const shiftLeft = (a: bigint, count: number, width: Width): Shifted => {
  const full = a << BigInt(count);
  const result = full & maskOf(width);
  const carry = bitOf(full, width);
  const step = shifted(result, carry, bitOf(result, width - 1) !== carry, width, count);
  return { ...step, undefinedFlags: step.undefinedFlags | flagIf(count >= width, FLAG.cf) };
};

const shiftRight = (a: bigint, count: number, width: Width): Shifted => {
  const result = a >> BigInt(count);
  const step = shifted(result, bitOf(a, count - 1), topBitsDiffer(result, width), width, count);
  return { ...step, undefinedFlags: step.undefinedFlags | flagIf(count >= width, FLAG.cf) };
};

const shiftArithmeticRight = (a: bigint, count: number, width: Width): Shifted => {
  const signed = BigInt.asIntN(width, a);
  return shifted((signed >> BigInt(count)) & maskOf(width), bitOf(signed, count - 1), false, width, count);
};

const rotateBits = (a: bigint, left: number, bits: number): bigint =>
  ((a << BigInt(left)) | (a >> BigInt(bits - left))) & maskOf(bits);

const rotateLeft = (a: bigint, count: number, width: Width, flags: number): Shifted => {
  const result = rotateBits(a, count % width, width);
  const carry = bitOf(result, 0);
  return rotated(result, carry, bitOf(result, width - 1) !== carry, flags, count);
};

const rotateRight = (a: bigint, count: number, width: Width, flags: number): Shifted => {
  const result = rotateBits(a, (width - (count % width)) % width, width);
  return rotated(result, bitOf(result, width - 1), topBitsDiffer(result, width), flags, count);
};

/** Rotates operand and CF, a word of width + 1 bits, to the left. */
const rotateThroughCarry = (a: bigint, left: number, width: Width, flags: number): bigint =>
  rotateBits(a | (BigInt(flags & FLAG.cf) << BigInt(width)), left, width + 1);

const rotateCarryLeft = (a: bigint, count: number, width: Width, flags: number): Shifted => {
  const steps = count % (width + 1);
  if (steps === 0) return kept(a, flags, FLAG.of);
  const word = rotateThroughCarry(a, steps, width, flags);
  const carry = bitOf(word, width);
  return rotated(word & maskOf(width), carry, bitOf(word, width - 1) !== carry, flags, count);
};

const rotateCarryRight = (a: bigint, count: number, width: Width, flags: number): Shifted => {
  const steps = count % (width + 1);
  if (steps === 0) return kept(a, flags, FLAG.of);
  const word = rotateThroughCarry(a, width + 1 - steps, width, flags);
  const result = word & maskOf(width);
  return rotated(result, bitOf(word, width), topBitsDiffer(result, width), flags, count);
};

const KINDS = {
  shl: shiftLeft,
  shr: shiftRight,
  sar: shiftArithmeticRight,
  rol: rotateLeft,
  ror: rotateRight,
  rcl: rotateCarryLeft,
  rcr: rotateCarryRight,
} satisfies Record<ShiftKind, (a: bigint, count: number, width: Width, flags: number) => Shifted>;

/** A shift or rotate by any count; a masked count of 0 keeps operand and flags. `flags` are the status flags before. */
export const shiftBy = (kind: ShiftKind, a: bigint, count: number, width: Width, flags: number): Shifted => {
  const masked = maskedCount(count, width);
  return masked === 0 ? kept(a, flags) : KINDS[kind](a, masked, width, flags);
};

/**
 * SHLD and SHRD; a masked count of 0 keeps operand and flags. Beyond a count of 16 the 16-bit forms are undefined: as on the P6 family the
 * bits of the destination follow those of the source. SDM Vol. 2, SHLD, SHRD
 */
export const doubleShift = (
  kind: 'shld' | 'shrd',
  target: bigint,
  source: bigint,
  count: number,
  width: Width,
  flags: number,
): Shifted => {
  const masked = maskedCount(count, width);
  if (masked === 0) return kept(target, flags);
  const bits = BigInt(width);
  const word = (target << (2n * bits)) | (source << bits) | target;
  const left = kind === 'shld';
  const result = (left ? word >> (2n * bits - BigInt(masked)) : word >> BigInt(masked)) & maskOf(width);
  const carry = bitOf(word, left ? 3 * width - masked : masked - 1);
  const overflow = left ? bitOf(result, width - 1) !== carry : topBitsDiffer(result, width);
  const step = shifted(result, carry, overflow, width, masked);
  return masked > width ? { ...step, undefinedFlags: SHIFT_FLAGS, undefinedResult: true } : step;
};
