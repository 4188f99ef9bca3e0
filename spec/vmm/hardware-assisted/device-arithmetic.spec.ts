// SDM Vol. 1, 3.4.3.1 Status Flags: every pair of bytes, against sums of plain integers
import { expect, it } from 'vitest';
import { BINARY } from '../../../src/vmm/hardware-assisted/mmio/arithmetic';

const signed = (byte: number): number => (byte << 24) >> 24;
const outside = (sum: number): boolean => sum > 127 || sum < -128;

interface Expected {
  readonly value: number;
  readonly cf: boolean;
  readonly of: boolean;
  readonly af: boolean;
}

const sum = (a: number, b: number, carry: number): Expected => ({
  value: (a + b + carry) & 0xff,
  cf: a + b + carry > 0xff,
  of: outside(signed(a) + signed(b) + carry),
  af: (a & 15) + (b & 15) + carry > 15,
});
const difference = (a: number, b: number, borrow: number): Expected => ({
  value: (a - b - borrow) & 0xff,
  cf: a < b + borrow,
  of: outside(signed(a) - signed(b) - borrow),
  af: (a & 15) < (b & 15) + borrow,
});
const logic = (value: number): Expected => ({ value, cf: false, of: false, af: false });

const EXPECTED: Readonly<Record<string, (a: number, b: number, carry: number) => Expected>> = {
  add: (a, b) => sum(a, b, 0),
  adc: sum,
  sub: (a, b) => difference(a, b, 0),
  cmp: (a, b) => difference(a, b, 0),
  sbb: difference,
  and: (a, b) => logic(a & b),
  test: (a, b) => logic(a & b),
  or: (a, b) => logic(a | b),
  xor: (a, b) => logic(a ^ b),
};

const flagsOf = ({ value, cf, of, af }: Expected): number => {
  const ones = value.toString(2).replaceAll('0', '').length;
  return (
    (cf ? 1 : 0) |
    (ones % 2 === 0 ? 4 : 0) |
    (af ? 16 : 0) |
    (value === 0 ? 64 : 0) |
    (value & 128) |
    (of ? 2048 : 0)
  );
};

it.each(Object.keys(BINARY))('%s gives value and flags', (name) => {
  const wrong: string[] = [];
  for (let a = 0; a < 256; a++)
    for (let b = 0; b < 256; b++)
      for (const carry of [0, 1]) {
        const expected = EXPECTED[name](a, b, carry);
        const { value, flags } = BINARY[name](BigInt(a), BigInt(b), BigInt(carry), 8);
        if (Number(value) !== expected.value || Number(flags) !== flagsOf(expected))
          wrong.push(`${a} ${b} ${carry}`);
      }
  expect(wrong).toEqual([]);
});
