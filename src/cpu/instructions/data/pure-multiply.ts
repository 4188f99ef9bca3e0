import { maskOf } from '../../../core';
import type { PureOperation } from '../../engine/builder';
import { flagIf, resultFlags } from '../../engine/computed-flags';
import { AF, CF, OF, PF, SF, STATUS, ZF } from './row';

/** Values: multiplicands; results: low and high half. SDM Vol. 2, MUL */
export const multiplyUnsigned: PureOperation = {
  name: 'mul',
  results: 2,
  compute: ({ width, values: [a, b] }) => {
    const product = a * b;
    const low = product & maskOf(width);
    const high = product >> BigInt(width);
    return {
      results: [low, high],
      flags: resultFlags(low, width) | flagIf(high !== 0n, CF | OF),
      undefinedFlags: SF | ZF | AF | PF,
    };
  },
};

/** As `multiplyUnsigned`, signed. SDM Vol. 2, IMUL */
export const multiplySigned: PureOperation = {
  name: 'imul',
  results: 2,
  compute: ({ width, values: [a, b] }) => {
    const product = BigInt.asIntN(width, a) * BigInt.asIntN(width, b);
    const low = product & maskOf(width);
    return {
      results: [low, (product >> BigInt(width)) & maskOf(width)],
      flags: resultFlags(low, width) | flagIf(product !== BigInt.asIntN(width, product), CF | OF),
      undefinedFlags: SF | ZF | AF | PF,
    };
  },
};

/** As `multiplyUnsigned` without flags. SDM Vol. 2, MULX */
export const multiplyWithoutFlags: PureOperation = {
  name: 'mulx',
  results: 2,
  compute: ({ width, values: [a, b], flags }) => ({
    results: [(a * b) & maskOf(width), (a * b) >> BigInt(width)],
    flags,
  }),
};

/** Values: low and high half of the dividend, divisor; results: quotient, remainder. Intel processors keep the flags. SDM Vol. 2, DIV */
export const divideUnsigned: PureOperation = {
  name: 'div',
  results: 2,
  compute: ({ width, values: [low, high, divisor], flags }) => {
    if (high >= divisor) return { divideError: true };
    const dividend = (high << BigInt(width)) | low;
    return { results: [dividend / divisor, dividend % divisor], flags, undefinedFlags: STATUS };
  },
};

/** As `divideUnsigned`, signed: quotients are cut towards zero. SDM Vol. 2, IDIV */
export const divideSigned: PureOperation = {
  name: 'idiv',
  results: 2,
  compute: ({ width, values: [low, high, divisor], flags }) => {
    if (divisor === 0n) return { divideError: true };
    const dividend = BigInt.asIntN(2 * width, (high << BigInt(width)) | low);
    const by = BigInt.asIntN(width, divisor);
    const quotient = dividend / by;
    if (quotient !== BigInt.asIntN(width, quotient)) return { divideError: true };
    return {
      results: [quotient & maskOf(width), (dividend % by) & maskOf(width)],
      flags,
      undefinedFlags: STATUS,
    };
  },
};
