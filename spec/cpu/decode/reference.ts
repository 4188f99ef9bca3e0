import {
  Code,
  CodeExt,
  Decoder,
  DecoderOptions,
  Instruction as IcedInstruction,
  MemorySizeExt,
  OpKind,
  Register,
  RegisterExt,
} from 'iced-x86';
import {
  type CodeSize,
  type Instruction,
  type MemoryOperand,
  type Operand,
  RIP_BASE,
  SEGMENT_NAMES,
} from '../../../src/cpu/decode';
import { CONDITION_ORDER, ourMnemonic } from './reference-names';

/** Bytes given for one instruction: more than the longest one, so that a decoder that reads too far is caught. */
export const SLOT_BYTES = 16;
const ADDRESS = 0x1000n;

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const general = (number: number, width: number, high = false): string => {
  if (high) return `${'acdb'[number]}h`;
  if (number > 7) return `r${number}${{ 8: 'l', 16: 'w', 32: 'd', 64: '' }[width]}`;
  if (width === 8) return number < 4 ? `${LEGACY[number][0]}l` : `${LEGACY[number]}l`;
  return `${{ 16: '', 32: 'e', 64: 'r' }[width]}${LEGACY[number]}`;
};

const registers = new Map<Register, string>();
const theirRegister = (register: Register): string => {
  const known = registers.get(register) ?? Register[register].toLowerCase();
  registers.set(register, known);
  return known;
};

const unsigned = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);
// In 64-bit mode the overrides of ES, CS, SS and DS are ignored; the reference still names the segment.
const segmentText = (name: string, codeSize: CodeSize): string =>
  codeSize === 64 && name !== 'fs' && name !== 'gs' ? 'flat' : name;

const ourMemory = (operand: MemoryOperand, next: bigint, codeSize: CodeSize): string => {
  const { base, index, scale, displacement, addressWidth, segment, vectorIndex } = operand;
  const relative = base === RIP_BASE;
  const baseName = relative
    ? addressWidth === 64
      ? 'rip'
      : 'eip'
    : base < 0
      ? '-'
      : general(base, addressWidth);
  const indexName = vectorIndex ?? (index < 0 ? '-' : `${general(index, addressWidth)}`);
  const offset = unsigned(relative ? next + displacement : displacement, addressWidth);
  return `${segmentText(SEGMENT_NAMES[segment], codeSize)}:[${baseName}+${indexName}*${1 << scale}+${offset}]`;
};

const theirMemory = (instruction: IcedInstruction, codeSize: CodeSize, addressWidth: number): string => {
  const base = instruction.memoryBase;
  const index = instruction.memoryIndex;
  const segment = segmentText(theirRegister(instruction.memorySegment), codeSize);
  const name = (register: Register): string => (register === Register.None ? '-' : theirRegister(register));
  return `${segment}:[${name(base)}+${name(index)}*${instruction.memoryIndexScale}+${unsigned(instruction.memoryDisplacement, addressWidth)}]`;
};

const IMMEDIATE_WIDTHS: Partial<Record<OpKind, number>> = {
  [OpKind.Immediate8]: 8,
  [OpKind.Immediate16]: 16,
  [OpKind.Immediate32]: 32,
  [OpKind.Immediate64]: 64,
  [OpKind.Immediate8to16]: 16,
  [OpKind.Immediate8to32]: 32,
  [OpKind.Immediate8to64]: 64,
  [OpKind.Immediate32to64]: 64,
  [OpKind.Immediate8_2nd]: 8,
};

// XBEGIN does not truncate its target to the operand size. SDM Vol. 2, XBEGIN
const targetWidth = (instruction: Instruction, codeSize: CodeSize): number =>
  instruction.mnemonic === 'xbegin'
    ? Math.max(codeSize, 32)
    : instruction.operandWidth === 16
      ? 16
      : instruction.operandWidth === 32
        ? 32
        : 64;

const ourOperand = (instruction: Instruction, operand: Operand, codeSize: CodeSize): string => {
  const next = ADDRESS + BigInt(instruction.length);
  switch (operand.kind) {
    case 'register':
      return general(operand.number, operand.width, operand.high);
    case 'immediate':
      return `${operand.value}:${operand.width}`;
    case 'memory':
      return ourMemory(operand, next, codeSize);
    case 'segment':
      return SEGMENT_NAMES[operand.number];
    case 'control':
      return `cr${operand.number}`;
    case 'debug':
      return `dr${operand.number}`;
    case 'relative':
      return `to ${unsigned(next + operand.displacement, targetWidth(instruction, codeSize))}`;
    case 'far':
      return `${operand.selector}:${operand.offset}`;
    case 'other':
      return operand.name.replace(/[()]/g, '');
  }
};

