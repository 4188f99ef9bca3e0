import type { MissingInvalidation } from './cell';
import { PAGE_CELLS } from './pages';
import { TABLE_CELLS } from './tables';

export const CELLS: readonly MissingInvalidation[] = [...PAGE_CELLS, ...TABLE_CELLS];
