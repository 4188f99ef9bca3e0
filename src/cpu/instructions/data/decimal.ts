import type { DataRow } from '../../engine/builder';
import {
  asciiAfterAddition,
  asciiAfterMultiplication,
  asciiAfterSubtraction,
  asciiBeforeDivision,
  decimalAfterAddition,
  decimalAfterSubtraction,
} from './pure-decimal';
import { AH, pureValue, RAX, row } from './row';

// SDM Vol. 1, 7.3.4 Decimal Arithmetic Instructions
export const DECIMAL_ROWS: readonly DataRow[] = [
  row('aaa', (x) => x.setRegister(RAX, 16, pureValue(x, asciiAfterAddition, 16, [x.register(RAX, 16)]))),
  row('aas', (x) => x.setRegister(RAX, 16, pureValue(x, asciiAfterSubtraction, 16, [x.register(RAX, 16)]))),
  row('daa', (x) => x.setRegister(RAX, 8, pureValue(x, decimalAfterAddition, 8, [x.register(RAX, 8)]))),
  row('das', (x) => x.setRegister(RAX, 8, pureValue(x, decimalAfterSubtraction, 8, [x.register(RAX, 8)]))),

  row('aam', (x, { operands: [base] }) => {
    const [al, ah] = x.pure(asciiAfterMultiplication, 8, [x.register(RAX, 8), x.read(base)]);
    x.setRegister(RAX, 8, al);
    x.write(AH, ah);
  }),

  row('aad', (x, { operands: [base] }) => {
    const al = pureValue(x, asciiBeforeDivision, 8, [x.register(RAX, 8), x.read(AH), x.read(base)]);
    x.setRegister(RAX, 8, al);
    x.write(AH, x.constant(0n, 8));
  }),
];
