import type { Instruction, Operand } from '../../decode/instruction';
import type { SystemRow } from '../../engine/row';
import type { FeatureName } from '../../presets/features';
import type { ProcessorDraft } from '../../processor-draft';
import { systemRow } from '../system/system-row';
import {
  BYTE_SHIFTS,
  FLOAT_OPERATIONS,
  INTEGER_OPERATIONS,
  type Operation,
  SHIFTS,
  SHUFFLE_OPERATIONS,
} from './packed';
import {
  enterMmx,
  readVector,
  requireAvx,
  requireMmx,
  requireSse,
  vectorOf,
  writeRegister,
} from './registers';

/** What an instruction needs: in its forms without prefix, and in the long ones with VEX. */
export interface Needs {
  readonly sse: FeatureName;
  readonly mmx?: FeatureName;
  readonly ymm: FeatureName;
}

export const INTEGER: Needs = { sse: 'sse2', mmx: 'mmx', ymm: 'avx2' };
/** MMX instructions that came with SSE. SDM Vol. 1, 10.4.4 SSE 64-Bit SIMD Integer Instructions */
export const INTEGER_SSE: Needs = { ...INTEGER, mmx: 'sse' };
export const SINGLE: Needs = { sse: 'sse', ymm: 'avx' };
export const DOUBLE: Needs = { sse: 'sse2', ymm: 'avx' };

/** The checks before anything else; `long` when a 256-bit register takes part. */
export const begin = (
  cpu: ProcessorDraft,
  instruction: Instruction,
  needs: Needs,
  vex: boolean,
  file: 'mm' | 'xmm' | 'ymm' | 'zmm',
): void => {
  if (vex) requireAvx(cpu, instruction.evex ? 'avx512f' : file === 'ymm' ? needs.ymm : 'avx');
  else if (file === 'mm') requireMmx(cpu, needs.mmx);
  else requireSse(cpu, needs.sse);
};

/** The rows of a mnemonic without and with VEX prefix. */
export const bothForms = (
  mnemonic: string,
  execute: (cpu: ProcessorDraft, instruction: Instruction, vex: boolean) => void,
): readonly SystemRow[] => [
  systemRow(mnemonic, (cpu, instruction) => execute(cpu, instruction, false)),
  systemRow(`v${mnemonic}`, (cpu, instruction) => execute(cpu, instruction, true)),
];

const immediateOf = (operand: Operand | undefined): number =>
  operand?.kind === 'immediate' ? Number(operand.value & 0xffn) : 0;

export const finish = (
  cpu: ProcessorDraft,
  destination: Operand | undefined,
  value: bigint,
  vex: boolean,
): void => {
  const register = vectorOf(destination);
  if (register.file === 'mm') enterMmx(cpu);
  writeRegister(cpu, register, value, vex);
};

/** Two sources; without VEX the first is the destination. Memory must be aligned where there is no VEX and no MMX. */
const binary = (mnemonic: string, needs: Needs, operation: Operation): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, ...sources] = instruction.operands;
    const { bits, file } = vectorOf(destination);
    begin(cpu, instruction, needs, vex, file);
    const [first, second] = vex ? sources : [destination, sources[0]];
    const right = readVector(cpu, second, bits, !vex && file !== 'mm');
    const left = readVector(cpu, first, bits, false);
    finish(cpu, destination, operation(left, right, bits, immediateOf(instruction.operands.at(-1))), vex);
  });

/** One source and an immediate. */
const unary = (mnemonic: string, needs: Needs, operation: Operation): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, source, immediate] = instruction.operands;
    const { bits, file } = vectorOf(destination);
    begin(cpu, instruction, needs, vex, file);
    const value = readVector(cpu, source, bits, !vex && file !== 'mm');
    finish(cpu, destination, operation(0n, value, bits, immediateOf(immediate)), vex);
  });

const COUNT_BITS = { mm: 64, xmm: 128, ymm: 128, zmm: 128 } as const;

/** The count is an immediate, or the low 64 bits of a register or memory. */
const shiftRows = (mnemonic: string): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, ...sources] = instruction.operands;
    const { bits, file } = vectorOf(destination);
    begin(cpu, instruction, INTEGER, vex, file);
    const [source, by] = vex ? sources : [destination, sources[0]];
    const count =
      by?.kind === 'immediate'
        ? BigInt(immediateOf(by))
        : BigInt.asUintN(64, readVector(cpu, by, COUNT_BITS[file], !vex && file !== 'mm'));
    const value = readVector(cpu, source, bits, false);
    finish(cpu, destination, SHIFTS[mnemonic](value, count, bits), vex);
  });

const byteShiftRows = (mnemonic: string): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, ...sources] = instruction.operands;
    const { bits, file } = vectorOf(destination);
    begin(cpu, instruction, INTEGER, vex, file);
    const value = readVector(cpu, vex ? sources[0] : destination, bits, false);
    finish(cpu, destination, BYTE_SHIFTS[mnemonic](value, 0n, bits, immediateOf(sources.at(-1))), vex);
  });

const WITH_SSE: ReadonlySet<string> = new Set([
  ...['pavgb', 'pavgw', 'pminub', 'pmaxub', 'pminsw', 'pmaxsw', 'psadbw', 'pmulhuw', 'pshufw'],
]);
/** On MMX registers these came with SSE2. */
const WITH_SSE2: ReadonlySet<string> = new Set(['paddq', 'psubq', 'pmuludq']);

const needsOf = (mnemonic: string): Needs => {
  if (WITH_SSE.has(mnemonic)) return INTEGER_SSE;
  return WITH_SSE2.has(mnemonic) ? { ...INTEGER, mmx: 'sse2' } : INTEGER;
};

/** Packed integers, logic, shuffles and shifts. */
export const PACKED_ROWS: readonly SystemRow[] = [
  ...Object.entries(INTEGER_OPERATIONS).flatMap(([name, operation]) =>
    binary(name, needsOf(name), operation),
  ),
  ...Object.entries(FLOAT_OPERATIONS).flatMap(([name, operation]) =>
    binary(name, name.endsWith('ps') ? SINGLE : DOUBLE, operation),
  ),
  ...Object.entries(SHUFFLE_OPERATIONS).flatMap(([name, operation]) => unary(name, needsOf(name), operation)),
  ...Object.keys(SHIFTS).flatMap(shiftRows),
  ...Object.keys(BYTE_SHIFTS).flatMap(byteShiftRows),
];
