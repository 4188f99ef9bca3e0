import type { Instruction, Operand } from '../../decode/instruction';
import type { Builder, DataRow, PureOperation } from '../../engine/builder';
import {
  divideSigned,
  divideUnsigned,
  multiplySigned,
  multiplyUnsigned,
  multiplyWithoutFlags,
} from './pure-multiply';
import { AF, AH, PF, RAX, RDX, row, SF, widthOf, ZF } from './row';

/** Writes the two halves of a double-width result: AH:AL, or DX:AX and its wider forms. */
const writePair = <V, C>(x: Builder<V, C>, source: Operand, [low, high]: readonly V[]): void => {
  const width = widthOf(source);
  x.setRegister(RAX, width, low);
  if (width === 8) x.write(AH, high);
  else x.setRegister(RDX, width, high);
};

const widening = <V, C>(x: Builder<V, C>, operation: PureOperation, source: Operand): void => {
  const width = widthOf(source);
  writePair(x, source, x.pure(operation, width, [x.register(RAX, width), x.read(source)]));
};

// SDM Vol. 2, IMUL: the forms with two and three operands keep the low half.
const truncating = <V, C>(x: Builder<V, C>, { operands }: Instruction): void => {
  const a = x.read(operands[operands.length - 2]);
  const b = x.read(operands[operands.length - 1]);
  const result = x.mul(a, b);
  x.setCarryOverflow(x.signedProductOverflows(a, b), result);
  x.undefinedFlags(SF | ZF | AF | PF);
  x.write(operands[0], result);
};

const divisions = (
  [
    ['div', divideUnsigned],
    ['idiv', divideSigned],
  ] as const
).map(([mnemonic, operation]) =>
  row(mnemonic, (x, { operands: [source] }) => {
    const width = widthOf(source);
    const divisor = x.read(source);
    const high = width === 8 ? x.read(AH) : x.register(RDX, width);
    writePair(x, source, x.pure(operation, width, [x.register(RAX, width), high, divisor]));
  }),
);

export const MULTIPLY_DIVIDE_ROWS: readonly DataRow[] = [
  ...divisions,

  row('mul', (x, { operands: [source] }) => widening(x, multiplyUnsigned, source)),

  row('imul', (x, instruction) =>
    instruction.operands.length === 1
      ? widening(x, multiplySigned, instruction.operands[0])
      : truncating(x, instruction),
  ),

  // SDM Vol. 2, MULX: with one destination twice the high half stays.
  row('mulx', (x, { operands: [high, low, source] }) => {
    const width = widthOf(source);
    const [lowHalf, highHalf] = x.pure(multiplyWithoutFlags, width, [x.register(RDX, width), x.read(source)]);
    x.write(low, lowHalf);
    x.write(high, highHalf);
  }),
];
