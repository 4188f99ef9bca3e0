import type { CodeSize, SegmentNumber } from './instruction';

/** SDM Vol. 2, 2.3.11 AVX Instruction Length: no instruction is longer, whatever its prefixes. */
export const LONGEST_INSTRUCTION = 15;

export type Encoding = 'legacy' | 'vex' | 'evex';
export const NO_PREFIX = 0;
export const PREFIX_66 = 1;
export const PREFIX_F3 = 2;
export const PREFIX_F2 = 3;

/** The instruction being decoded: a cursor over its bytes and what its prefixes, ModR/M and SIB bytes said. One is reused for all. */
export class Decoding {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  position = 0;
  limit = 0;
  /** Bytes from `start` that are certainly needed, when the bytes ran out; else 0. */
  needed = 0;
  codeSize: CodeSize = 64;
  encoding: Encoding = 'legacy';

  lock = false;
  operandSizePrefix = false;
  addressSizePrefix = false;
  /** The last of F2 and F3, as `PREFIX_F2` or `PREFIX_F3`; else `NO_PREFIX`. */
  repeatPrefix = NO_PREFIX;
  /** Segment override in effect, or -1. */
  segment = -1;
  rexPresent = false;
  /** REX.R, REX.X and REX.B as 0 or 8 (with their EVEX extensions 0 to 24), REX.W as 0 or 1. */
  extendReg = 0;
  extendIndex = 0;
  extendBase = 0;
  /** EVEX.X extends ModRM.rm of a vector register: 0 or 16. */
  extendVectorRm = 0;
  w = 0;
  /** VEX.vvvv or EVEX.V'vvvv, already inverted; EVEX.V' alone extends a vector index. */
  vvvv = 0;
  extendVectorIndex = 0;
  /** Vector length: 0 is 128 bits, 1 is 256, 2 is 512. */
  vectorLength = 0;
  broadcast = false;
  /** EVEX.L'L where it is a rounding mode: 0 to nearest, 1 down, 2 up, 3 toward zero. */
  roundingControl = 0;
  opmask = 0;
  zeroing = false;

  /** Mandatory prefix: the field pp, or what the legacy prefixes amount to. */
  prefix = NO_PREFIX;
  opcode = 0;
  mod = 0;
  reg = 0;
  rm = 0;
  operandWidth: 16 | 32 | 64 = 32;
  addressWidth: 16 | 32 | 64 = 64;

  base = -1;
  index = -1;
  scale = 0;
  displacement = 0;
  compressedDisplacement = false;
  hasSib = false;
  /** An operand's encoding is reserved. */
  undefinedOperand = false;

  begin(bytes: Uint8Array, codeSize: CodeSize, offset: number): void {
    this.bytes = bytes;
    this.start = this.position = offset;
    this.limit = Math.min(bytes.length, offset + LONGEST_INSTRUCTION);
    this.needed = 0;
    this.codeSize = codeSize;
    this.encoding = 'legacy';
    this.lock = this.operandSizePrefix = this.addressSizePrefix = this.rexPresent = false;
    this.repeatPrefix = NO_PREFIX;
    this.segment = -1;
    this.extendReg = this.extendIndex = this.extendBase = this.extendVectorRm = this.w = 0;
    this.vvvv = this.extendVectorIndex = this.vectorLength = this.opmask = 0;
    this.broadcast = this.zeroing = this.undefinedOperand = false;
  }

  /** Whether the bytes ran out; then everything read since is zero. */
  get ranOut(): boolean {
    return this.needed !== 0;
  }

  private runOut(count: number): number {
    if (this.needed === 0) this.needed = this.position - this.start + count;
    return 0;
  }

  /** The next byte, not consumed. */
  peek8(): number {
    return this.position < this.limit ? this.bytes[this.position] : this.runOut(1);
  }

  read8(): number {
    return this.position < this.limit ? this.bytes[this.position++] : this.runOut(1);
  }

  read16(): number {
    const at = this.position;
    if (at + 2 > this.limit) return this.runOut(2);
    this.position = at + 2;
    return this.bytes[at] | (this.bytes[at + 1] << 8);
  }

  /** Four bytes as int32. */
  read32(): number {
    const at = this.position;
    if (at + 4 > this.limit) return this.runOut(4);
    this.position = at + 4;
    const bytes = this.bytes;
    return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
  }

  read64(): bigint {
    if (this.position + 8 > this.limit) {
      this.runOut(8);
      return 0n;
    }
    const low = this.read32();
    return (BigInt(this.read32() >>> 0) << 32n) | BigInt(low >>> 0);
  }

  readModRm(): void {
    const byte = this.read8();
    this.mod = byte >> 6;
    this.reg = (byte >> 3) & 7;
    this.rm = byte & 7;
  }

  get segmentOfBase(): SegmentNumber {
    if (this.segment >= 0) return this.segment as SegmentNumber;
    return this.base === 4 || this.base === 5 ? 2 : 3;
  }
}