const theirOperand = (
  theirs: IcedInstruction,
  position: number,
  ours: Instruction,
  codeSize: CodeSize,
): string => {
  const kind = theirs.opKind(position);
  switch (kind) {
    case OpKind.Register:
      return theirRegister(theirs.opRegister(position));
    case OpKind.Memory:
      return theirMemory(theirs, codeSize, ours.addressWidth);
    case OpKind.NearBranch16:
    case OpKind.NearBranch32:
    case OpKind.NearBranch64:
      return `to ${theirs.nearBranchTarget}`;
    case OpKind.FarBranch16:
      return `${theirs.farBranchSelector}:${theirs.farBranch16}`;
    case OpKind.FarBranch32:
      return `${theirs.farBranchSelector}:${theirs.farBranch32}`;
    default: {
      const width = IMMEDIATE_WIDTHS[kind];
      if (width === undefined) return OpKind[kind];
      return `${unsigned(theirs.immediate(position), width)}:${width}`;
    }
  }
};

const STRING_OPERATION = /^(?:movs|cmps|scas|lods|stos|ins|outs)$/;
/** The reference lists operands that we leave implicit; NOPs differ in theirs (hints, prefetches). */
const IMPLICIT =
  /^(?:movs|cmps|scas|lods|stos|ins|outs|xlat|vmrun|vmload|vmsave|invlpga|v?maskmov(?:q|dqu)|nop)$/;
/** The reference lists ST(0) of x87 comparisons and exchanges first. */
const IMPLICIT_FIRST = /^(?:fu?comp?|fxch)$/;
/** Selectors and the like are 16 bits of a register whatever the operand size; the reference shows the whole register. */
const SELECTOR = /^(?:mov_sreg|arpl|lar|lsl|lldt|ltr|ver[rw]|lmsw)$/;

const sameOperand = (
  ours: Instruction,
  operand: Operand,
  left: string,
  theirs: string,
  right: Register,
): boolean =>
  left === theirs ||
  (SELECTOR.test(ours.mnemonic) &&
    operand.kind === 'register' &&
    general(operand.number, 64) === theirRegister(RegisterExt.fullRegister(right)));

/** Why the operands differ, or undefined. */
const operandDifference = (
  ours: Instruction,
  theirs: IcedInstruction,
  codeSize: CodeSize,
): string | undefined => {
  const name = ours.mnemonic;
  if (IMPLICIT.test(name)) return undefined;
  const first = IMPLICIT_FIRST.test(name) ? theirs.opCount - ours.operands.length : 0;
  if (ours.operands.length !== theirs.opCount - first)
    return `${ours.operands.length} operands, not ${theirs.opCount}`;
  for (const [position, operand] of ours.operands.entries()) {
    const at = position + first;
    const left = ourOperand(ours, operand, codeSize);
    const right = theirOperand(theirs, at, ours, codeSize);
    const register = theirs.opKind(at) === OpKind.Register ? theirs.opRegister(at) : Register.None;
    if (!sameOperand(ours, operand, left, right, register))
      return `operand ${position} ${left}, not ${right}`;
    if (operand.kind === 'memory' && operand.width !== 0) {
      const width = MemorySizeExt.size(theirs.memorySize) * 8;
      if (operand.width !== width) return `operand ${position} of ${operand.width} bits, not ${width}`;
    }
  }
  return undefined;
};

const prefixDifference = (ours: Instruction, theirs: IcedInstruction): string | undefined => {
  if ((ours.lock ?? false) !== theirs.hasLockPrefix) return 'lock';
  if (STRING_OPERATION.test(ours.mnemonic)) {
    if ((ours.repeat !== undefined) !== (theirs.hasRepPrefix || theirs.hasRepnePrefix)) return 'repeat';
    if (ours.repeat === 'repne' && !theirs.hasRepnePrefix) return 'rep, not repne';
  }
  return undefined;
};

/** Why our decoding of an instruction is not that of the reference, or undefined. */
export const difference = (
  ours: Instruction,
  theirs: IcedInstruction,
  codeSize: CodeSize,
): string | undefined => {
  const name = ourMnemonic(theirs.code);
  if (ours.mnemonic !== name) return `mnemonic, not ${name} (${Code[theirs.code]})`;
  if (ours.length !== theirs.length) return `length ${ours.length}, not ${theirs.length}`;
  if (ours.condition !== undefined && CONDITION_ORDER[ours.condition] !== theirs.conditionCode)
    return 'condition';
  return prefixDifference(ours, theirs) ?? operandDifference(ours, theirs, codeSize);
};

/** Decodes each slot by the reference; `visit` gets undefined where it finds no instruction. The instruction is reused. */
export const withReference = (
  slots: Uint8Array,
  codeSize: CodeSize,
  visit: (slot: number, theirs: IcedInstruction | undefined) => void,
): void => {
  const decoder = new Decoder(codeSize, slots, DecoderOptions.MPX);
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

/** Every form that the reference knows and that exists as an instruction. */
export const referenceCodes = (): readonly Code[] =>
  Object.keys(Code)
    .map(Number)
    .filter((code) => Number.isInteger(code) && code !== Code.INVALID && CodeExt.opCode(code).isInstruction);
