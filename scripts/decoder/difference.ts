import {
  type Instruction as IcedInstruction,
  MemorySizeExt,
  OpKind,
  Register,
  RegisterExt,
  RoundingControl,
} from 'iced-x86';
import {
  type CodeSize,
  type Instruction,
  type MemoryOperand,
  type Operand,
  RIP_BASE,
  type SegmentNumber,
} from '../../src/cpu/decode';
import { ADDRESS } from './reference';
import { CONDITION_ORDER, type ReferenceForm, referenceForm } from './reference-forms';

/** What of an instruction differs; `instruction` when one side alone finds one. */
export type Aspect =
  | 'instruction'
  | 'mnemonic'
  | 'length'
  | 'condition'
  | 'operand width'
  | 'address width'
  | 'lock'
  | 'repeat'
  | 'segment'
  | 'opmask'
  | 'rounding'
  | 'operand count'
  | 'operand'
  | 'memory width';

/** One thing that our decoder and the reference say differently. `position` counts our operands from 0. */
export interface Difference {
  readonly aspect: Aspect;
  readonly position?: number;
  readonly ours: string;
  readonly theirs: string;
}

const NO_INSTRUCTION = 'none';

/** The first register of a width in the reference's numbering. */
const FIRST_REGISTERS = { 8: Register.AL, 16: Register.AX, 32: Register.EAX, 64: Register.RAX };
// The reference has AH to BH between BL and SPL.
const generalRegister = (number: number, width: 8 | 16 | 32 | 64, high: boolean): Register => {
  if (high) return Register.AH + number;
  return FIRST_REGISTERS[width] + number + (width === 8 && number >= 4 ? 4 : 0);
};

const others = new Map<string, Register>();
const otherRegister = (name: string): Register => {
  const known =
    others.get(name) ?? Register[name.replace(/[()]/g, '').toUpperCase() as keyof typeof Register];
  others.set(name, known);
  return known;
};

const segmentRegister = (number: SegmentNumber): Register => Register.ES + number;
const registerName = (register: Register): string => Register[register].toLowerCase();

/** In 64-bit mode the overrides of ES, CS, SS and DS are ignored; the reference still names the segment. */
const effectiveSegment = (register: Register, codeSize: CodeSize): Register =>
  codeSize === 64 && register < Register.FS ? Register.None : register;

interface Address {
  readonly segment: Register;
  readonly base: Register;
  readonly index: Register;
  readonly scale: number;
  readonly displacement: bigint;
}

const baseRegister = (base: number, width: 16 | 32 | 64): Register => {
  if (base < 0) return Register.None;
  if (base === RIP_BASE) return width === 64 ? Register.RIP : Register.EIP;
  return generalRegister(base, width, false);
};

const ourAddress = (operand: MemoryOperand, next: bigint, codeSize: CodeSize): Address => {
  const { base, index, scale, displacement, addressWidth: width, vectorIndex } = operand;
  const offset = base === RIP_BASE ? next + displacement : displacement;
  const indexRegister = vectorIndex === undefined ? baseRegister(index, width) : otherRegister(vectorIndex);
  return {
    segment: effectiveSegment(segmentRegister(operand.segment), codeSize),
    base: baseRegister(base, width),
    index: indexRegister,
    scale: 1 << scale,
    displacement: BigInt.asUintN(width, offset),
  };
};

const theirAddress = (theirs: IcedInstruction, width: number, codeSize: CodeSize): Address => ({
  segment: effectiveSegment(theirs.memorySegment, codeSize),
  base: theirs.memoryBase,
  index: theirs.memoryIndex,
  scale: theirs.memoryIndexScale,
  displacement: BigInt.asUintN(width, theirs.memoryDisplacement),
});

const sameAddress = (left: Address, right: Address): boolean =>
  left.displacement === right.displacement &&
  left.base === right.base &&
  left.index === right.index &&
  left.scale === right.scale &&
  left.segment === right.segment;

const addressText = ({ segment, base, index, scale, displacement }: Address): string =>
  `${registerName(segment)}:[${registerName(base)}+${registerName(index)}*${scale}+0x${displacement.toString(16)}]`;

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

/** Our register operand in the reference's numbering; undefined for other operands. */
const ourRegister = (operand: Operand): Register | undefined => {
  switch (operand.kind) {
    case 'register':
      return generalRegister(operand.number, operand.width, operand.high);
    case 'segment':
      return segmentRegister(operand.number);
    case 'control':
      return Register.CR0 + operand.number;
    case 'debug':
      return Register.DR0 + operand.number;
    case 'other':
      return otherRegister(operand.name);
    default:
      return undefined;
  }
};

