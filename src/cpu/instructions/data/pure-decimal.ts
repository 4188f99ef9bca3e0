import type { PureOperation, PureResult } from '../../engine/builder';
import { flagIf, resultFlags } from '../../engine/computed-flags';
import { AF, CF, OF, PF, SF, ZF } from './row';

const byteOf = (value: number): number => value & 0xff;
const flagsOfByte = (value: number): number => resultFlags(BigInt(value), 8);

/** Values: AX; result: AX. SDM Vol. 2, AAA, AAS */
const adjustAscii = (name: string, sign: 1 | -1): PureOperation => ({
  name,
  results: 1,
  compute: ({ values: [value], flags }) => {
    const ax = Number(value);
    const adjusts = (ax & 15) > 9 || (flags & AF) !== 0;
    const sum = adjusts ? (sign > 0 ? ax + 0x106 : ax - 6 - 0x100) : ax;
    const result = sum & 0xff0f;
    return {
      results: [BigInt(result)],
      flags: flagsOfByte(byteOf(result)) | flagIf(adjusts, AF | CF),
      undefinedFlags: OF | SF | ZF | PF,
    };
  },
});
export const asciiAfterAddition = adjustAscii('aaa', 1);
export const asciiAfterSubtraction = adjustAscii('aas', -1);

/** Values: AL, base; results: AL, AH; #DE with base 0. SDM Vol. 2, AAM */
export const asciiAfterMultiplication: PureOperation = {
  name: 'aam',
  results: 2,
  compute: ({ values: [al, base] }): PureResult => {
    if (base === 0n) return { divideError: true };
    return {
      results: [al % base, al / base],
      flags: resultFlags(al % base, 8),
      undefinedFlags: OF | AF | CF,
    };
  },
};

/** Values: AL, AH, base; result: AL. SDM Vol. 2, AAD */
export const asciiBeforeDivision: PureOperation = {
  name: 'aad',
  results: 1,
  compute: ({ values: [al, ah, base] }) => {
    const result = (al + ah * base) & 0xffn;
    return { results: [result], flags: resultFlags(result, 8), undefinedFlags: OF | AF | CF };
  },
};

/** Value: AL; result: AL. SDM Vol. 2, DAA */
export const decimalAfterAddition: PureOperation = {
  name: 'daa',
  results: 1,
  compute: ({ values: [value], flags }) => {
    const al = Number(value);
    const low = (al & 15) > 9 || (flags & AF) !== 0;
    const high = al > 0x99 || (flags & CF) !== 0;
    const result = byteOf(al + (low ? 6 : 0) + (high ? 0x60 : 0));
    return {
      results: [BigInt(result)],
      flags: flagsOfByte(result) | flagIf(low, AF) | flagIf(high, CF),
      undefinedFlags: OF,
    };
  },
};

/** Value: AL; result: AL. SDM Vol. 2, DAS: a borrow of the low adjustment sets CF too. */
export const decimalAfterSubtraction: PureOperation = {
  name: 'das',
  results: 1,
  compute: ({ values: [value], flags }) => {
    const al = Number(value);
    const low = (al & 15) > 9 || (flags & AF) !== 0;
    const high = al > 0x99 || (flags & CF) !== 0;
    const result = byteOf(al - (low ? 6 : 0) - (high ? 0x60 : 0));
    return {
      results: [BigInt(result)],
      flags: flagsOfByte(result) | flagIf(low, AF) | flagIf(high || (low && al < 6), CF),
      undefinedFlags: OF,
    };
  },
};
