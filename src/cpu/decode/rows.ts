import type { Encoding } from './decoding';
import { NO_PREFIX, PREFIX_66, PREFIX_F2, PREFIX_F3 } from './decoding';
import { type OperandReader, operandLetters, operandReader } from './operands';

/**
 * The notation of the opcode tables. One form of an instruction is one line:
 *
 *   opcode  conditions and encodings  mnemonic  operands  traits
 *
 * The opcode is one hexadecimal byte; `+r` stands for eight opcodes with a register in bits 2:0, `+cc` for sixteen with a condition code.
 * The first line of an opcode whose conditions hold is the instruction; if none holds the opcode is undefined.
 *
 * Conditions: `np 66 f3 f2` mandatory prefix; `/0`../`7` ModRM.reg; `mem reg` ModRM.mod; `rm0`..`rm7` ModRM.rm; `o64 i64` only or never in
 * 64-bit mode; `w0 w1` REX.W, VEX.W or EVEX.W; `l0 l1 l2 l12` vector length; `b0` no REX.B; `n66` no 66 prefix at all; `o16` operand size 16; `a16 a32 a64` address size.
 * `mem` and `reg` are implied by operands that are memory or registers alone (M X TM, N U).
 * Encodings (none means legacy): `s` legacy; `m` legacy without prefix, on MMX registers; `v v0 v1` VEX and `e e0 e1` EVEX, with W ignored, 0 or 1.
 * A line with `s` or `m` and `v` or `e` gives the mnemonic without its leading v, and the first source H is absent in `s` and `m`.
 *
 * Operands are the manual's codes (SDM Vol. 2, A.2.1 Codes for Addressing Method), a letter and a size:
 * E ModRM.rm register or memory, G ModRM.reg, R ModRM.rm register whatever mod, B VEX.vvvv, Z register in the opcode, M memory only, O moffs,
 * S C D segment, control and debug registers, I immediate (`sI` sign-extended byte), J relative, A far pointer;
 * P MMX, N MMX in ModRM.rm, Q MMX or memory; V H U W the same for vectors (H is vvvv, U ModRM.rm, W vector or memory), L vector in an immediate,
 * X memory with vector index (the size is that of the index); KG KB KE opmasks, BG BE bounds, TG TE TB tiles, TM tile memory with SIB.
 * Sizes: b w d q o are 8 to 128 bits, digits any number; v operand size, z at most 32, y 32 or 64 by W, n 32 or 64 by mode, j address size,
 * p far pointer, a BOUND pair, s descriptor-table register; x vector length, h f g its half, fourth and eighth. `*d` element for broadcast, `/w` size in memory (for W the unit of a compressed displacement).
 *
 * Traits: `lock` may be locked; `byte` operand width 8; `d64` 64 bits by default and `f64` always in 64-bit mode, `n64` 32 or 64 by mode, `z32` at most 32;
 * `str` string instruction and `seg` other implicit memory operand; `er sae` EVEX.b with registers is rounding control; `nk` no opmask, `nz` no zeroing;
 * `apart` the destination differs from every source, `distinct` no two registers are the same.
 */
export interface Form {
  readonly mnemonic: string;
  /** The form applies when `(context & mask) === value`. */
  readonly mask: number;
  readonly value: number;
  readonly readers: readonly OperandReader[];
  readonly traits: number;
  /** Condition code, or -1. */
  readonly condition: number;
}

/** The forms of one opcode. */
export interface Opcode {
  readonly forms: readonly Form[];
  readonly hasModRm: boolean;
}

export type OpcodeMap = readonly (Opcode | undefined)[];

/** Properties of a form as bits. The named ones stand at the end of a row; the others follow from its operands. */
export const LOCKABLE = 1 << 0;
export const BYTE = 1 << 1;
export const DEFAULT64 = 1 << 2;
export const FORCED64 = 1 << 3;
export const NATIVE = 1 << 4;
export const AT_MOST_32 = 1 << 5;
export const STRING = 1 << 6;
export const IMPLICIT_MEMORY = 1 << 7;
export const ROUNDING = 1 << 8;
export const UNMASKED = 1 << 9;
export const MASK_REQUIRED = 1 << 10;
export const READS_VVVV = 1 << 11;
export const NO_ZEROING = 1 << 12;
export const IGNORES_MOD = 1 << 13;
export const VECTOR_INDEX = 1 << 14;
export const BROADCASTS = 1 << 15;
export const STORES = 1 << 16;
export const OTHER_DESTINATION = 1 << 17;
export const ALL_DISTINCT = 1 << 18;
export const ROUNDS = 1 << 19;
export const GENERAL_REG = 1 << 20;
export const X87 = 1 << 21;

