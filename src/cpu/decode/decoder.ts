import type { Width } from '../../core';
import { readAddress } from './address';
import { Decoding, LONGEST_INSTRUCTION, NO_PREFIX, PREFIX_F3 } from './decoding';
import type { CodeSize, DecodeFault, Instruction, Operand, SegmentNumber } from './instruction';
import { LEGACY_MAPS } from './maps';
import { readOpcode, readPrefixes, setSizes } from './prefixes';
import type { Form, Opcode } from './rows';
import * as rows from './rows';

/** An instruction; the fault that its bytes raise; or `incomplete`, when at least `needed` bytes must be there to tell. */
export type DecodeResult =
  | { readonly kind: 'instruction'; readonly instruction: Instruction }
  | { readonly kind: 'fault'; readonly fault: DecodeFault }
  | { readonly kind: 'incomplete'; readonly needed: number };

const UNDEFINED: DecodeResult = Object.freeze({ kind: 'fault', fault: 'undefined-opcode' });
const TOO_LONG: DecodeResult = Object.freeze({ kind: 'fault', fault: 'too-long' });

const d = new Decoding();

/** The operand width of a form, after the defaults of 64-bit mode. SDM Vol. 2, 2.2.1.7 Default 64-Bit Operand Size */
const widthOf = (traits: number): 16 | 32 | 64 => {
  const width = d.operandWidth;
  if ((traits & (rows.DEFAULT64 | rows.FORCED64 | rows.NATIVE | rows.AT_MOST_32)) === 0) return width;
  if ((traits & rows.AT_MOST_32) !== 0) return width === 64 ? 32 : width;
  if (d.codeSize !== 64) return (traits & rows.NATIVE) !== 0 ? 32 : width;
  return (traits & rows.DEFAULT64) !== 0 && width === 16 ? 16 : 64;
};

const formOf = (opcode: Opcode): Form | undefined => {
  let context =
    (d.prefix << rows.PREFIX_SHIFT) |
    (d.w << rows.W_SHIFT) |
    (d.vectorLength << rows.LENGTH_SHIFT) |
    ((d.addressWidth >> 5) << rows.ADDRESS_SHIFT);
  if (d.codeSize === 64) context |= rows.MODE64;
  if (d.extendBase !== 0) context |= rows.EXTENDED_BASE;
  if (d.operandSizePrefix) context |= rows.PREFIXED_66;
  if (d.operandWidth === 16) context |= rows.OPERAND16;
  if (opcode.hasModRm) {
    context |= d.rm | (d.reg << rows.REG_SHIFT);
    if (d.mod === 3) context |= rows.MOD3;
  }
  const forms = opcode.forms;
  for (let index = 0; index < forms.length; index++) {
    const form = forms[index];
    if ((context & form.mask) === form.value) return form;
  }
  return undefined;
};

/** What VEX and EVEX fields may say for a form. SDM Vol. 2, 2.3.5 The VEX Prefix; 2.7.11 #UD Equations for EVEX */
const isReservedVector = (form: Form): boolean => {
  const traits = form.traits;
  if ((traits & rows.READS_VVVV) === 0 && d.vvvv !== 0) return true;
  if (d.encoding === 'vex') return false;
  const extends5 = d.codeSize === 64 && (traits & (rows.READS_VVVV | rows.VECTOR_INDEX)) !== 0;
  if (d.extendVectorIndex !== 0 && !extends5) return true;
  if (d.extendReg > 15 && (traits & rows.GENERAL_REG) !== 0) return true;
  if (d.broadcast && (traits & (d.mod === 3 ? rows.ROUNDING : rows.BROADCASTS)) === 0) return true;
  if (d.vectorLength === 3) return true;
  if (d.opmask === 0) return d.zeroing || (traits & rows.MASK_REQUIRED) !== 0;
  if ((traits & rows.UNMASKED) !== 0) return true;
  return d.zeroing && ((traits & rows.NO_ZEROING) !== 0 || (d.mod !== 3 && (traits & rows.STORES) !== 0));
};

/** Number of a vector or tile register by its name. */
const registerNumbers = (operands: readonly Operand[]): readonly string[] =>
  operands
    .map((operand) =>
      operand.kind === 'other' ? operand.name : operand.kind === 'memory' ? operand.vectorIndex : undefined,
    )
    .filter((name) => name !== undefined)
    .map((name) => name.replace(/^\D+/, ''));

/** Whether a form refuses registers that are the same (gathers, tiles, complex FP16). */
const repeatsRegister = (traits: number, operands: readonly Operand[]): boolean => {
  const numbers = registerNumbers(operands);
  const distinct = (traits & rows.ALL_DISTINCT) !== 0;
  return distinct ? new Set(numbers).size < numbers.length : numbers.lastIndexOf(numbers[0]) > 0;
};

