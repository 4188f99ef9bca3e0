import type { DataRow } from '../../engine/builder';
import { bitFieldExtract, deposit, extract, zeroHighBits } from './pure-bits';
import { AF, notZero, PF, pureValue, row, widthOf } from './row';

const binary = (['and', 'or', 'xor'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) => {
    const a = x.readForUpdate(target);
    const b = x.read(source);
    const result = x[mnemonic](a, b);
    x.flags('logic', a, b, result);
    x.undefinedFlags(AF);
    x.write(target, result);
  }),
);

// SDM Vol. 2, BLSR, BLSMSK, BLSI: CF tells whether the source is zero (BLSI: is not zero).
const lowestBit = (['blsr', 'blsmsk', 'blsi'] as const).map((mnemonic) =>
  row(mnemonic, (x, { operands: [target, source] }) => {
    const width = widthOf(source);
    const a = x.read(source);
    const zero = x.constant(0n, width);
    const below = x.sub(a, x.constant(1n, width));
    const result =
      mnemonic === 'blsr'
        ? x.and(a, below)
        : mnemonic === 'blsmsk'
          ? x.xor(a, below)
          : x.and(a, x.sub(zero, a));
    x.flags('logic', a, below, result);
    x.setCarry(mnemonic === 'blsi' ? notZero(x, a) : x.isZero(a));
    x.undefinedFlags(AF | PF);
    x.write(target, result);
  }),
);

const pureWithControl = (
  [
    ['bextr', bitFieldExtract],
    ['bzhi', zeroHighBits],
    ['pdep', deposit],
    ['pext', extract],
  ] as const
).map(([mnemonic, operation]) =>
  row(mnemonic, (x, { operands: [target, source, control] }) =>
    x.write(target, pureValue(x, operation, widthOf(target), [x.read(source), x.read(control)])),
  ),
);

export const LOGIC_ROWS: readonly DataRow[] = [
  ...binary,
  ...lowestBit,
  ...pureWithControl,

  row('test', (x, { operands: [first, second] }) => {
    const a = x.read(first);
    const b = x.read(second);
    x.flags('logic', a, b, x.and(a, b));
    x.undefinedFlags(AF);
  }),

  row('not', (x, { operands: [target] }) => x.write(target, x.not(x.readForUpdate(target)))),

  row('andn', (x, { operands: [target, inverted, source] }) => {
    const a = x.not(x.read(inverted));
    const b = x.read(source);
    const result = x.and(a, b);
    x.flags('logic', a, b, result);
    x.undefinedFlags(AF | PF);
    x.write(target, result);
  }),
];
