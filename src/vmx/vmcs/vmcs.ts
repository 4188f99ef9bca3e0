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

/** Fields whose flags are one word of `VmcsData.writtenWords`. */
export const FLAGS_PER_WORD = 4;

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
  /** The same flags four at a time. */
  readonly writtenWords: Int32Array;

  constructor(from?: VmcsData) {
    this.words = from ? from.words.slice() : new BigUint64Array(FIELD_COUNT);
    this.halves = new Int32Array(this.words.buffer);
    this.writtenWords = new Int32Array(Math.ceil(FIELD_COUNT / FLAGS_PER_WORD));
    this.written = new Uint8Array(this.writtenWords.buffer).fill(1, 0, FIELD_COUNT);
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
    const { words, halves } = this;
    words[index] = value;
    this.setHalves(index, halves[2 * index], halves[2 * index + 1]);
  }

  /** Sets the field with an index from the two halves of a value (int32), truncated to its width. */
  setHalves(index: number, low: number, high: number): void {
    const { halves } = this;
    const width = WIDTHS[index];
    halves[2 * index] = width === 16 ? low & 0xffff : low;
    halves[2 * index + 1] = width < 64 ? 0 : high;
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
