import { bitOf, maskOf, shiftRight, type Width } from '../../../core';
import type { PureOperation } from '../../engine/builder';
import { flagIf, resultFlags } from '../../engine/computed-flags';
import { AF, CF, OF, PF, SF, ZF } from './row';

const NOT_CARRY_OR_ZERO = OF | SF | AF | PF;

const lowestSetBit = (value: bigint): number => {
  let position = 0;
  while (!bitOf(value, position)) position++;
  return position;
};

const highestSetBit = (value: bigint): number => value.toString(2).length - 1;

/** BSF and BSR. Values: source, destination before, which a zero source leaves undefined: Intel processors keep it. SDM Vol. 2, BSF, BSR */
const scan = (name: string, find: (value: bigint) => number): PureOperation => ({
  name,
  results: 1,
  compute: ({ width, values: [source, before] }) => {
    const zero = source === 0n;
    const position = zero ? 0n : BigInt(find(source));
    return {
      results: [zero ? before : position],
      flags: (resultFlags(position, width) & PF) | flagIf(zero, ZF),
      undefinedFlags: CF | NOT_CARRY_OR_ZERO,
      undefinedResults: zero,
    };
  },
});
export const bitScanForward = scan('bsf', lowestSetBit);
export const bitScanReverse = scan('bsr', highestSetBit);

/** TZCNT and LZCNT: a zero source counts the whole width. SDM Vol. 2, TZCNT, LZCNT */
const countZeros = (name: string, count: (value: bigint, width: Width) => number): PureOperation => ({
  name,
  results: 1,
  compute: ({ width, values: [source] }) => {
    const zeros = source === 0n ? width : count(source, width);
    return {
      results: [BigInt(zeros)],
      flags: flagIf(source === 0n, CF) | flagIf(zeros === 0, ZF),
      undefinedFlags: NOT_CARRY_OR_ZERO,
    };
  },
});
export const trailingZeros = countZeros('tzcnt', lowestSetBit);
export const leadingZeros = countZeros('lzcnt', (value, width) => width - 1 - highestSetBit(value));

/** SDM Vol. 2, POPCNT: all flags but ZF are cleared. */
export const populationCount: PureOperation = {
  name: 'popcnt',
  results: 1,
  compute: ({ values: [source] }) => {
    let count = 0n;
    for (let rest = source; rest !== 0n; rest &= rest - 1n) count++;
    return { results: [count], flags: flagIf(source === 0n, ZF) };
  },
};

export const BIT_CHANGES = {
  bt: (word: bigint, _bit: bigint): bigint => word,
  bts: (word: bigint, bit: bigint): bigint => word | bit,
  btr: (word: bigint, bit: bigint): bigint => word & ~bit,
  btc: (word: bigint, bit: bigint): bigint => word ^ bit,
} as const;
export type BitTest = keyof typeof BIT_CHANGES;

/** Values: word, bit number (taken modulo the width). Only CF changes. SDM Vol. 2, BT, BTS, BTR, BTC */
const bitTest = (name: BitTest): PureOperation => ({
  name,
  results: 1,
  compute: ({ width, values: [word, number], flags }) => {
    const position = number & BigInt(width - 1);
    return {
      results: [BIT_CHANGES[name](word, 1n << position) & maskOf(width)],
      flags: (flags & ~CF) | flagIf(bitOf(word, Number(position)), CF),
      undefinedFlags: NOT_CARRY_OR_ZERO,
    };
  },
});
export const BIT_TESTS: Readonly<Record<BitTest, PureOperation>> = {
  bt: bitTest('bt'),
  bts: bitTest('bts'),
  btr: bitTest('btr'),
  btc: bitTest('btc'),
};

/**
 * Where the word of a bit string lies that holds a signed bit number. Values: effective address (64 bits), bit number. SDM Vol. 2, 3.1.1.9 Operation Section
 * Operation Section, Bit(BitBase, BitOffset)
 */
