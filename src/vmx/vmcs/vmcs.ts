import { ModelError } from '../../core';
import { CONTROLS, type Control } from './controls';
import type { FieldRow } from './field-row';
import { VMCS_FIELDS, type VmcsField } from './fields';

/** Field names in table order; a field's index in a `Vmcs` is its place here. */
export const FIELD_NAMES = Object.keys(VMCS_FIELDS) as readonly VmcsField[];
export const FIELD_COUNT: number = FIELD_NAMES.length;

const indexByName = new Map<string, number>(FIELD_NAMES.map((name, index) => [name, index]));

/** Index of a field in `Vmcs.words`. */
export const fieldIndex = (name: VmcsField): number => indexByName.get(name)!;

/** Bits of each field, 64 for those of natural width. */
const WIDTHS: Uint8Array = Uint8Array.from(FIELD_NAMES, (name) => {
  const { width }: FieldRow = VMCS_FIELDS[name];
  return width === 'natural' ? 64 : width;
});

/** Every field by name, as unsigned values. */
export type VmcsValues = { [F in VmcsField]: bigint };

/**
 * The data of one VMCS while a processor holds it. `words` is indexed by `fieldIndex`; each field also reads and writes by name.
 * SDM Vol. 3C, 25.1 Overview (launch state, shadow-VMCS indicator); 25.3 Organization of VMCS Data
 */
export class VmcsData {
  readonly words: BigUint64Array;
  /** The same words as int32 pairs, low half first. */
  readonly halves: Int32Array;
  launched = false;
  shadow = false;
  /** Raised by every write to a field through VMWRITE or VM exit; rules run again only for fields written since. */
  readonly written: Uint8Array;

  constructor(from?: VmcsData) {
    this.words = from ? from.words.slice() : new BigUint64Array(FIELD_COUNT);
    this.halves = new Int32Array(this.words.buffer);
    this.written = new Uint8Array(FIELD_COUNT).fill(1);
    if (from) {
      this.launched = from.launched;
      this.shadow = from.shadow;
    }
  }

  get(field: VmcsField): bigint {
    return this.words[fieldIndex(field)]!;
  }

  /** Sets a field, truncated to its width. */
  set(field: VmcsField, value: bigint): void {
    this.setAt(fieldIndex(field), value);
  }

  /** Sets the field with an index, truncated to its width. */
  setAt(index: number, value: bigint): void {
    const { halves } = this;
    const width = WIDTHS[index];
    this.words[index] = value;
    if (width < 64) halves[2 * index + 1] = 0;
    if (width === 16) halves[2 * index] &= 0xffff;
    this.written[index] = 1;
  }

  /** Whether a control is 1; controls of a field that another control activates are not looked at here. */
  has(control: Control): boolean {
    const row = CONTROLS[control];
    return ((this.words[fieldIndex(row.field)]! >> BigInt(row.bit)) & 1n) === 1n;
  }
}

const byEncoding = new Map<number, { readonly field: VmcsField; readonly high: boolean }>();
for (const field of FIELD_NAMES) {
  const row: FieldRow = VMCS_FIELDS[field];
  if (byEncoding.has(row.encoding)) throw new ModelError(`two VMCS fields have the encoding of ${field}`);
  byEncoding.set(row.encoding, { field, high: false });
  if (row.width === 64) byEncoding.set(row.encoding + 1, { field, high: true });
}

/** The field that a VMREAD or VMWRITE operand names; `high` is the high half of a 64-bit field. Undefined when there is none. */
export const fieldOfEncoding = (
  encoding: number,
): { readonly field: VmcsField; readonly high: boolean } | undefined => byEncoding.get(encoding);
