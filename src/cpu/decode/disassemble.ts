import { hex, u64 } from '../../core';
import {
  type Instruction,
  type MemoryOperand,
  type Operand,
  type RegisterOperand,
  RIP_BASE,
  SEGMENT_NAMES,
} from './instruction';

const CONDITION_NAMES = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
];

/** The suffix of a condition code, such as `ne` for 5. */
export const conditionName = (code: number): string => CONDITION_NAMES[code & 15];

const LEGACY_NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];

/** SDM Vol. 1, 3.4.1.1 General-Purpose Registers in 64-Bit Mode */
const registerName = ({
  number,
  width,
  high,
}: Pick<RegisterOperand, 'number' | 'width' | 'high'>): string => {
  if (high) return `${'acdb'[number]}h`;
  if (number >= 8) return `r${number}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[width]}`;
  const name = LEGACY_NAMES[number];
  if (width === 8) return number < 4 ? `${name[0]}l` : `${name}l`;
  return `${{ 16: '', 32: 'e', 64: 'r' }[width]}${name}`;
};

const SIZE_NAMES: Record<number, string> = {
  8: 'byte ptr ',
  16: 'word ptr ',
  32: 'dword ptr ',
  48: 'fword ptr ',
  64: 'qword ptr ',
  80: 'tbyte ptr ',
  128: 'xmmword ptr ',
  256: 'ymmword ptr ',
  512: 'zmmword ptr ',
};

const signed = (value: bigint): string => (value < 0n ? `-${hex(-value)}` : `+${hex(value)}`);
const lowBits = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);

const addressText = (operand: MemoryOperand, next: bigint): string => {
  const { base, index, scale, displacement, addressWidth: width, vectorIndex } = operand;
  if (base === RIP_BASE) return hex(lowBits(next + displacement, width));
  const scaled = (name: string): string => (scale === 0 ? name : `${name}*${1 << scale}`);
  const terms = [
    ...(base < 0 ? [] : [registerName({ number: base, width, high: false })]),
    ...(index < 0 ? [] : [scaled(registerName({ number: index, width, high: false }))]),
    ...(vectorIndex === undefined ? [] : [scaled(vectorIndex)]),
  ];
  if (terms.length === 0) return hex(lowBits(displacement, width));
  return terms.join('+') + (displacement === 0n ? '' : signed(displacement));
};

const defaultSegment = (operand: MemoryOperand): number => (operand.base === 4 || operand.base === 5 ? 2 : 3);

const memoryText = (operand: MemoryOperand, next: bigint, sized: boolean): string => {
  const segment = operand.segment === defaultSegment(operand) ? '' : `${SEGMENT_NAMES[operand.segment]}:`;
  const broadcast = operand.broadcast === undefined ? '' : `{1to${operand.broadcast}}`;
  return `${sized ? (SIZE_NAMES[operand.width] ?? '') : ''}${segment}[${addressText(operand, next)}]${broadcast}`;
};

/** Near branches truncate their target to the operand size; XBEGIN does not. */
const targetWidth = ({ mnemonic, operandWidth, addressWidth }: Instruction): number =>
  mnemonic === 'xbegin' && operandWidth === 16 ? Math.max(addressWidth, 32) : operandWidth;

const operandText = (instruction: Instruction, operand: Operand, next: bigint): string => {
  switch (operand.kind) {
    case 'register':
      return registerName(operand);
    case 'immediate':
      return hex(operand.value);
    case 'memory':
      return memoryText(operand, next, instruction.mnemonic !== 'lea');
    case 'segment':
      return SEGMENT_NAMES[operand.number];
    case 'control':
      return `cr${operand.number}`;
    case 'debug':
      return `dr${operand.number}`;
    case 'relative':
      return hex(lowBits(next + operand.displacement, targetWidth(instruction)));
    case 'far':
      return `${hex(operand.selector)}:${hex(operand.offset)}`;
    case 'other':
      return operand.name;
  }
};

const CONDITIONAL = /^(j|set|cmov)cc$/;
const STRING_OPERATION = /^(?:movs|cmps|scas|lods|stos|ins|outs)$/;
const WIDTH_LETTERS = { 8: 'b', 16: 'w', 32: 'd', 64: 'q' };
/** The names that stand apart in the tables because their operands differ in kind. */
const PLAIN_NAMES: Record<string, string> = {
  mov_cr: 'mov',
  mov_dr: 'mov',
  mov_sreg: 'mov',
  push_sreg: 'push',
  pop_sreg: 'pop',
  call_far: 'call far',
  jmp_far: 'jmp far',
  ret_far: 'retf',
};

const nameOf = (instruction: Instruction): string => {
  const { mnemonic, condition = 0, operandWidth } = instruction;
  const conditional = CONDITIONAL.exec(mnemonic);
  if (conditional !== null) return `${conditional[1]}${conditionName(condition)}`;
  if (STRING_OPERATION.test(mnemonic)) return `${mnemonic}${WIDTH_LETTERS[operandWidth]}`;
  return PLAIN_NAMES[mnemonic] ?? mnemonic;
};

/** The instruction in Intel syntax; branch targets and RIP-relative operands are computed for its linear address. */
export const disassemble = (instruction: Instruction, address: bigint): string => {
  const next = u64(address + BigInt(instruction.length));
  const prefixes = [
    ...(instruction.lock ? ['lock'] : []),
    ...(instruction.repeat === undefined ? [] : [instruction.repeat]),
    ...(instruction.segment === undefined ? [] : [SEGMENT_NAMES[instruction.segment]]),
  ];
  const operands = instruction.operands.map((operand, position) => {
    const text = operandText(instruction, operand, next);
    return position === 0 ? text + (instruction.mask ?? '') : text;
  });
  if (instruction.rounding !== undefined) operands.push(instruction.rounding);
  const name = [...prefixes, nameOf(instruction)].join(' ');
  return operands.length === 0 ? name : `${name} ${operands.join(', ')}`;
};