/** Near branches truncate their target to the operand size, XBEGIN does not. SDM Vol. 2, XBEGIN */
const targetWidth = ({ mnemonic, operandWidth }: Instruction, codeSize: CodeSize): number =>
  mnemonic === 'xbegin' ? Math.max(codeSize, 32) : operandWidth;

const ourText = (ours: Instruction, operand: Operand, next: bigint, codeSize: CodeSize): string => {
  switch (operand.kind) {
    case 'memory':
      return addressText(ourAddress(operand, next, codeSize));
    case 'immediate':
      return `${operand.value}:${operand.width}`;
    case 'relative':
      return `to ${BigInt.asUintN(targetWidth(ours, codeSize), next + operand.displacement)}`;
    case 'far':
      return `${operand.selector}:${operand.offset}`;
    default:
      return registerName(ourRegister(operand)!);
  }
};

const theirText = (theirs: IcedInstruction, at: number, width: number, codeSize: CodeSize): string => {
  const kind = theirs.opKind(at);
  switch (kind) {
    case OpKind.Register:
      return registerName(theirs.opRegister(at));
    case OpKind.Memory:
      return addressText(theirAddress(theirs, width, codeSize));
    case OpKind.NearBranch16:
    case OpKind.NearBranch32:
    case OpKind.NearBranch64:
      return `to ${theirs.nearBranchTarget}`;
    case OpKind.FarBranch16:
      return `${theirs.farBranchSelector}:${theirs.farBranch16}`;
    case OpKind.FarBranch32:
      return `${theirs.farBranchSelector}:${theirs.farBranch32}`;
    default: {
      const immediate = IMMEDIATE_WIDTHS[kind];
      if (immediate === undefined) return OpKind[kind];
      return `${BigInt.asUintN(immediate, theirs.immediate(at))}:${immediate}`;
    }
  }
};

/** Selectors and the like are 16 bits of a register whatever the operand size; the reference shows the whole register. */
const SELECTOR = /^(?:mov_sreg|arpl|lar|lsl|lldt|ltr|ver[rw]|lmsw)$/;

const sameOperand = (
  ours: Instruction,
  operand: Operand,
  theirs: IcedInstruction,
  at: number,
  next: bigint,
  codeSize: CodeSize,
): boolean => {
  const register = ourRegister(operand);
  const kind = theirs.opKind(at);
  if (register !== undefined) {
    if (kind !== OpKind.Register) return false;
    const their = theirs.opRegister(at);
    return (
      register === their ||
      (SELECTOR.test(ours.mnemonic) && RegisterExt.fullRegister(register) === RegisterExt.fullRegister(their))
    );
  }
  if (operand.kind === 'memory')
    return (
      kind === OpKind.Memory &&
      sameAddress(ourAddress(operand, next, codeSize), theirAddress(theirs, operand.addressWidth, codeSize))
    );
  return ourText(ours, operand, next, codeSize) === theirText(theirs, at, 64, codeSize);
};

/** Address width and segment of memory that an operand of the reference names and we leave implicit. */
const IMPLICIT_MEMORY: Partial<Record<OpKind, readonly [width: 16 | 32 | 64, overridable: boolean]>> = {
  [OpKind.MemorySegSI]: [16, true],
  [OpKind.MemorySegESI]: [32, true],
  [OpKind.MemorySegRSI]: [64, true],
  [OpKind.MemorySegDI]: [16, true],
  [OpKind.MemorySegEDI]: [32, true],
  [OpKind.MemorySegRDI]: [64, true],
  [OpKind.MemoryESDI]: [16, false],
  [OpKind.MemoryESEDI]: [32, false],
  [OpKind.MemoryESRDI]: [64, false],
};

const ROUNDINGS: Partial<Record<RoundingControl, string>> = {
  [RoundingControl.RoundToNearest]: '{rn-sae}',
  [RoundingControl.RoundDown]: '{rd-sae}',
  [RoundingControl.RoundUp]: '{ru-sae}',
  [RoundingControl.RoundTowardZero]: '{rz-sae}',
};

/** Everything that two decodings may say differently, one after the other. */
class Comparison {
  readonly found: Difference[] = [];

  constructor(
    private readonly ours: Instruction,
    private readonly theirs: IcedInstruction,
    private readonly form: ReferenceForm,
    private readonly codeSize: CodeSize,
  ) {}

  private note(aspect: Aspect, ours: unknown, theirs: unknown, position?: number): void {
    const where = position === undefined ? {} : { position };
    this.found.push({ aspect, ...where, ours: String(ours), theirs: String(theirs) });
  }

