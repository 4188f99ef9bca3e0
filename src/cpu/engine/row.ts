import type { Instruction } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import type { DataRow } from './builder';

/**
 * An instruction that touches more than registers, flags and memory operands, or that repeats: run by one function over the draft in every tier.
 * On entry `cpu.rip` is its own address and `cpu.nextRip` the next instruction's; a row that jumps (or repeats) writes `nextRip`.
 * A row that exits leaves with `ProcessorDraft.leave`, or sets `cpu.exit`, writes nothing else and returns, which costs less.
 * Order: faults that come before the interception, then `cpu.virtualization.intercept` (when `cpu.nonRoot`), then the rest.
 */
export interface SystemRow {
  readonly kind: 'system';
  readonly mnemonic: string;
  readonly execute: (cpu: ProcessorDraft, instruction: Instruction) => void;
  /** It changes no register that says in what mode code runs or how addresses are translated. */
  readonly keepsMode?: true;
}

export type InstructionRow = DataRow | SystemRow;

/** A block ends at a jump, and at every system row: the machine clock is exact there, and what follows may be translated or interrupted differently. */
export const endsBlock = (row: InstructionRow): boolean => row.kind === 'system' || row.ends === true;
