import type { DataRow } from '../../engine/builder';
import { loadFlags, storeFlags } from './pure-flags';
import { AH, pureValue, RAX, row } from './row';

const CARRY = 2;
const NO_CARRY = 3;

// SDM Vol. 1, 7.3.13.1 Carry and Direction Flag Instructions
export const FLAG_ROWS: readonly DataRow[] = [
  row('clc', (x) => x.setCarry(x.isZero(x.constant(1n, 8)))),
  row('stc', (x) => x.setCarry(x.isZero(x.constant(0n, 8)))),
  row('cmc', (x) => x.setCarry(x.condition(NO_CARRY))),
  row('cld', (x) => x.setDirection(false)),
  row('std', (x) => x.setDirection(true)),
  row('lahf', (x) => x.write(AH, pureValue(x, loadFlags, 8, []))),
  row('sahf', (x) => {
    x.pure(storeFlags, 8, [x.read(AH)]);
  }),
  row('salc', (x) => {
    const filled = x.select(x.condition(CARRY), x.constant(0xffn, 8), x.constant(0n, 8));
    x.setRegister(RAX, 8, filled);
  }),
];