const TRAITS: Record<string, number> = {
  lock: LOCKABLE,
  byte: BYTE,
  d64: DEFAULT64,
  f64: FORCED64,
  n64: NATIVE,
  z32: AT_MOST_32,
  str: STRING | IMPLICIT_MEMORY,
  seg: IMPLICIT_MEMORY,
  er: ROUNDING | ROUNDS,
  sae: ROUNDING,
  nk: UNMASKED,
  nz: NO_ZEROING,
  apart: OTHER_DESTINATION,
  distinct: ALL_DISTINCT,
};

/** Where the facts that choose a form stand in the context word. */
export const REG_SHIFT = 3;
export const MOD3 = 1 << 6;
export const PREFIX_SHIFT = 7;
export const MODE64 = 1 << 9;
export const W_SHIFT = 10;
export const LENGTH_SHIFT = 11;
export const EXTENDED_BASE = 1 << 13;
export const OPERAND16 = 1 << 14;
export const ADDRESS_SHIFT = 15;
export const PREFIXED_66 = 1 << 17;

type Condition = readonly [mask: number, value: number];
const MODRM_MASK = 0x7f;
const prefix = (value: number): Condition => [3 << PREFIX_SHIFT, value << PREFIX_SHIFT];
const numbered = (name: string, mask: number, shift: number): [string, Condition][] =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((number) => [`${name}${number}`, [mask << shift, number << shift]]);

const CONDITIONS: Record<string, Condition> = {
  np: prefix(NO_PREFIX),
  '66': prefix(PREFIX_66),
  f3: prefix(PREFIX_F3),
  f2: prefix(PREFIX_F2),
  ...Object.fromEntries([...numbered('/', 7, REG_SHIFT), ...numbered('rm', 7, 0)]),
  mem: [MOD3, 0],
  reg: [MOD3, MOD3],
  o64: [MODE64, MODE64],
  i64: [MODE64, 0],
  w0: [1 << W_SHIFT, 0],
  w1: [1 << W_SHIFT, 1 << W_SHIFT],
  l0: [3 << LENGTH_SHIFT, 0],
  l1: [3 << LENGTH_SHIFT, 1 << LENGTH_SHIFT],
  l2: [3 << LENGTH_SHIFT, 2 << LENGTH_SHIFT],
  b0: [EXTENDED_BASE, 0],
  o16: [OPERAND16, OPERAND16],
  n66: [PREFIXED_66, 0],
  a16: [3 << ADDRESS_SHIFT, 0],
  a32: [3 << ADDRESS_SHIFT, 1 << ADDRESS_SHIFT],
  a64: [3 << ADDRESS_SHIFT, 2 << ADDRESS_SHIFT],
};
/** Only ever stands for 256 and 512 bits, which one mask cannot say: the row becomes two. */
const LONG_VECTORS = 'l12';

const ENCODINGS = /^(?:(s|m|v|e)([01]?))$/;
const ENCODING_NAMES: Record<string, Encoding> = { s: 'legacy', m: 'legacy', v: 'vex', e: 'evex' };
const ANY_MODRM = /^(?:[EGRMSCDPNQVUWX]|K[GE]|B[GE]|T[GEM]|STi)$/;
const READ_VVVV = /^(?:[HB]|KB|TB)$/;
const BYTE_FIRST = /^(?:[EGZMO]b|AL)(?:\/|$)/;

/** A row ready to be put into the map of its encoding. */
export interface PlacedForm {
  readonly encoding: Encoding;
  readonly opcode: number;
  readonly form: Form;
  readonly hasModRm: boolean;
}

const mmxOperands = (operands: readonly string[]): readonly string[] =>
  operands.map((code) => code.replace(/^V.*/, 'P').replace(/^W[^/]*/, 'Qq'));

const impliedMod = (operands: readonly string[]): readonly string[] => {
  const letters = operands.map(operandLetters);
  if (letters.some((code) => code === 'M' || code === 'X' || code === 'TM')) return ['mem'];
  return letters.some((code) => code === 'N' || code === 'U') ? ['reg'] : [];
};

