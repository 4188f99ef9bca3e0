import type { SystemRow } from '../../engine/row';
import { CONTROL_ROWS } from './control';
import { DEBUG_ROWS } from './debug';
import { DESCRIPTOR_ROWS } from './descriptor';
import { DIRECT_STORE_ROWS } from './direct-store';
import { EXTENDED_CONTROL_ROWS } from './extended-control';
import { FAR_ROWS } from './far-transfer';
import { FLAG_ROWS } from './flags';
import { IDENTIFICATION_ROWS } from './identification';
import { IO_ROWS } from './input-output';
import { INTERRUPT_ROWS } from './interrupts';
import { INVALIDATION_ROWS } from './invalidate';
import { OPTIONAL_ROWS } from './optional';
import { PROTECTION_KEY_ROWS } from './protection-keys';
import { RANDOM_ROWS } from './random';
import { SEGMENT_ROWS } from './segment-registers';
import { SYSTEM_CALL_ROWS } from './system-calls';
import { WAITING_ROWS } from './waiting';

/** Every system instruction outside VMX. SDM Vol. 3A, 2.8 System Instruction Summary */
export const SYSTEM_ROWS: readonly SystemRow[] = [
  ...CONTROL_ROWS,
  ...DEBUG_ROWS,
  ...DESCRIPTOR_ROWS,
  ...SEGMENT_ROWS,
  ...FAR_ROWS,
  ...FLAG_ROWS,
  ...INTERRUPT_ROWS,
  ...SYSTEM_CALL_ROWS,
  ...IDENTIFICATION_ROWS,
  ...EXTENDED_CONTROL_ROWS,
  ...IO_ROWS,
  ...INVALIDATION_ROWS,
  ...PROTECTION_KEY_ROWS,
  ...OPTIONAL_ROWS,
  ...RANDOM_ROWS,
  ...WAITING_ROWS,
  ...DIRECT_STORE_ROWS,
];
