import type { MissingInvalidation } from './cell';
import { CONTEXT_CELLS } from './contexts';
import { EPT_CELLS } from './ept';
import { MIGRATION_CELLS } from './migration';
import { PAGE_CELLS } from './pages';
import { PROCESSOR_CELLS } from './processors';
import { SHADOW_CELLS } from './shadow';
import { TABLE_CELLS } from './tables';

/** All programs that miss an invalidation. */
export const CELLS: readonly MissingInvalidation[] = [
  ...PAGE_CELLS,
  ...TABLE_CELLS,
  ...CONTEXT_CELLS,
  ...PROCESSOR_CELLS,
  ...EPT_CELLS,
  ...SHADOW_CELLS,
  ...MIGRATION_CELLS,
];
