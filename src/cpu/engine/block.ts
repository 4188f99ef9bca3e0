import type { Instruction } from '../decode/instruction';
import type { CodeMode } from './code-mode';
import type { InstructionRow } from './row';

/** Runs one instruction; a block's last operation returns the next block, or null when the engine must look it up at RIP. */
export type Operation = () => void;
export type LastOperation = () => Block | null;

/** In what form a block runs: row by row on the draft, an operation for each instruction, or one function for all but perhaps the last one. */
export type Stage = 'cold' | 'closures' | 'generated';

/** `Block.nextFrame` of a block within one page. */
export const ONE_PAGE = -1;

/** A run of instructions on one page, decoded for one mode and one RIP. An instruction that crosses into the next page is a block by itself. */
export class Block {
  /** All instructions but the last; empty when `last` runs them all. */
  operations: Operation[] = [];
  last: LastOperation = () => null;
  stage: Stage = 'cold';
  /** Runs left until the block is worth the next stage. */
  heat: number;
  /** Instructions in the block. */
  readonly count: number;
  /** Where each instruction starts, relative to the block, then where the block ends. */
  readonly offsets: readonly number[];

  /** It ends with a system instruction after which nothing has changed that the engine looks at. */
  readonly keepsMode: boolean;

  // Links to other blocks; valid while the epoch is the one under which they were made.
  taken: Block | null = null;
  takenEpoch = 0;
  notTaken: Block | null = null;
  notTakenEpoch = 0;
  indirect: Block | null = null;
  indirectEpoch = 0;
  indirectLow = 0;
  indirectHigh = 0;
  takenTarget = 0n;
  notTakenTarget = 0n;

  constructor(
    /** RIP at the first instruction. */
    readonly address: bigint,
    readonly low: number,
    readonly high: number,
    readonly instructions: readonly Instruction[],
    /** The rows of the instructions. */
    readonly rows: readonly InstructionRow[],
    heat: number,
    /** Physical frame of the second page, or `ONE_PAGE`. */
    readonly nextFrame: number,
    /** One instruction, to be run alone. */
    readonly alone: boolean,
    readonly mode: CodeMode,
  ) {
    this.heat = heat;
    const offsets = [0];
    let end = 0;
    for (const instruction of instructions) {
      end += instruction.length;
      offsets.push(end);
    }
    this.offsets = offsets;
    this.count = instructions.length;
    const last = rows[rows.length - 1];
    this.keepsMode = last.kind === 'system' && last.keepsMode === true;
  }

  /** Bytes of all instructions. */
  get length(): number {
    return this.offsets[this.count];
  }

  /** RIP of instruction `index`; of the next one after the block when `index` is its count. */
  addressOf(index: number): bigint {
    const address = this.address + BigInt(this.offsets[index]);
    return this.mode.codeSize === 64 ? BigInt.asUintN(64, address) : BigInt.asUintN(32, address);
  }
}
