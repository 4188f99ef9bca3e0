import { INVALIDATION_ROWS } from './must-invept';
import { PAGING_ROWS } from './must-paging';
import { REGISTER_ROWS } from './must-registers';
import { FAULT_ROWS, TRANSITION_ROWS } from './must-vmx';
import type { Row } from './row';

export const ROWS: readonly Row[] = [
  ...PAGING_ROWS,
  ...REGISTER_ROWS,
  ...FAULT_ROWS,
  ...TRANSITION_ROWS,
  ...INVALIDATION_ROWS,
];
