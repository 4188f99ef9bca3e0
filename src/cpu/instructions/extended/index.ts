import type { SystemRow } from '../../engine/row';
import { VECTOR_ROWS } from '../vector';
import { X87_ROWS } from '../x87';
import { FXSAVE_ROWS } from '../xsave/fxsave';
import { XSAVE_ROWS } from '../xsave/xsave';

/** Instructions of the x87 FPU, MMX, SSE and AVX, and those that manage their state. */
export const EXTENDED_ROWS: readonly SystemRow[] = [
  ...X87_ROWS,
  ...VECTOR_ROWS,
  ...FXSAVE_ROWS,
  ...XSAVE_ROWS,
];
