import type { HostRequest } from '../../machine/host-port';
import { CONTROLS, type Control } from '../../vmx/vmcs/controls';
import { vmwrite } from './program';

/** The control fields that change while the guest runs, as they are in the VMCS; 32 bits each. */
export interface ControlWords {
  readonly pinBasedControls: bigint;
  readonly primaryProcBasedControls: bigint;
  readonly vmExitControls: bigint;
  readonly vmEntryControls: bigint;
}

type Switched = Control & ControlOf<keyof ControlWords>;
type ControlOf<F> = { [C in Control]: (typeof CONTROLS)[C]['field'] extends F ? C : never }[Control];

const FIELDS = [
  'pinBasedControls',
  'primaryProcBasedControls',
  'vmExitControls',
  'vmEntryControls',
] as const satisfies readonly (keyof ControlWords)[];

/** A control as a mask in its field. */
export const controlBit = (control: Control): bigint => 1n << BigInt(CONTROLS[control].bit);

export const isOn = (words: ControlWords, control: Switched): boolean =>
  (words[CONTROLS[control].field] & controlBit(control)) !== 0n;

/** The words with controls switched on or off. */
export const switched = (
  words: ControlWords,
  settings: { readonly [C in Switched]?: boolean },
): ControlWords => {
  const changed: { -readonly [F in keyof ControlWords]: bigint } = { ...words };
  for (const [name, on] of Object.entries(settings)) {
    const { field } = CONTROLS[name as Switched];
    const bit = controlBit(name as Switched);
    changed[field] = on ? changed[field] | bit : changed[field] & ~bit;
  }
  return changed;
};

/** VMWRITEs that bring the VMCS from one setting to another. */
export const controlWrites = (before: ControlWords, after: ControlWords): readonly HostRequest[] =>
  FIELDS.filter((field) => before[field] !== after[field]).map((field) => vmwrite(field, after[field]));