const traitsOf = (operands: readonly string[], named: readonly string[], encoding: Encoding): number => {
  const letters = operands.map(operandLetters);
  let traits = named.reduce((all, name) => all | TRAITS[name], 0);
  if (operands.length > 0 && BYTE_FIRST.test(operands[0])) traits |= BYTE;
  if (letters.some((code) => READ_VVVV.test(code))) traits |= READS_VVVV;
  if (letters.some((code) => code === 'R' || code === 'C' || code === 'D')) traits |= IGNORES_MOD;
  if (letters.includes('G')) traits |= GENERAL_REG;
  if (letters.includes('X')) traits |= VECTOR_INDEX | (encoding === 'evex' ? MASK_REQUIRED : 0);
  if (operands.some((code) => /^W.*\*/.test(code))) traits |= BROADCASTS;
  if (/^(?:M|X|KG|G)/.test(letters[0] ?? '')) traits |= NO_ZEROING;
  if (letters[0] === 'W') traits |= STORES;
  return traits;
};

const OPERAND = /[A-Z]|^1$/;

const placedRows = (row: string): readonly PlacedForm[] => {
  const tokens = row.split(/\s+/);
  const opcodeToken = tokens.shift()!;
  const encodings: string[] = [];
  const conditions: string[] = [];
  for (; tokens[0] in CONDITIONS || tokens[0] === LONG_VECTORS || ENCODINGS.test(tokens[0]); tokens.shift())
    (ENCODINGS.test(tokens[0]) ? encodings : conditions).push(tokens[0]);
  if (conditions.includes(LONG_VECTORS))
    return ['l1', 'l2'].flatMap((length) => placedRows(row.replace(LONG_VECTORS, length)));
  const name = tokens.shift()!;
  const allOperands = OPERAND.test(tokens[0] ?? '') ? tokens.shift()!.split(',') : [];
  // The opcodes D8 to DF of the one-byte map: all names begin with F, those of 0F D8 to 0F DF with P.
  const isX87 = /^d[89a-f]$/.test(opcodeToken) && name.startsWith('f');
  const addsV = encodings.some((token) => /^[sm]/.test(token));
  const expansion = opcodeToken.endsWith('+r') ? 8 : opcodeToken.endsWith('+cc') ? 16 : 1;
  return (encodings.length === 0 ? ['s'] : encodings).flatMap((token) => {
    const [, letter, w] = ENCODINGS.exec(token)!;
    const encoding = ENCODING_NAMES[letter];
    const sources = encoding === 'legacy' ? allOperands.filter((code) => !code.startsWith('H')) : allOperands;
    const operands = letter === 'm' ? mmxOperands(sources) : sources;
    const own =
      letter === 'm' ? conditions.filter((condition) => condition !== '66').concat('np') : conditions;
    const implied = impliedMod(operands);
    const [mask, value] = [...own, ...implied, ...(w ? [`w${w}`] : [])]
      .map((condition) => CONDITIONS[condition])
      .reduce(([allMasks, all], [oneMask, one]) => [allMasks | oneMask, all | one], [0, 0]);
    const form = {
      mnemonic: encoding !== 'legacy' && addsV ? `v${name}` : name,
      mask,
      value,
      readers: operands.map(operandReader),
      traits: traitsOf(operands, tokens, encoding) | (isX87 ? X87 : 0),
    };
    const hasModRm =
      (mask & MODRM_MASK) !== 0 || operands.some((code) => ANY_MODRM.test(operandLetters(code)));
    return Array.from({ length: expansion }, (_, index) => ({
      encoding,
      opcode: Number.parseInt(opcodeToken, 16) + index,
      hasModRm,
      form: { ...form, condition: expansion === 16 ? index : -1 },
    }));
  });
};

/** The forms that the rows of a table stand for; lines that begin with `#` are remarks. */
export const parseRows = (table: string): readonly PlacedForm[] =>
  table
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap(placedRows);

/** One encoding's map of 256 opcodes. */
export const opcodeMap = (placed: readonly PlacedForm[], encoding: Encoding): OpcodeMap => {
  const map: (Opcode | undefined)[] = new Array(256).fill(undefined);
  for (const row of placed) {
    if (row.encoding !== encoding) continue;
    const before = map[row.opcode];
    map[row.opcode] = {
      forms: [...(before?.forms ?? []), row.form],
      hasModRm: row.hasModRm || (before?.hasModRm ?? false),
    };
  }
  return map;
};
