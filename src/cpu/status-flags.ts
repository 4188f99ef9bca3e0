import { FLAG, SLOT, STATUS_FLAGS } from './slots';

/**
 * Status flags are kept lazily: the kind of the last operation, its operands and result. `flagKind` (low half) is
 * kind (3:0), CF valid (4), CF (5), OF valid (6), OF (7), log2 of the width in bytes (9:8); "valid" bits override what the kind would give.
 */
export const KIND = { add: 0, sub: 1, logic: 2, inc: 3, dec: 4, explicit: 5 } as const;
export const CF_VALID = 16;
export const CF_SHIFT = 5;
export const OF_VALID = 64;
export const OF_SHIFT = 7;

const A = 2 * SLOT.flagA;
const B = 2 * SLOT.flagB;
const RESULT = 2 * SLOT.flagResult;
const KIND_AT = 2 * SLOT.flagKind;

const below = (W: Int32Array, x: number, y: number, size: number): boolean => {
  if (size < 3) {
    const mask = size === 0 ? 0xff : size === 1 ? 0xffff : -1;
    return (W[x]! & mask) >>> 0 < (W[y]! & mask) >>> 0;
  }
  return W[x + 1] === W[y + 1] ? W[x]! >>> 0 < W[y]! >>> 0 : W[x + 1]! >>> 0 < W[y + 1]! >>> 0;
};

export const carryFlag = (W: Int32Array): boolean => {
  const kind = W[KIND_AT]!;
  if (kind & CF_VALID) return ((kind >> CF_SHIFT) & 1) === 1;
  switch (kind & 15) {
    case KIND.add:
      return below(W, RESULT, A, kind >> 8);
    case KIND.sub:
      return below(W, A, B, kind >> 8);
    case KIND.explicit:
      return (W[RESULT]! & FLAG.cf) !== 0;
    default:
      return false;
  }
};

/** The half that holds the sign bit, and that bit. */
const signHalf = (size: number): number => (size === 3 ? 1 : 0);
const signBit = (size: number): number => (size === 0 ? 0x80 : size === 1 ? 0x8000 : -0x80000000);

export const zeroFlag = (W: Int32Array): boolean => {
  const kind = W[KIND_AT]!;
  if ((kind & 15) === KIND.explicit) return (W[RESULT]! & FLAG.zf) !== 0;
  switch (kind >> 8) {
    case 0:
      return (W[RESULT]! & 0xff) === 0;
    case 1:
      return (W[RESULT]! & 0xffff) === 0;
    case 2:
      return W[RESULT] === 0;
    default:
      return (W[RESULT]! | W[RESULT + 1]!) === 0;
  }
};

export const signFlag = (W: Int32Array): boolean => {
  const kind = W[KIND_AT]!;
  if ((kind & 15) === KIND.explicit) return (W[RESULT]! & FLAG.sf) !== 0;
  const size = kind >> 8;
  return (W[RESULT + signHalf(size)]! & signBit(size)) !== 0;
};

export const overflowFlag = (W: Int32Array): boolean => {
  const kind = W[KIND_AT]!;
  if (kind & OF_VALID) return ((kind >> OF_SHIFT) & 1) === 1;
  const size = kind >> 8;
  const half = signHalf(size);
  const a = W[A + half]!;
  const b = W[B + half]!;
  const r = W[RESULT + half]!;
  switch (kind & 15) {
    case KIND.add:
      return (~(a ^ b) & (a ^ r) & signBit(size)) !== 0;
    case KIND.sub:
      return ((a ^ b) & (a ^ r) & signBit(size)) !== 0;
    case KIND.inc:
      return (~a & r & signBit(size)) !== 0;
    case KIND.dec:
      return (a & ~r & signBit(size)) !== 0;
    case KIND.explicit:
      return (W[RESULT]! & FLAG.of) !== 0;
    default:
      return false;
  }
};

export const parityFlag = (W: Int32Array): boolean => {
  if ((W[KIND_AT]! & 15) === KIND.explicit) return (W[RESULT]! & FLAG.pf) !== 0;
  let byte = W[RESULT]! & 0xff;
  byte ^= byte >> 4;
  return ((0x9669 >> (byte & 15)) & 1) === 1;
};

const adjustFlag = (W: Int32Array): boolean => {
  switch (W[KIND_AT]! & 15) {
    case KIND.add:
    case KIND.sub:
      return ((W[A]! ^ W[B]! ^ W[RESULT]!) & 16) !== 0;
    case KIND.inc:
    case KIND.dec:
      return ((W[A]! ^ 1 ^ W[RESULT]!) & 16) !== 0;
    case KIND.explicit:
      return (W[RESULT]! & FLAG.af) !== 0;
    default:
      return false;
  }
};

const computedFlags = (W: Int32Array): number =>
  (carryFlag(W) ? FLAG.cf : 0) |
  (parityFlag(W) ? FLAG.pf : 0) |
  (adjustFlag(W) ? FLAG.af : 0) |
  (zeroFlag(W) ? FLAG.zf : 0) |
  (signFlag(W) ? FLAG.sf : 0) |
  (overflowFlag(W) ? FLAG.of : 0);

/** The six status flags at their RFLAGS positions. */
export const statusFlagsOf = (W: Int32Array): number =>
  W[KIND_AT] === KIND.explicit ? W[RESULT]! & STATUS_FLAGS : computedFlags(W);

export const storeStatusFlags = (W: Int32Array, flags: number): void => {
  W[KIND_AT] = KIND.explicit;
  W[RESULT] = flags;
};

/** A condition code (0 to 15) of the current flags. SDM Vol. 1, Appendix B EFLAGS Condition Codes */
export const conditionHolds = (W: Int32Array, code: number): boolean => {
  let holds: boolean;
  switch (code >> 1) {
    case 0:
      holds = overflowFlag(W);
      break;
    case 1:
      holds = carryFlag(W);
      break;
    case 2:
      holds = zeroFlag(W);
      break;
    case 3:
      holds = carryFlag(W) || zeroFlag(W);
      break;
    case 4:
      holds = signFlag(W);
      break;
    case 5:
      holds = parityFlag(W);
      break;
    case 6:
      holds = signFlag(W) !== overflowFlag(W);
      break;
    default:
      holds = zeroFlag(W) || signFlag(W) !== overflowFlag(W);
      break;
  }
  return (code & 1) === 1 ? !holds : holds;
};
