import type { Instruction } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import type { DataRow } from './builder';

/**
 * An instruction that touches more than registers, flags and memory operands, or that repeats: run by one function over the draft in every tier.
 * On entry `cpu.rip` is its own address and `cpu.nextRip` the next instruction's; a row that jumps (or repeats) writes `nextRip`.
 * Order: faults that come before the interception, then `cpu.virtualization.intercept` (when `cpu.nonRoot`), then the rest.
 */
export interface SystemRow {
  readonly kind: 'system';
  readonly mnemonic: string;
  /** The next instruction may be decoded, translated or interrupted differently: the block ends here. False only for rows that cannot do that. */
  readonly ends: boolean;
  readonly execute: (cpu: ProcessorDraft, instruction: Instruction) => void;
}

export type InstructionRow = DataRow | SystemRow;
