import type { Width } from '../../core';
import type { Instruction, MemoryOperand, Operand, SegmentNumber } from '../decode/instruction';

/** How the status flags follow from an operation: the flags are computed only when somebody asks. */
export type FlagKind = 'add' | 'sub' | 'inc' | 'dec' | 'logic';

/** Operands and incoming status flags of a pure operation; flags are at their RFLAGS positions. */
export interface PureInput {
  readonly width: Width;
  readonly values: readonly bigint[];
  readonly flags: number;
}

/**
 * What a pure operation gives: results of the operation's width, the six status flags after it, or a divide error. `undefinedFlags` are those among
 * the flags that the manual leaves undefined, and with `undefinedResults` the results are undefined too; `flags` and `results` hold what Intel processors do.
 */
export type PureResult =
  | {
      readonly results: readonly bigint[];
      readonly flags: number;
      readonly undefinedFlags?: number;
      readonly undefinedResults?: boolean;
    }
  | { readonly divideError: true };

/** An operation too rare or too intricate to be emitted inline: one function for every tier. */
export interface PureOperation {
  readonly name: string;
  readonly results: number;
  readonly compute: (input: PureInput) => PureResult;
  /** The same for emitted code with operands of 32 or 64 bits, on the slots from `at` on: operands become results, flags are left lazily, those that are undefined as Intel processors have them. */
  readonly inSlots?: (W: Int32Array, at: number, width: Width) => void;
}

/**
 * What an instruction row is written over. `V` is a value of known width, `C` a condition; the builder decides their form: bigints that are
 * computed at once (the oracle), or source text of a closure factory or of a generated block. Widths of both operands of a binary operation are equal.
 * A row makes every access that can fault before its first write to a register or flag.
 */
export interface Builder<V, C> {
  constant(value: bigint, width: Width): V;
  /** Value of a register, immediate or memory operand. */
  read(operand: Operand): V;
  /** As `read`, but a memory operand is checked for writing; the next `write` to the same operand stores there. */
  readForUpdate(operand: Operand): V;
  /** Writes a register (32-bit writes clear bits 63:32) or memory. */
  write(operand: Operand, value: V): void;
  /** The effective address (offset, without segment base), of the operand's address width, zero-extended to 64 bits. */
  effectiveAddress(operand: MemoryOperand): V;
  /** Memory at a computed offset: a 64-bit value that the row has cut to its address width. */
  load(segment: SegmentNumber, offset: V, width: Width): V;
  /** As `load`, checked for writing; a `store` to the same segment and offset value follows. */
  loadForUpdate(segment: SegmentNumber, offset: V, width: Width): V;
  store(segment: SegmentNumber, offset: V, value: V): void;
  /** #GP(0) unless the linear address is a multiple of `bytes`. */
  checkAlignment(segment: SegmentNumber, offset: V, bytes: number): void;

  /** Register by number, low `width` bits (never AH to BH). */
  register(number: number, width: Width): V;
  setRegister(number: number, width: Width, value: V): void;
  /** Width of the stack pointer: 64 in 64-bit mode, else by SS.B. Known when the row is built. */
  readonly stackWidth: 16 | 32 | 64;
  /** #GP(0) in real-address and virtual-8086 mode when the stack pointer is 7, 9, 11, 13 or 15. SDM Vol. 2, PUSHA/PUSHAD */
  checkPushAll(): void;
  /** Push and pop at the stack-pointer width of the mode; they fault before they change RSP. `pop` only reads: `releaseStack` moves RSP. */
  push(value: V): void;
  pop(width: Width): V;
  releaseStack(bytes: number): void;

  add(a: V, b: V): V;
  sub(a: V, b: V): V;
  and(a: V, b: V): V;
  or(a: V, b: V): V;
  xor(a: V, b: V): V;
  not(a: V): V;
  /** Low half of the product. */
  mul(a: V, b: V): V;
  /** Whether the signed product needs more than the width. */
  signedProductOverflows(a: V, b: V): C;
  /** Adds or subtracts with the carry flag as third operand, and sets all status flags. */
  addWithCarry(a: V, b: V): V;
  subWithBorrow(a: V, b: V): V;
  /** 16, 32 or 64 bits. */
  byteSwap(a: V): V;
  zeroExtend(value: V, width: Width): V;
  signExtend(value: V, width: Width): V;
  truncate(value: V, width: Width): V;
  /** Shifts and rotates by a constant from 1 to width - 1; they set the status flags that they define. */
  shift(kind: 'shl' | 'shr' | 'sar' | 'rol' | 'ror', a: V, count: number): V;

  /** All six status flags from an operation, lazily. For `inc` and `dec` CF stays. */
  flags(kind: FlagKind, a: V, b: V, result: V): void;
  /** CF alone. */
  setCarry(carry: C): void;
  /** CF and OF both to one condition, the others as `logic` of `result` (IMUL). */
  setCarryOverflow(both: C, result: V): void;
  /** The flags in `mask` (RFLAGS positions), set just before as Intel processors do, are undefined by the manual. Emitters do nothing unless somebody is asked. */
  undefinedFlags(mask: number): void;
  /** DF. */
  setDirection(down: boolean): void;
  /** A condition code (0 to 15) of the current flags. */
  condition(code: number): C;
  isZero(value: V): C;
  equal(a: V, b: V): C;
  select(condition: C, whenTrue: V, whenFalse: V): V;
  /** 1 or 0, 8 bits. */
  fromCondition(condition: C): V;

  /** Runs a pure operation on values of any widths (passed unsigned); results have `width` bits. Sets all status flags to what it returns; #DE when it says so. */
  pure(operation: PureOperation, width: Width, values: readonly V[]): readonly V[];

  /**
   * The check of a branch that changes more than RIP, before that change: #GP(0) when the target may not be reached. The jump that follows
   * need not check again.
   */
  checkTarget(target: V): void;
  checkRelative(displacement: bigint, when?: C): void;
  /** Ends the instruction. Targets are offsets in the code segment; a near branch in 64-bit mode to a non-canonical target is #GP(0). */
  jumpRelative(displacement: bigint): void;
  jumpTo(target: V): void;
  branchRelative(condition: C, displacement: bigint): void;
  /** RIP of the next instruction, of the operand width. */
  nextInstruction(width: Width): V;
}

/** An innocuous instruction as one row: stepped, run fast, classified and explained from here. */
export interface DataRow {
  readonly kind: 'data';
  readonly mnemonic: string;
  /** The row ends a block: it may jump. */
  readonly ends?: true;
  readonly build: <V, C>(x: Builder<V, C>, instruction: Instruction) => void;
}
