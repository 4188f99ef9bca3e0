import type { Width } from '../../core';

/** Segment registers in encoding order. SDM Vol. 2, 2.1.5 Addressing-Mode Encoding of ModR/M and SIB Bytes */
export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;
/** A segment register by its encoding: index into `SEGMENT_NAMES`. */
export type SegmentNumber = 0 | 1 | 2 | 3 | 4 | 5;

/** A general-purpose register; `high` is AH, CH, DH or BH (then `number` is 0 to 3 and `width` 8). */
export interface RegisterOperand {
  readonly kind: 'register';
  readonly number: number;
  readonly width: Width;
  readonly high: boolean;
}

/** An immediate, already sign- or zero-extended to `width` as the instruction defines; unsigned bigint of that width. */
export interface ImmediateOperand {
  readonly kind: 'immediate';
  readonly value: bigint;
  readonly width: Width;
}

/** `base` and `index` are register numbers; -1 means none, RIP_BASE means RIP of the next instruction. */
export interface MemoryOperand {
  readonly kind: 'memory';
  readonly segment: SegmentNumber;
  readonly base: number;
  readonly index: number;
  /** log2 of the scale: 0 to 3. */
  readonly scale: number;
  /** Sign-extended displacement (a 64-bit moffs is taken modulo 2^64 as signed). */
  readonly displacement: bigint;
  readonly addressWidth: 16 | 32 | 64;
  /**
   * Bytes accessed times eight; for far pointers, descriptor-table operands and the like the size of the whole operand (48, 80, 128...);
   * 0 when the state decides it (XSAVE) or no data is accessed (LEA, INVLPG).
   */
  readonly width: number;
  /** For disassembly only: the name of the vector register that holds the indexes (gather and scatter); `index` is then -1. */
  readonly vectorIndex?: string;
  /** For disassembly only: how many elements an EVEX instruction fills with the one in memory. */
  readonly broadcast?: number;
}
/** As the base of a memory operand: RIP of the next instruction. */
export const RIP_BASE = 16;

/** A segment register, by its encoding. */
export interface SegmentRegisterOperand {
  readonly kind: 'segment';
  readonly number: SegmentNumber;
}
/** CR0 to CR15, by number. */
export interface ControlRegisterOperand {
  readonly kind: 'control';
  readonly number: number;
}
/** DR0 to DR15, by number. */
export interface DebugRegisterOperand {
  readonly kind: 'debug';
  readonly number: number;
}
/** Branch target: signed displacement from the next instruction. */
export interface RelativeOperand {
  readonly kind: 'relative';
  readonly displacement: bigint;
}
/** ptr16:16 or ptr16:32. */
export interface FarPointerOperand {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: number;
}
/** A register of a file that the core does not have yet (x87, MMX, XMM, YMM, ZMM, k, bnd): for disassembly only. */
export interface OtherRegisterOperand {
  readonly kind: 'other';
  readonly name: string;
}

/** What an instruction names: a register, a constant, memory or a branch target. */
export type Operand =
  | RegisterOperand
  | ImmediateOperand
  | MemoryOperand
  | SegmentRegisterOperand
  | ControlRegisterOperand
  | DebugRegisterOperand
  | RelativeOperand
  | FarPointerOperand
  | OtherRegisterOperand;

/** Condition codes in encoding order: o no b ae e ne be a s ns p np l ge le g. SDM Vol. 1, Appendix B EFLAGS Condition Codes */
export type ConditionCode = number;

/** A decoded instruction: what it does to which operands. Lengths in bytes, widths in bits. */
export interface Instruction {
  /**
   * The row's name, lower case, Intel's: `add`, `mov`, `movzx`, `jcc`, `setcc`, `cmovcc` (with `condition`), `movs`, `stos`, `ins`,
   * `vmread`. MOV to and from control, debug and segment registers are `mov_cr`, `mov_dr`, `mov_sreg`; far CALL, JMP and RET are `call_far`, `jmp_far`, `ret_far`;
   * near ones `call`, `jmp`, `ret`.
   */
  readonly mnemonic: string;
  readonly length: number;
  readonly operands: readonly Operand[];
  /** Effective operand size in bits (after defaults of 64-bit mode: PUSH is 64). */
  readonly operandWidth: 8 | 16 | 32 | 64;
  readonly addressWidth: 16 | 32 | 64;
  readonly condition?: ConditionCode;
  readonly lock?: true;
  readonly repeat?: 'rep' | 'repne';
  /** Effective segment override of an instruction that accesses memory implicitly (strings, XLAT, MASKMOVQ, MONITOR). */
  readonly segment?: SegmentNumber;
  /** For disassembly only: the opmask and zeroing of an EVEX instruction, such as `{k1}{z}`. */
  readonly mask?: string;
  /** For disassembly only: the static rounding or exception suppression of an EVEX instruction, such as `{rn-sae}` or `{sae}`. */
  readonly rounding?: string;
  /** An instruction of the vector files with an EVEX prefix. SDM Vol. 2, 2.7.1 Instruction Format and EVEX */
  readonly evex?: true;
  /** The 11 bits that the x87 FPU keeps of the opcode of one of its instructions. SDM Vol. 1, 8.1.9 Last Instruction Opcode */
  readonly x87Opcode?: number;
  /** For disassembly only: whether the prefixes 66 and 67 stand, also where they change nothing. */
  readonly operandSizePrefix: boolean;
  readonly addressSizePrefix: boolean;
}

/** What the code segment says about decoding. */
export type CodeSize = 16 | 32 | 64;

/** Why bytes are no instruction. `undefined-opcode` is #UD, `too-long` #GP(0) (more than 15 bytes). */
export type DecodeFault = 'undefined-opcode' | 'too-long';
