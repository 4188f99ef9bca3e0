import { maskOf, shiftRightWide } from '../../../core';
import type { Instruction, Operand } from '../../decode/instruction';
import type { SystemRow } from '../../engine/row';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SLOT } from '../../slots';
import { bytesOf } from '../memory-area';
import { general, registerOf, setGeneral } from '../system/operands';
import { systemRow } from '../system/system-row';
import { requireNoPending } from '../x87/access';
import {
  enterMmx,
  isMemory,
  readRegister,
  readVector,
  requireAvx,
  requireMmx,
  requireSse,
  vectorOf,
  writeMemory,
  writeRegister,
} from './registers';
import { begin, bothForms, DOUBLE, finish, INTEGER, type Needs, SINGLE } from './rows';

const MOVES: Needs = { sse: 'sse2', mmx: 'mmx', ymm: 'avx' };
const SSE3: Needs = { sse: 'sse3', ymm: 'avx' };

const fileOf = (operands: readonly Operand[]) => vectorOf(operands.find((one) => one.kind === 'other')).file;

/** A whole register or as many bits of memory; `aligned` demands alignment of memory of more than 64 bits. */
const whole = (mnemonic: string, needs: Needs, aligned: boolean): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, source] = instruction.operands;
    begin(cpu, instruction, needs, vex, fileOf(instruction.operands));
    const { bits } = vectorOf(isMemory(destination) ? source : destination);
    const value = readVector(cpu, source, bits, aligned && bits > 64);
    if (isMemory(destination)) {
      writeMemory(cpu, destination, bits, value, aligned && bits > 64);
      if (fileOf(instruction.operands) === 'mm') enterMmx(cpu);
    } else finish(cpu, destination, value, vex);
  });

const valueFrom = (cpu: ProcessorDraft, operand: Operand | undefined, bits: number): bigint =>
  operand?.kind === 'register' ? general(cpu, operand.number, bits) : readVector(cpu, operand, bits, false);

/** MOVD and MOVQ: `bits` of a general-purpose register, memory or a vector register; the rest of a vector register becomes 0. */
const low = (mnemonic: string, width: (operands: readonly Operand[]) => number): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const { operands } = instruction;
    const [destination, source] = operands;
    const file = fileOf(operands);
    begin(cpu, instruction, MOVES, vex, file);
    const bits = width(operands);
    const value = valueFrom(cpu, source, bits);
    if (destination.kind === 'other') {
      finish(cpu, destination, value, vex);
      return;
    }
    if (destination.kind === 'register') setGeneral(cpu, destination.number, bits, value);
    else writeMemory(cpu, destination, bits, value, false);
    if (file === 'mm') enterMmx(cpu);
  });

const merged = (value: bigint, bits: number, at: number, into: bigint): bigint =>
  (into & ~(maskOf(bits) << BigInt(at))) | ((value & maskOf(bits)) << BigInt(at));

/** MOVSS and MOVSD: from memory the rest becomes 0, from a register it is the first source's. */
const scalar = (mnemonic: string, needs: Needs, bits: 32 | 64): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const { operands } = instruction;
    const [destination] = operands;
    begin(cpu, instruction, needs, vex, 'xmm');
    if (isMemory(destination)) {
      writeMemory(cpu, destination, bits, readVector(cpu, operands[1], bits, false), false);
      return;
    }
    const source = operands.at(-1);
    const value = readVector(cpu, source, bits, false);
    const rest = operands[operands.length - 2];
    finish(
      cpu,
      destination,
      isMemory(source) ? value : merged(value, bits, 0, readRegister(cpu, vectorOf(rest))),
      vex,
    );
  });

/** MOVLPS, MOVHPS and their like: 64 bits between memory and one half of a register. */
const half = (mnemonic: string, needs: Needs, at: 0 | 64): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const { operands } = instruction;
    const [destination] = operands;
    begin(cpu, instruction, needs, vex, 'xmm');
    if (isMemory(destination)) {
      const value = shiftRightWide(readVector(cpu, operands[1], 128, false), at);
      writeMemory(cpu, destination, 64, value & maskOf(64), false);
      return;
    }
    const value = readVector(cpu, operands.at(-1), 64, false);
    const rest = readRegister(cpu, vectorOf(operands[operands.length - 2]));
    finish(cpu, destination, merged(value, 64, at, rest), vex);
  });