  private same(aspect: Aspect, ours: unknown, theirs: unknown): void {
    if (ours !== theirs) this.note(aspect, ours, theirs);
  }

  all(): readonly Difference[] {
    const { ours, theirs, form } = this;
    this.same('length', ours.length, theirs.length);
    this.same('mnemonic', ours.mnemonic, form.mnemonic);
    if (ours.condition !== undefined)
      this.same('condition', CONDITION_ORDER[ours.condition], theirs.conditionCode);
    this.widths();
    this.prefixes();
    this.decorations();
    this.operands();
    return this.found;
  }

  private widths(): void {
    const { ours, form } = this;
    if (form.operandWidth !== 0 && ours.operandWidth !== 8)
      this.same('operand width', ours.operandWidth, form.operandWidth);
    if (form.addressWidth !== 0) this.same('address width', ours.addressWidth, form.addressWidth);
  }

  private prefixes(): void {
    const { ours, theirs, form } = this;
    this.same('lock', ours.lock ?? false, theirs.hasLockPrefix);
    if (!form.repeats) return;
    const their = theirs.hasRepnePrefix ? 'repne' : theirs.hasRepPrefix ? 'rep' : undefined;
    this.same('repeat', ours.repeat, their);
  }

  private decorations(): void {
    const { ours, theirs } = this;
    const opmask = theirs.opMask;
    if (ours.mask !== undefined || opmask !== Register.None) {
      const zeroing = theirs.zeroingMasking ? '{z}' : '';
      this.same(
        'opmask',
        ours.mask ?? '',
        opmask === Register.None ? zeroing : `{${registerName(opmask)}}${zeroing}`,
      );
    }
    const rounding =
      ROUNDINGS[theirs.roundingControl] ?? (theirs.suppressAllExceptions ? '{sae}' : undefined);
    this.same('rounding', ours.rounding, rounding);
  }

  private operands(): void {
    const { ours, theirs, form } = this;
    const first = form.implicitFirst;
    const count = theirs.opCount - form.implicitLast;
    for (let at = 0; at < first; at++) this.implicit(at);
    if (ours.operands.length !== count - first) {
      this.note('operand count', ours.operands.length, count - first);
      return;
    }
    for (let position = 0; position < ours.operands.length; position++)
      this.operand(position, position + first);
  }

  private operand(position: number, at: number): void {
    const { ours, theirs, codeSize } = this;
    const operand = ours.operands[position];
    const next = ADDRESS + BigInt(ours.length);
    if (!sameOperand(ours, operand, theirs, at, next, codeSize)) {
      const width = operand.kind === 'memory' ? operand.addressWidth : 64;
      this.note(
        'operand',
        ourText(ours, operand, next, codeSize),
        theirText(theirs, at, width, codeSize),
        position,
      );
    }
    if (operand.kind !== 'memory') return;
    const broadcast = theirs.isBroadcast;
    if (broadcast !== (operand.broadcast !== undefined))
      this.note('operand', operand.broadcast, broadcast, position);
    const width = MemorySizeExt.size(theirs.memorySize) * 8;
    if (operand.width !== width) this.note('memory width', operand.width, width, position);
  }

  /** An operand that the reference names and we do not: what we say of its address by other means. */
  private implicit(at: number): void {
    const { ours, theirs, codeSize } = this;
    const kind = theirs.opKind(at);
    if (kind === OpKind.Register) return;
    const [width, overridable] =
      kind === OpKind.Memory
        ? ([RegisterExt.size(theirs.memoryBase) * 8, true] as const)
        : (IMPLICIT_MEMORY[kind] ?? ([0, false] as const));
    this.same('address width', ours.addressWidth, width);
    if (overridable) {
      const segment = effectiveSegment(segmentRegister(ours.segment ?? 3), codeSize);
      const their = effectiveSegment(theirs.memorySegment, codeSize);
      if (segment !== their) this.note('segment', registerName(segment), registerName(their));
    }
  }
}

const SAME: readonly Difference[] = [];

/** What our decoding and that of the reference say differently; undefined stands for no instruction. */
export const differences = (
  ours: Instruction | undefined,
  theirs: IcedInstruction | undefined,
  codeSize: CodeSize,
): readonly Difference[] => {
  if (ours === undefined && theirs === undefined) return SAME;
  if (ours === undefined || theirs === undefined) {
    const their = theirs === undefined ? NO_INSTRUCTION : referenceForm(theirs.code).name;
    return [{ aspect: 'instruction', ours: ours?.mnemonic ?? NO_INSTRUCTION, theirs: their }];
  }
  return new Comparison(ours, theirs, referenceForm(theirs.code), codeSize).all();
};
