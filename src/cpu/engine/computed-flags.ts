import { bitOf, maskOf, type Width } from '../../core';
import { FLAG } from '../slots';

/** A flag bit or 0. */
export const flagIf = (holds: boolean, flag: number): number => (holds ? flag : 0);

const isEvenParity = (value: bigint): boolean => {
  let byte = Number(value & 0xffn);
  byte ^= byte >> 4;
  byte ^= byte >> 2;
  byte ^= byte >> 1;
  return (byte & 1) === 0;
};

/** SF, ZF and PF of a result of `width` bits. SDM Vol. 1, 3.4.3.1 Status Flags */
export const resultFlags = (result: bigint, width: Width): number =>
  flagIf(bitOf(result, width - 1), FLAG.sf) |
  flagIf(result === 0n, FLAG.zf) |
  flagIf(isEvenParity(result), FLAG.pf);

const adjust = (a: bigint, b: bigint, result: bigint): number => flagIf(bitOf(a ^ b ^ result, 4), FLAG.af);

/** All status flags of a + b + carry. */
export const addFlags = (a: bigint, b: bigint, carry: bigint, width: Width): number => {
  const result = (a + b + carry) & maskOf(width);
  return (
    resultFlags(result, width) |
    adjust(a, b, result) |
    flagIf(a + b + carry > maskOf(width), FLAG.cf) |
    flagIf(bitOf(~(a ^ b) & (a ^ result), width - 1), FLAG.of)
  );
};

/** All status flags of a - b - borrow. */
export const subFlags = (a: bigint, b: bigint, borrow: bigint, width: Width): number => {
  const result = (a - b - borrow) & maskOf(width);
  return (
    resultFlags(result, width) |
    adjust(a, b, result) |
    flagIf(a < b + borrow, FLAG.cf) |
    flagIf(bitOf((a ^ b) & (a ^ result), width - 1), FLAG.of)
  );
};

/** A condition code (0 to 15) of status flags. SDM Vol. 1, Appendix B EFLAGS Condition Codes */
export const conditionOf = (flags: number, code: number): boolean => {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const less = has(FLAG.sf) !== has(FLAG.of);
  const holds = [
    has(FLAG.of),
    has(FLAG.cf),
    has(FLAG.zf),
    has(FLAG.cf | FLAG.zf),
    has(FLAG.sf),
    has(FLAG.pf),
    less,
    less || has(FLAG.zf),
  ][code >> 1];
  return holds !== ((code & 1) === 1);
};
