import { ModelError } from '../../core';
import { controlSupported, type VmxCapabilities, vmxMisc } from '../capabilities';
import { CONTROLS, type Control } from './controls';
import type { FieldRow } from './field-row';
import { VMCS_FIELDS, type VmcsField } from './fields';
import { FIELD_NAMES, fieldIndex } from './vmcs';

const QUALIFIERS: Readonly<Record<string, readonly VmcsField[]>> = {
  'VM-entry': ['vmEntryControls'],
  'VM-exit': ['vmExitControls', 'secondaryVmExitControls'],
  'secondary VM-exit': ['secondaryVmExitControls'],
  'VM-function control': ['vmFunctionControls'],
};
const EXECUTION: readonly VmcsField[] = [
  'pinBasedControls',
  'primaryProcBasedControls',
  'secondaryProcBasedControls',
  'tertiaryProcBasedControls',
];
/** Conditions in words of their own. */
const OTHER_WORDS: Readonly<Record<string, Control>> = {
  'fred transitions supported': 'loadGuestFred',
  'load guest ia32_spec_ctrl (vm-entry)': 'loadGuestSpecCtrl',
  'load host ia32_spec_ctrl (secondary vm-exit)': 'loadHostSpecCtrl',
};

const controlNamed = (condition: string): Control => {
  const other = OTHER_WORDS[condition.toLowerCase()];
  if (other !== undefined) return other;
  const [, name, qualifier] = /^(.*?)(?: \(([^)]*)\))?$/.exec(condition)!;
  const fields = qualifier === undefined ? EXECUTION : (QUALIFIERS[qualifier] ?? []);
  const found = Object.entries(CONTROLS).find(
    ([, row]) => fields.includes(row.field) && row.name.toLowerCase() === name.toLowerCase(),
  );
  if (found === undefined) throw new ModelError(`no control is called ${condition}`);
  return found[0] as Control;
};

const CR3_TARGETS: readonly VmcsField[] = [
  'cr3TargetValue0',
  'cr3TargetValue1',
  'cr3TargetValue2',
  'cr3TargetValue3',
];

/** Controls of which one must be supported for the field to exist; none when it always does. */
const conditions: readonly (readonly Control[])[] = FIELD_NAMES.map((field) => {
  const { existsIf }: FieldRow = VMCS_FIELDS[field];
  return existsIf === undefined ? [] : existsIf.split(' or ').map(controlNamed);
});

/** 1 for each field that exists on this processor, by field index. SDM Vol. 3D, Appendix B Field Encoding in VMCS */
export const supportedFields = (capabilities: VmxCapabilities): Uint8Array => {
  const supported = Uint8Array.from(conditions, (controls) =>
    controls.length === 0 || controls.some((control) => controlSupported(capabilities, control)) ? 1 : 0,
  );
  const targets = Number(vmxMisc(capabilities).cr3TargetCount);
  for (const field of CR3_TARGETS.slice(targets)) supported[fieldIndex(field)] = 0;
  return supported;
};
