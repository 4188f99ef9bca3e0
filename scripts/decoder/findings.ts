import type { Instruction as IcedInstruction } from 'iced-x86';
import { type CodeSize, decode } from '../../src/cpu/decode';
import { type Difference, differences } from './difference';
import { type Explained, explanation } from './explained';
import { SLOT_BYTES, withReference } from './reference';
import { referenceForm } from './reference-forms';

export const hexBytes = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

export const differenceText = ({ aspect, position, ours, theirs }: Difference): string =>
  `${aspect}${position === undefined ? '' : ` ${position}`}: ours ${ours}, iced-x86 ${theirs}`;

/** A difference that no row explains, with the first bytes that showed it. */
export interface Unexplained {
  readonly says: string;
  readonly bytes: string;
  readonly codeSize: CodeSize;
  count: number;
}

/** What many comparisons found. */
export class Findings {
  /** Cases compared, and those among them that both sides decode. */
  compared = 0;
  instructions = 0;
  /** Forms of the reference that were met, and those among them that we decoded. */
  readonly forms = new Set<number>();
  readonly decoded = new Set<string>();
  readonly explained = new Map<Explained, { count: number; readonly forms: Set<string> }>();
  readonly unexplained = new Map<string, Unexplained>();

  constructor(readonly codeSize: CodeSize) {}

  /** Decodes every slot by both decoders. */
  compare(slots: Uint8Array): void {
    withReference(slots, this.codeSize, (slot, theirs) =>
      this.one(slots.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES), theirs),
    );
  }

  private one(bytes: Uint8Array, theirs: IcedInstruction | undefined): void {
    this.compared++;
    const result = decode(bytes, this.codeSize);
    if (result.kind === 'incomplete') this.failed('incomplete with 16 bytes', bytes);
    const ours = result.kind === 'instruction' ? result.instruction : undefined;
    if (ours !== undefined && theirs !== undefined) {
      this.instructions++;
      this.decoded.add(referenceForm(theirs.code).name);
    }
    if (theirs !== undefined) this.forms.add(theirs.code);
    for (const difference of differences(ours, theirs, this.codeSize)) {
      const form = theirs === undefined ? '' : referenceForm(theirs.code).name;
      const row = explanation(difference, form);
      if (row !== undefined) this.explains(row, form);
      else this.failed(`${ours?.mnemonic ?? form}: ${differenceText(difference)}`, bytes);
    }
  }

  private explains(row: Explained, form: string): void {
    const known = this.explained.get(row) ?? { count: 0, forms: new Set() };
    known.count++;
    known.forms.add(form);
    this.explained.set(row, known);
  }

  private failed(says: string, bytes: Uint8Array): void {
    const kind = says.replace(/(?:0x)?[\da-f]*\d[\da-f]{2,}/g, '#');
    const known = this.unexplained.get(kind);
    if (known !== undefined) known.count++;
    else this.unexplained.set(kind, { says, bytes: hexBytes(bytes), codeSize: this.codeSize, count: 1 });
  }
}
