/** x87 FPU. SDM Vol. 1, 8.1 x87 FPU Execution Environment */
export interface X87State {
  readonly control: number;
  /** With TOP in bits 13:11. */
  readonly status: number;
  /** Bit n: physical register Rn is not empty. */
  readonly full: number;
  /** Eleven bits of the last instruction with an unmasked exception. */
  readonly opcode: number;
  readonly instructionPointer: bigint;
  readonly codeSelector: number;
  readonly dataPointer: bigint;
  readonly dataSelector: number;
  /** R0 to R7, 80 bits each; MM0 to MM7 are their low 64 bits. */
  readonly registers: readonly bigint[];
}

/** Registers beyond the general-purpose ones: a frozen value, replaced on every write. */
export interface ExtendedState {
  readonly x87: X87State;
  readonly mxcsr: number;
  /** YMM0 to YMM15, 256 bits each; XMM is the low half. */
  readonly vectors: readonly bigint[];
}

const zeros = (count: number): readonly bigint[] => Object.freeze(new Array<bigint>(count).fill(0n));

/** After FNINIT. The registers keep what they hold. SDM Vol. 2, FINIT/FNINIT */
export const X87_INITIAL: X87State = Object.freeze({
  control: 0x37f,
  status: 0,
  full: 0,
  opcode: 0,
  instructionPointer: 0n,
  codeSelector: 0,
  dataPointer: 0n,
  dataSelector: 0,
  registers: zeros(8),
});

export const MXCSR_INITIAL = 0x1f80;
/** Bits of MXCSR that exist, with DAZ. SDM Vol. 1, 10.2.3 MXCSR Control and Status Register */
export const MXCSR_MASK = 0xffff;

/** The initial configuration of every component. SDM Vol. 1, 13 Managing State Using the XSAVE Feature Set */
export const EXTENDED_INITIAL: ExtendedState = Object.freeze({
  x87: X87_INITIAL,
  mxcsr: MXCSR_INITIAL,
  vectors: zeros(16),
});

/** After power-up and RESET, which leave other x87 control and tag words than FNINIT. SDM Vol. 3A, 10.1.1 Processor State After Reset */
export const EXTENDED_AT_RESET: ExtendedState = Object.freeze({
  ...EXTENDED_INITIAL,
  x87: Object.freeze({ ...X87_INITIAL, control: 0x40, full: 0xff }),
});