const maskText = (): string => `{k${d.opmask}}${d.zeroing ? '{z}' : ''}`;

/** The field L'L is the rounding mode where the form has one. SDM Vol. 2, 2.7 (Static Rounding Support in EVEX) */
const roundingText = (traits: number): string =>
  (traits & rows.ROUNDS) !== 0 ? `{${'rn rd ru rz'.split(' ')[d.roundingControl]}-sae}` : '{sae}';

const NO_OPERANDS: readonly Operand[] = Object.freeze([]);

const readOperands = (form: Form): readonly Operand[] => {
  const readers = form.readers;
  switch (readers.length) {
    case 0:
      return NO_OPERANDS;
    case 1:
      return [readers[0](d)];
    case 2:
      return [readers[0](d), readers[1](d)];
    default:
      return readers.map((read) => read(d));
  }
};

const instructionOf = (form: Form, operands: readonly Operand[]): Instruction => {
  const instruction: { -readonly [K in keyof Instruction]: Instruction[K] } = {
    mnemonic: form.mnemonic,
    length: d.position - d.start,
    operands,
    operandWidth: (form.traits & rows.BYTE) !== 0 ? 8 : (d.operandWidth as Width),
    addressWidth: d.addressWidth,
    operandSizePrefix: d.operandSizePrefix,
    addressSizePrefix: d.addressSizePrefix,
  };
  if (form.condition >= 0) instruction.condition = form.condition;
  if (d.lock) instruction.lock = true;
  if ((form.traits & rows.IMPLICIT_MEMORY) !== 0) {
    if ((form.traits & rows.STRING) !== 0 && d.repeatPrefix !== NO_PREFIX)
      instruction.repeat = d.repeatPrefix === PREFIX_F3 ? 'rep' : 'repne';
    if (d.segment >= 0) instruction.segment = d.segment as SegmentNumber;
  }
  if ((form.traits & rows.X87) !== 0)
    instruction.x87Opcode = ((d.opcode & 7) << 8) | (d.mod << 6) | (d.reg << 3) | d.rm;
  if (d.encoding === 'evex') instruction.evex = true;
  if (d.opmask !== 0) instruction.mask = maskText();
  if (d.broadcast && d.mod === 3) instruction.rounding = roundingText(form.traits);
  return instruction;
};

const decoded = (): Instruction | undefined => {
  const first = readPrefixes(d);
  setSizes(d);
  const opcode = readOpcode(d, first);
  if (opcode === undefined) return undefined;
  if (opcode.hasModRm) d.readModRm();
  // SDM Vol. 2, 2.7 (Static Rounding Support in EVEX): with rounding control on registers the vector length is 512 bits.
  if (d.broadcast && opcode.hasModRm && d.mod === 3) {
    d.roundingControl = d.vectorLength;
    d.vectorLength = 2;
  }
  const form = formOf(opcode);
  if (form === undefined) return undefined;
  if (d.encoding !== 'legacy' && isReservedVector(form)) return undefined;
  d.operandWidth = widthOf(form.traits);
  if (opcode.hasModRm && d.mod !== 3 && (form.traits & rows.IGNORES_MOD) === 0) readAddress(d);
  const operands = readOperands(form);
  if (d.undefinedOperand) return undefined;
  if (
    (form.traits & (rows.OTHER_DESTINATION | rows.ALL_DISTINCT)) !== 0 &&
    repeatsRegister(form.traits, operands)
  )
    return undefined;
  if (d.lock && ((form.traits & rows.LOCKABLE) === 0 || operands[0].kind !== 'memory')) return undefined;
  return instructionOf(form, operands);
};

/**
 * Decodes the instruction at `offset`. `incomplete` means that at least `needed` bytes from there on are required (at most 15) and fewer
 * were given; `too-long` that 15 bytes do not hold the instruction.
 */
export const decode = (bytes: Uint8Array, codeSize: CodeSize, offset = 0): DecodeResult => {
  d.begin(bytes, codeSize, offset);
  const instruction = decoded();
  if (!d.ranOut) return instruction === undefined ? UNDEFINED : { kind: 'instruction', instruction };
  if (bytes.length - offset >= LONGEST_INSTRUCTION) return TOO_LONG;
  return { kind: 'incomplete', needed: Math.min(d.needed, LONGEST_INSTRUCTION) };
};

const LOCKABLE_MNEMONICS: ReadonlySet<string> = new Set(
  LEGACY_MAPS.flat()
    .flatMap((opcode) => opcode?.forms ?? [])
    .filter((form) => (form.traits & rows.LOCKABLE) !== 0)
    .map((form) => form.mnemonic),
);

/** Whether LOCK may stand before the instruction. SDM Vol. 2, LOCK */
export const isLockable = (instruction: Instruction): boolean =>
  LOCKABLE_MNEMONICS.has(instruction.mnemonic) && instruction.operands[0]?.kind === 'memory';