/** MOVHLPS and MOVLHPS. */
const otherHalf = (mnemonic: string, from: 0 | 64, to: 0 | 64): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const { operands } = instruction;
    begin(cpu, instruction, SINGLE, vex, 'xmm');
    const source = shiftRightWide(readRegister(cpu, vectorOf(operands.at(-1))), from);
    const rest = readRegister(cpu, vectorOf(operands[operands.length - 2]));
    finish(cpu, operands[0], merged(source, 64, to, rest), vex);
  });

/** Each element of a pair becomes the one that `odd` chooses. */
const duplicate = (mnemonic: string, size: 32 | 64, odd: boolean): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, source] = instruction.operands;
    const { bits, file } = vectorOf(destination);
    begin(cpu, instruction, SSE3, vex, file);
    const value = readVector(cpu, source, bits, !vex && size === 32);
    let result = 0n;
    for (let at = 0; at < bits; at += 2 * size) {
      const one = shiftRightWide(value, odd ? at + size : at) & maskOf(size);
      result |= (one << BigInt(at)) | (one << BigInt(at + size));
    }
    finish(cpu, destination, result, vex);
  });

/** The sign bits of the elements, in a general-purpose register. */
const signs = (mnemonic: string, needs: Needs, size: number): readonly SystemRow[] =>
  bothForms(mnemonic, (cpu, instruction, vex) => {
    const [destination, source] = instruction.operands;
    const { bits, file } = vectorOf(source);
    begin(cpu, instruction, needs, vex, file);
    const value = readRegister(cpu, vectorOf(source));
    let mask = 0n;
    for (let at = 0; at < bits / size; at++)
      mask |= (shiftRightWide(value, at * size + size - 1) & 1n) << BigInt(at);
    if (file === 'mm') enterMmx(cpu);
    setGeneral(cpu, registerOf(destination).number, 64, mask);
  });

const WORD = 16;
const lastNumber = (operands: readonly Operand[]): number => {
  const last = operands.at(-1);
  return last?.kind === 'immediate' ? Number(last.value & 0xffn) : 0;
};
const wordAt = (bits: number, operands: readonly Operand[]): number =>
  WORD * (lastNumber(operands) & (bits / WORD - 1));

const MMX_OF_SSE: Needs = { ...INTEGER, mmx: 'sse' };

const insertWord = bothForms('pinsrw', (cpu, instruction, vex) => {
  const { operands } = instruction;
  const { bits, file } = vectorOf(operands[0]);
  begin(cpu, instruction, MMX_OF_SSE, vex, file);
  const value = valueFrom(cpu, operands[operands.length - 2], WORD);
  const rest = readRegister(cpu, vectorOf(operands[vex ? 1 : 0]));
  finish(cpu, operands[0], merged(value, WORD, wordAt(bits, operands), rest), vex);
});

const extractWord = bothForms('pextrw', (cpu, instruction, vex) => {
  const { operands } = instruction;
  const { bits, file } = vectorOf(operands[1]);
  const toMemory = operands[0].kind === 'memory';
  begin(cpu, instruction, toMemory ? { sse: 'sse4_1', ymm: 'avx' } : MMX_OF_SSE, vex, file);
  const value = shiftRightWide(readRegister(cpu, vectorOf(operands[1])), wordAt(bits, operands));
  if (toMemory) {
    writeMemory(cpu, operands[0], WORD, value & 0xffffn, false);
    return;
  }
  if (file === 'mm') enterMmx(cpu);
  setGeneral(cpu, registerOf(operands[0]).number, 64, value & 0xffffn);
});

