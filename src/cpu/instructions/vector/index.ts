import { MNEMONICS } from '../../decode';
import type { SystemRow } from '../../engine/row';
import { CONTROL_ROWS } from './control';
import { MOVE_ROWS } from './moves';
import { PACKED_ROWS } from './rows';

const DECODED: ReadonlySet<string> = new Set(MNEMONICS);

/** MMX, SSE, SSE2 and AVX without floating-point arithmetic; forms with VEX where there are any. SDM Vol. 1, 11.4 SSE2 Instruction Set */
export const VECTOR_ROWS: readonly SystemRow[] = [...MOVE_ROWS, ...PACKED_ROWS, ...CONTROL_ROWS].filter(
  ({ mnemonic }) => DECODED.has(mnemonic),
);
