import type { Row } from './row';

export const ROWS: readonly Row[] = [];
