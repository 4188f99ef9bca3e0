import { CONTROLS, type Control } from './controls';
import type { VmcsField } from './fields';
import { fieldIndex } from './vmcs';

/** Place of a field's low half in `VmcsData.halves`; the high half follows. */
export const halfOf = (field: VmcsField): number => 2 * fieldIndex(field);

/** A control's bit as an int32 mask of its field. */
export const controlMask = (control: Control): number => 1 << CONTROLS[control].bit;
