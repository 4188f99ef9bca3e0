import type { SystemRow } from '../../cpu/engine/row';
import { ENTRY_ROWS } from './entry-rows';
import { FIELD_ROWS } from './field-rows';
import { INVALIDATION_ROWS } from './invalidation-rows';
import { POINTER_ROWS } from './pointer-rows';
import { VM_FUNCTION_ROW } from './vm-function-row';

/** Every VMX instruction; `cpu.virtualization` is a `Vmx`, else they are undefined. SDM Vol. 3C, 31.3 VMX Instructions */
export const VMX_ROWS: readonly SystemRow[] = [
  ...POINTER_ROWS,
  ...FIELD_ROWS,
  ...ENTRY_ROWS,
  ...INVALIDATION_ROWS,
  VM_FUNCTION_ROW,
];
