import type { SystemRow } from '../../engine/row';
import { ENVIRONMENT_ROWS } from './environment';
import { MOVE_ROWS } from './moves';

/** The x87 FPU without arithmetic. SDM Vol. 1, 8.3 x87 FPU Instruction Set */
export const X87_ROWS: readonly SystemRow[] = [...ENVIRONMENT_ROWS, ...MOVE_ROWS];
