import { Unbuilt } from '../../core';
import { EPTP_LOW } from '../../ept';
import { BUILT_CONTROLS } from '../built-controls';
import { CONTROLS, type Control, type ControlRow, type VmcsData, type VmcsField } from '../vmcs';
import { halfOf } from '../vmcs/halves';

const maskOf = (field: VmcsField, chosen: (name: Control, row: ControlRow) => boolean): number =>
  Object.entries(CONTROLS as Record<Control, ControlRow>)
    .filter(([name, row]) => row.field === field && chosen(name as Control, row))
    .reduce((mask, [, row]) => mask | (1 << row.bit), 0);

/** Of each control field: its place, and the bits that are not built. Reserved bits without effect are left out. */
const FIELDS = (
  [
    'pinBasedControls',
    'primaryProcBasedControls',
    'secondaryProcBasedControls',
    'vmExitControls',
    'vmEntryControls',
  ] as const
).map((field) => ({
  field,
  half: halfOf(field),
  unbuilt: maskOf(field, (name, row) => !BUILT_CONTROLS.has(name) && !row.name.startsWith('Reserved')),
}));

const PRIMARY = halfOf('primaryProcBasedControls');
const SECONDARY = halfOf('secondaryProcBasedControls');
const EPT_POINTER = halfOf('eptPointer');
const SECONDARY_ACTIVE = 1 << CONTROLS.activateSecondaryControls.bit;
const ENABLE_EPT = 1 << CONTROLS.enableEpt.bit;

const nameOf = (field: VmcsField, mask: number): string =>
  Object.values(CONTROLS as Record<Control, ControlRow>).find(
    (row) => row.field === field && (mask & (1 << row.bit)) !== 0,
  )!.name;

// Low half of the EPT pointer. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP)
export const requireBuiltEptPointer = (eptp: number): void => {
  if ((eptp & EPTP_LOW.supervisorShadowStack) !== 0)
    throw new Unbuilt('supervisor shadow-stack control of EPT');
};

/** Raises `Unbuilt` for a VM entry, legal on this processor, that the model cannot carry out. */
export const requireBuilt = (vmcs: VmcsData): void => {
  const { halves } = vmcs;
  const secondary = (halves[PRIMARY] & SECONDARY_ACTIVE) === 0 ? 0 : halves[SECONDARY];
  for (let i = 0; i < FIELDS.length; i++) {
    const { field, half, unbuilt } = FIELDS[i];
    const set = (half === SECONDARY ? secondary : halves[half]) & unbuilt;
    if (set !== 0) throw new Unbuilt(`the control "${nameOf(field, set)}"`);
  }
  if ((secondary & ENABLE_EPT) !== 0) requireBuiltEptPointer(halves[EPT_POINTER]);
};
