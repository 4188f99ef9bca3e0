import { maskOf, type Width } from '../../core';
import type { Instruction, SegmentNumber } from '../decode/instruction';
import { subFlags } from '../engine/computed-flags';
import type { SystemRow } from '../engine/row';
import type { ProcessorDraft } from '../processor-draft';
import { checksAlignment, linearAddress, SEGMENT_CHECK, segmentCheck } from '../segmented-address';
import { FLAG, SLOT } from '../slots';
import { storeStatusFlags } from '../status-flags';

const ES: SegmentNumber = 0;
const DS: SegmentNumber = 3;

/** A string instruction in execution: sizes, direction and the registers that move. */
class StringOperation {
  readonly bytes: number;
  readonly source: SegmentNumber;
  /** Bytes from one element to the next. */
  readonly step: bigint;

  constructor(
    readonly cpu: ProcessorDraft,
    readonly instruction: Instruction,
  ) {
    this.bytes = instruction.operandWidth / 8;
    this.source = instruction.segment ?? DS;
    this.step = BigInt(cpu.flag(FLAG.df) ? -this.bytes : this.bytes);
  }

  /** A register cut to the address width. */
  at(slot: number): bigint {
    return this.cpu.R[slot] & maskOf(this.instruction.addressWidth);
  }

  // SDM Vol. 1, 3.4.1.1: a 32-bit result clears the upper half, a 16-bit one keeps it.
  put(slot: number, value: bigint): void {
    const { addressWidth } = this.instruction;
    const mask = maskOf(addressWidth);
    const { R } = this.cpu;
    R[slot] = (addressWidth === 16 ? R[slot] & ~mask : 0n) | (value & mask);
  }

  advance(...slots: readonly number[]): void {
    for (const slot of slots) this.put(slot, this.at(slot) + this.step);
  }

  advanceBy(elements: number, ...slots: readonly number[]): void {
    for (const slot of slots) this.put(slot, this.at(slot) + this.step * BigInt(elements));
  }

  linear(segment: SegmentNumber, slot: number, write: boolean): bigint {
    return linearAddress(this.cpu, segment, this.at(slot), this.bytes, write);
  }

  read(segment: SegmentNumber, slot: number): bigint {
    return this.cpu.mmu.read(this.linear(segment, slot, false), this.bytes);
  }

  /** The destination is ES:RDI whatever the segment override. */
  write(value: bigint): void {
    this.cpu.mmu.write(this.linear(ES, SLOT.rdi, true), this.bytes, value);
  }
}

/** The last comparison of SCAS or CMPS: the status flags come from `first - second`. */
interface Comparison {
  readonly first: bigint;
  readonly second: bigint;
}

/** One iteration: all memory accesses, then the registers. */
type Iteration = (string: StringOperation) => Comparison | undefined;

/** Several iterations at once: how many (at most `count`) were done, 0 when the general way must be gone. */
type Bulk = (string: StringOperation, count: number) => number;

const noBulk: Bulk = () => 0;

/** How many of `count` elements follow each other upwards at linear addresses that only translation can refuse. */
const ascending = (
  string: StringOperation,
  segment: SegmentNumber,
  slot: number,
  write: boolean,
  count: number,
): number => {
  const { cpu, bytes, step, instruction } = string;
  if (count < 2 || step < 0n || checksAlignment(cpu)) return 0;
  const last = lastOffset(cpu, segment, instruction.addressWidth, write);
  if (last === Number.POSITIVE_INFINITY) return count;
  return Math.min(count, Math.floor((last + 1 - Number(string.at(slot))) / bytes));
};

/** The last offset before the address size or the segment ends; -1 when every access must be checked by itself. */
const lastOffset = (
  cpu: ProcessorDraft,
  segment: SegmentNumber,
  addressWidth: 16 | 32 | 64,
  write: boolean,
): number => {
  if (addressWidth === 64) return Number.POSITIVE_INFINITY;
  const widest = addressWidth === 16 ? 0xffff : 0xffff_ffff;
  if (cpu.mode64) return widest;
  const check = segmentCheck(cpu, segment);
  if ((check & ~SEGMENT_CHECK.writable) === SEGMENT_CHECK.general) return -1;
  if (write && (check & SEGMENT_CHECK.writable) === 0) return -1;
  return Math.min(widest, cpu.W[2 * (SLOT.esLimit + segment)] >>> 0);
};

const bulkStore: Bulk = (string, count) => {
  const most = ascending(string, ES, SLOT.rdi, true, count);
  if (most < 2) return 0;
  const { cpu, bytes } = string;
  const done = cpu.mmu.fill(string.linear(ES, SLOT.rdi, true), bytes, most, cpu.R[SLOT.rax]);
  string.advanceBy(done, SLOT.rdi);
  return done;
};