/** Bytes whose mask has its sign set go to DS:RDI. SDM Vol. 2, MASKMOVQ, MASKMOVDQU */
const masked = (cpu: ProcessorDraft, instruction: Instruction, vex: boolean): void => {
  const [source, mask] = instruction.operands;
  const { bits, file } = vectorOf(source);
  begin(cpu, instruction, file === 'mm' ? MMX_OF_SSE : INTEGER, vex, file);
  const value = bytesOf(readRegister(cpu, vectorOf(source)), bits / 8);
  const chosen = bytesOf(readRegister(cpu, vectorOf(mask)), bits / 8);
  const base = cpu.R[SLOT.rdi] & maskOf(instruction.addressWidth);
  const targets = [...chosen].flatMap((byte, index) => {
    if (byte < 0x80) return [];
    const offset = (base + BigInt(index)) & maskOf(instruction.addressWidth);
    return [{ at: linearAddress(cpu, instruction.segment ?? 3, offset, 1, true), byte: value[index] }];
  });
  for (const { at } of targets) cpu.mmu.probeWrite(at, 1);
  for (const { at, byte } of targets) cpu.mmu.write(at, 1, BigInt(byte));
  if (file === 'mm') enterMmx(cpu);
};

const between = (mnemonic: string): SystemRow =>
  systemRow(mnemonic, (cpu, { operands: [destination, source] }) => {
    requireSse(cpu, 'sse2');
    requireNoPending(cpu);
    const value = readRegister(cpu, vectorOf(source)) & maskOf(64);
    enterMmx(cpu);
    writeRegister(cpu, vectorOf(destination), value, false);
  });

const emptyMmx = systemRow('emms', (cpu) => {
  requireMmx(cpu);
  enterMmx(cpu);
  const { extended } = cpu;
  cpu.extended = Object.freeze({ ...extended, x87: Object.freeze({ ...extended.x87, full: 0 }) });
});

const clearUpper = (keep: bigint) => (cpu: ProcessorDraft, instruction: Instruction) => {
  requireAvx(cpu, instruction.evex ? 'avx512f' : 'avx');
  const { extended } = cpu;
  // In 64-bit mode all registers, elsewhere the eight that can be named.
  const count = cpu.mode64 ? 16 : 8;
  const vectors = Object.freeze(
    extended.vectors.map((value, index) => (index < count ? value & keep : value)),
  );
  cpu.extended = Object.freeze({ ...extended, vectors });
};

const quadword = (): number => 64;
const doubleword = (): number => 32;

/** Moves, without and with VEX. SDM Vol. 1, 10.4.1.1 SSE Data Movement Instructions, 11.4.1.1 Data Movement Instructions */
export const MOVE_ROWS: readonly SystemRow[] = [
  ...whole('movaps', SINGLE, true),
  ...whole('movapd', DOUBLE, true),
  ...whole('movups', SINGLE, false),
  ...whole('movupd', DOUBLE, false),
  ...whole('movdqa', MOVES, true),
  ...whole('movdqu', MOVES, false),
  ...whole('lddqu', SSE3, false),
  ...whole('movntps', SINGLE, true),
  ...whole('movntpd', DOUBLE, true),
  ...whole('movntdq', MOVES, true),
  ...whole('movntdqa', { sse: 'sse4_1', ymm: 'avx2' }, true),
  ...whole('movntq', MMX_OF_SSE, false),
  ...low('movd', doubleword),
  ...low('movq', quadword),
  ...scalar('movss', SINGLE, 32),
  ...scalar('movsd', DOUBLE, 64),
  ...half('movlps', SINGLE, 0),
  ...half('movhps', SINGLE, 64),
  ...half('movlpd', DOUBLE, 0),
  ...half('movhpd', DOUBLE, 64),
  ...otherHalf('movhlps', 64, 0),
  ...otherHalf('movlhps', 0, 64),
  ...duplicate('movsldup', 32, false),
  ...duplicate('movshdup', 32, true),
  ...duplicate('movddup', 64, false),
  ...signs('movmskps', SINGLE, 32),
  ...signs('movmskpd', DOUBLE, 64),
  ...signs('pmovmskb', MMX_OF_SSE, 8),
  ...insertWord,
  ...extractWord,
  ...bothForms('maskmovq', masked),
  ...bothForms('maskmovdqu', masked),
  between('movq2dq'),
  between('movdq2q'),
  emptyMmx,
  systemRow('vzeroall', clearUpper(0n)),
  systemRow('vzeroupper', clearUpper(maskOf(128))),
];
