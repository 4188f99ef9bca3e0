import { ModelError } from '../../../core';
import type { DataRow } from '../../engine/builder';
import { ARITHMETIC_ROWS } from './arithmetic';
import { BIT_ROWS } from './bit';
import { BRANCH_ROWS } from './branch';
import { DECIMAL_ROWS } from './decimal';
import { EXTENSION_ROWS } from './extension';
import { FLAG_ROWS } from './flag';
import { HINT_ROWS } from './hints';
import { LOGIC_ROWS } from './logic';
import { MOVE_ROWS } from './move';
import { MULTIPLY_DIVIDE_ROWS } from './multiply-divide';
import { SHIFT_ROWS } from './shift';
import { STACK_ROWS } from './stack';

export { STRING_ROWS } from '../string-rows';

const ALL: readonly DataRow[] = [
  ...MOVE_ROWS,
  ...HINT_ROWS,
  ...ARITHMETIC_ROWS,
  ...LOGIC_ROWS,
  ...SHIFT_ROWS,
  ...BIT_ROWS,
  ...MULTIPLY_DIVIDE_ROWS,
  ...STACK_ROWS,
  ...BRANCH_ROWS,
  ...FLAG_ROWS,
  ...DECIMAL_ROWS,
  ...EXTENSION_ROWS,
];

/** The innocuous integer instructions by mnemonic. */
export const DATA_ROWS: ReadonlyMap<string, DataRow> = new Map(ALL.map((one) => [one.mnemonic, one]));
if (DATA_ROWS.size !== ALL.length) throw new ModelError('two data rows have one mnemonic');
