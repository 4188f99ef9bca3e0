import type { Decoding } from './decoding';
import { RIP_BASE } from './instruction';

const BX = 3;
const BP = 5;
const SI = 6;
const DI = 7;
const BASES_16 = [BX, BX, BP, BP, SI, DI, BP, BX];
const INDEXES_16 = [SI, DI, SI, DI, -1, -1, -1, -1];
const USES_SIB = 4;
const NO_BASE = 5;

// SDM Vol. 2, Table 2-1 16-Bit Addressing Forms with the ModR/M Byte
const readAddress16 = (d: Decoding): void => {
  const displacementOnly = d.mod === 0 && d.rm === 6;
  d.base = displacementOnly ? -1 : BASES_16[d.rm];
  d.index = INDEXES_16[d.rm];
  if (displacementOnly || d.mod === 2) d.displacement = (d.read16() << 16) >> 16;
  else if (d.mod === 1) readDisplacement8(d);
};

const readDisplacement8 = (d: Decoding): void => {
  d.displacement = (d.read8() << 24) >> 24;
  d.compressedDisplacement = d.encoding === 'evex';
};

/**
 * Reads SIB and displacement of a memory operand; ModR/M was read before, and `mod` is not 3.
 * SDM Vol. 2, 2.1.5 Addressing-Mode Encoding of ModR/M and SIB Bytes; 2.2.1.6 RIP-Relative Addressing
 */
export const readAddress = (d: Decoding): void => {
  d.index = -1;
  d.scale = 0;
  d.displacement = 0;
  d.compressedDisplacement = false;
  d.hasSib = d.rm === USES_SIB && d.addressWidth !== 16;
  if (d.addressWidth === 16) {
    readAddress16(d);
    return;
  }
  let base = d.rm;
  if (d.hasSib) {
    const sib = d.read8();
    base = sib & 7;
    d.scale = sib >> 6;
    d.index = ((sib >> 3) & 7) | d.extendIndex;
  }
  if (base === NO_BASE && d.mod === 0) {
    d.base = !d.hasSib && d.codeSize === 64 ? RIP_BASE : -1;
    d.displacement = d.read32();
    return;
  }
  d.base = base | d.extendBase;
  if (d.mod === 1) readDisplacement8(d);
  else if (d.mod === 2) d.displacement = d.read32();
};
