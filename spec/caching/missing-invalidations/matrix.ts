import type { MissingInvalidation } from './cell';
import { CONTEXT_CELLS } from './contexts';
import { EPT_CELLS } from './ept';
import { PAGE_CELLS } from './pages';
import { SHADOW_CELLS } from './shadow';
import { TABLE_CELLS } from './tables';

export const CELLS: readonly MissingInvalidation[] = [
  ...PAGE_CELLS,
  ...TABLE_CELLS,
  ...CONTEXT_CELLS,
  ...EPT_CELLS,
  ...SHADOW_CELLS,
];