const bulkMove: Bulk = (string, count) => {
  const readable = ascending(string, string.source, SLOT.rsi, false, count);
  const most = ascending(string, ES, SLOT.rdi, true, readable);
  if (most < 2) return 0;
  const { cpu, bytes } = string;
  const from = string.linear(string.source, SLOT.rsi, false);
  const done = cpu.mmu.copy(from, string.linear(ES, SLOT.rdi, true), bytes, most);
  string.advanceBy(done, SLOT.rsi, SLOT.rdi);
  return done;
};

const OPERATIONS: Readonly<Record<string, { readonly iterate: Iteration; readonly bulk: Bulk }>> = {
  movs: {
    iterate: (string) => {
      string.write(string.read(string.source, SLOT.rsi));
      string.advance(SLOT.rsi, SLOT.rdi);
      return undefined;
    },
    bulk: bulkMove,
  },
  stos: {
    iterate: (string) => {
      string.write(string.cpu.R[SLOT.rax] & maskOf(string.instruction.operandWidth));
      string.advance(SLOT.rdi);
      return undefined;
    },
    bulk: bulkStore,
  },
  lods: {
    iterate: (string) => {
      const { R } = string.cpu;
      const width = string.instruction.operandWidth;
      const value = string.read(string.source, SLOT.rsi);
      R[SLOT.rax] = width >= 32 ? value : (R[SLOT.rax] & ~maskOf(width)) | value;
      string.advance(SLOT.rsi);
      return undefined;
    },
    bulk: noBulk,
  },
  cmps: {
    iterate: (string) => {
      const first = string.read(string.source, SLOT.rsi);
      const second = string.read(ES, SLOT.rdi);
      string.advance(SLOT.rsi, SLOT.rdi);
      return { first, second };
    },
    bulk: noBulk,
  },
  scas: {
    iterate: (string) => {
      const first = string.cpu.R[SLOT.rax] & maskOf(string.instruction.operandWidth);
      const second = string.read(ES, SLOT.rdi);
      string.advance(SLOT.rdi);
      return { first, second };
    },
    bulk: noBulk,
  },
};

const setFlags = (cpu: ProcessorDraft, { first, second }: Comparison, width: Width): void =>
  storeStatusFlags(cpu.W, subFlags(first, second, 0n, width));

/** Whether a comparison ends the repetition: REPE at the first difference, REPNE at the first equality. */
const ends = ({ first, second }: Comparison, { repeat }: Instruction): boolean =>
  (first === second) === (repeat === 'repne');

// SDM Vol. 3B, 18.3.1.1 Instruction-Breakpoint Exception Condition: between iterations RF is 1.
const goOnLater = (cpu: ProcessorDraft): void => {
  cpu.nextRip = cpu.rip;
  cpu.W[2 * SLOT.rflags] |= FLAG.rf;
  cpu.boundaryWork = true;
};

/**
 * SDM Vol. 2, REP/REPE/REPZ/REPNE/REPNZ. A fault leaves count and pointers as after the iterations before it; the flags of an unfinished
 * comparison are those before the instruction, so that a fault or an interruption never shows half of it.
 */
const repeated = (string: StringOperation, iterate: Iteration, bulk: Bulk): void => {
  const { cpu, instruction } = string;
  let done = 0;
  // Of an instruction that leaves with a fault every iteration counts; of another the last one is the instruction itself.
  const retire = (iterations: number): void => {
    string.put(SLOT.rcx, string.at(SLOT.rcx) - BigInt(iterations));
    done += iterations;
    cpu.extraRetired += iterations;
  };
  let finished = false;
  while (!finished && done < cpu.iterationBudget) {
    const count = string.at(SLOT.rcx);
    if (count === 0n) break;
    const budget = cpu.iterationBudget - done;
    const together = bulk(string, count < BigInt(budget) ? Number(count) : budget);
    if (together > 0) {
      retire(together);
      continue;
    }
    const comparison = iterate(string);
    retire(1);
    if (comparison !== undefined && (count === 1n || ends(comparison, instruction))) {
      setFlags(cpu, comparison, instruction.operandWidth);
      finished = true;
    }
  }
  if (finished || string.at(SLOT.rcx) === 0n) cpu.W[2 * SLOT.rflags] &= ~FLAG.rf;
  else goOnLater(cpu);
  if (done > 0) cpu.extraRetired -= 1;
};

/** MOVS, STOS, LODS, CMPS and SCAS, alone or repeated. SDM Vol. 1, 7.3.9 String Operations */
export const STRING_ROWS: readonly SystemRow[] = Object.entries(OPERATIONS).map(
  ([mnemonic, { iterate, bulk }]) => ({
    kind: 'system',
    mnemonic,
    keepsMode: true,
    execute: (cpu, instruction) => {
      const string = new StringOperation(cpu, instruction);
      if (instruction.repeat !== undefined) return repeated(string, iterate, bulk);
      const comparison = iterate(string);
      if (comparison !== undefined) setFlags(cpu, comparison, instruction.operandWidth);
    },
  }),
);
