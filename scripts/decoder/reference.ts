import {
  Code,
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  Instruction as IcedInstruction,
} from 'iced-x86';
import type { CodeSize } from '../../src/cpu/decode';

/** Bytes given for one instruction: more than the longest one, so that a decoder that reads too far is caught. */
export const SLOT_BYTES = 16;
/** Where every instruction stands. */
export const ADDRESS = 0x1000n;

/** What the reference decodes beyond what parts of today have. */
export const OPTIONS = DecoderOptions.Pcommit;

/** Decodes each slot by the reference; `visit` gets undefined where it finds no instruction. The instruction is reused. */
export const withReference = (
  slots: Uint8Array,
  codeSize: CodeSize,
  visit: (slot: number, theirs: IcedInstruction | undefined) => void,
): void => {
  const decoder = new Decoder(codeSize, slots, OPTIONS);
  const instruction = new IcedInstruction();
  for (let slot = 0; slot * SLOT_BYTES < slots.length; slot++) {
    decoder.position = slot * SLOT_BYTES;
    decoder.ip = ADDRESS;
    decoder.decodeOut(instruction);
    visit(slot, instruction.code === Code.INVALID ? undefined : instruction);
  }
  instruction.free();
  decoder.free();
};

const formatter = new Formatter(FormatterSyntax.Intel);

/** The reference's own text of an instruction. */
export const theirText = (theirs: IcedInstruction): string => formatter.format(theirs);