const bitStringOffset = (operandWidth: Width, addressWidth: Width): PureOperation => ({
  name: `bit-string-offset-${operandWidth}-${addressWidth}`,
  results: 1,
  compute: ({ values: [base, number], flags }) => {
    const words = BigInt.asIntN(operandWidth, number) >> BigInt(Math.log2(operandWidth));
    return { results: [(base + words * BigInt(operandWidth / 8)) & maskOf(addressWidth)], flags };
  },
});
const BIT_STRING_WIDTHS = [16, 32, 64] as const;
/** By operand width, then address width. */
export const BIT_STRING_OFFSETS: ReadonlyMap<Width, ReadonlyMap<Width, PureOperation>> = new Map(
  BIT_STRING_WIDTHS.map((operand) => [
    operand,
    new Map(BIT_STRING_WIDTHS.map((address) => [address, bitStringOffset(operand, address)])),
  ]),
);

/** BSWAP of a 16-bit register: undefined, and Intel processors clear the word. No flag changes. SDM Vol. 2, BSWAP */
export const SWAPPED_WORD: PureOperation = {
  name: 'bswap-16',
  results: 1,
  compute: ({ flags }) => ({ results: [0n], flags, undefinedResults: true }),
};

/** Values: source, control (start in 7:0, length in 15:8). SDM Vol. 2, BEXTR */
export const bitFieldExtract: PureOperation = {
  name: 'bextr',
  results: 1,
  compute: ({ width, values: [source, control] }) => {
    const field =
      (source >> (control & 0xffn)) & maskOf(Number(shiftRight(control, 8n) & 0xffn)) & maskOf(width);
    return { results: [field], flags: flagIf(field === 0n, ZF), undefinedFlags: AF | SF | PF };
  },
};

/** Values: source, index (7:0). SDM Vol. 2, BZHI */
export const zeroHighBits: PureOperation = {
  name: 'bzhi',
  results: 1,
  compute: ({ width, values: [source, control] }) => {
    const index = Number(control & 0xffn);
    const result = source & maskOf(Math.min(index, width));
    return {
      results: [result],
      flags: (resultFlags(result, width) & (SF | ZF)) | flagIf(index >= width, CF),
      undefinedFlags: AF | PF,
    };
  },
};

/** Values: source, mask. No flag changes. SDM Vol. 2, PDEP */
export const deposit: PureOperation = {
  name: 'pdep',
  results: 1,
  compute: ({ values: [source, mask], flags }) => {
    let result = 0n;
    let next = 0;
    for (let rest = mask; rest !== 0n; rest &= rest - 1n) if (bitOf(source, next++)) result |= rest & -rest;
    return { results: [result], flags };
  },
};

/** Values: source, mask. No flag changes. SDM Vol. 2, PEXT */
export const extract: PureOperation = {
  name: 'pext',
  results: 1,
  compute: ({ values: [source, mask], flags }) => {
    let result = 0n;
    let next = 0n;
    for (let rest = mask; rest !== 0n; rest &= rest - 1n, next++)
      if ((source & rest & -rest) !== 0n) result |= 1n << next;
    return { results: [result], flags };
  },
};

const CRC32C_POLYNOMIAL = 0x82f63b78n;

/** Values: running CRC (32 bits), data of `dataWidth` bits. No flag changes. SDM Vol. 2, CRC32 */
const accumulateCrc = (dataWidth: Width): PureOperation => ({
  name: `crc32-${dataWidth}`,
  results: 1,
  compute: ({ values: [crc, data], flags }) => {
    let rest = crc ^ data;
    for (let bit = 0; bit < dataWidth; bit++)
      rest = shiftRight(rest, 1n) ^ ((rest & 1n) === 1n ? CRC32C_POLYNOMIAL : 0n);
    return { results: [rest], flags };
  },
});
/** By width of the data. */
export const CRC32: ReadonlyMap<Width, PureOperation> = new Map(
  ([8, 16, 32, 64] as const).map((width) => [width, accumulateCrc(width)]),
);
