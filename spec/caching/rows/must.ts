import { PAGING_ROWS } from './must-paging';
import { FAULT_ROWS, INVALIDATION_ROWS, TRANSITION_ROWS } from './must-vmx';
import type { Row } from './row';

export const ROWS: readonly Row[] = [...PAGING_ROWS, ...FAULT_ROWS, ...TRANSITION_ROWS, ...INVALIDATION_ROWS];
