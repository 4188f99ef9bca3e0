import { type Decoding, NO_PREFIX, PREFIX_66, PREFIX_F2, PREFIX_F3 } from './decoding';
import { EVEX_MAPS, LEGACY_MAPS, VEX_MAPS } from './maps';
import type { Opcode } from './rows';

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const isPrefix = (byte: number): boolean => PREFIXES.has(byte) || (byte & 0xf0) === 0x40;

/** Consumes the legacy prefixes and REX; returns the byte after them. SDM Vol. 2, 2.1.1 Instruction Prefixes; 2.2.1 REX Prefixes */
export const readPrefixes = (d: Decoding): number => {
  const mode64 = d.codeSize === 64;
  for (;;) {
    const byte = d.read8();
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        // SDM Vol. 1, 3.4.2.1 Segment Registers in 64-Bit Mode: only FS and GS matter.
        if (!mode64) d.segment = (byte >> 3) & 3;
        break;
      case 0x64:
      case 0x65:
        d.segment = byte & 7;
        break;
      case 0x66:
        d.operandSizePrefix = true;
        break;
      case 0x67:
        d.addressSizePrefix = true;
        break;
      case 0xf0:
        d.lock = true;
        break;
      case 0xf2:
        d.repeatPrefix = PREFIX_F2;
        break;
      case 0xf3:
        d.repeatPrefix = PREFIX_F3;
        break;
      default: {
        if (!mode64 || (byte & 0xf0) !== 0x40) return byte;
        const next = d.read8();
        if (isPrefix(next)) {
          // A REX prefix that is not the last prefix is ignored.
          d.position--;
          break;
        }
        d.rexPresent = true;
        d.w = (byte >> 3) & 1;
        d.extendReg = (byte & 4) << 1;
        d.extendIndex = (byte & 2) << 2;
        d.extendBase = (byte & 1) << 3;
        return next;
      }
    }
  }
};

/** Sets operand and address size from mode and prefixes. SDM Vol. 1, 3.6 Operand-Size and Address-Size Attributes */
export const setSizes = (d: Decoding): void => {
  const { codeSize, operandSizePrefix, addressSizePrefix } = d;
  if (codeSize === 64) {
    d.operandWidth = d.w === 1 ? 64 : operandSizePrefix ? 16 : 32;
    d.addressWidth = addressSizePrefix ? 32 : 64;
  } else {
    d.operandWidth = (codeSize === 16) === operandSizePrefix ? 32 : 16;
    d.addressWidth = (codeSize === 16) === addressSizePrefix ? 32 : 16;
  }
};

/** VEX with two bytes (C5) or three (C4). SDM Vol. 2, 2.3.5 The VEX Prefix */
const readVex = (d: Decoding, first: number): Opcode | undefined => {
  let map = 1;
  let last = d.read8();
  const beyond = d.codeSize === 64;
  if (beyond) d.extendReg = (~last & 0x80) >> 4;
  if (first === 0xc4) {
    map = last & 0x1f;
    if (beyond) {
      d.extendIndex = (~last & 0x40) >> 3;
      d.extendBase = (~last & 0x20) >> 2;
    }
    last = d.read8();
    d.w = last >> 7;
  }
  d.vvvv = (~last >> 3) & 15;
  d.vectorLength = (last >> 2) & 1;
  d.encoding = 'vex';
  d.operandWidth = beyond && d.w === 1 ? 64 : 32;
  d.prefix = last & 3;
  d.opcode = d.read8();
  return VEX_MAPS[map]?.[d.opcode];
};

/** SDM Vol. 2, 2.7.1 Instruction Format and EVEX */
const readEvex = (d: Decoding): Opcode | undefined => {
  const p0 = d.read8();
  const p1 = d.read8();
  const p2 = d.read8();
  d.encoding = 'evex';
  d.w = p1 >> 7;
  d.vvvv = (~p1 >> 3) & 15;
  d.extendVectorIndex = (~p2 & 8) << 1;
  if (d.codeSize === 64) {
    d.extendReg = ((~p0 & 0x80) >> 4) | (~p0 & 0x10);
    d.extendIndex = (~p0 & 0x40) >> 3;
    d.extendBase = (~p0 & 0x20) >> 2;
    d.extendVectorRm = (~p0 & 0x40) >> 2;
  }
  d.operandWidth = d.codeSize === 64 && d.w === 1 ? 64 : 32;
  d.zeroing = p2 >> 7 === 1;
  d.vectorLength = (p2 >> 5) & 3;
  d.broadcast = (p2 & 0x10) !== 0;
  d.opmask = p2 & 7;
  d.prefix = p1 & 3;
  d.opcode = d.read8();
  const reservedBits = (p0 & 8) !== 0 || (p1 & 4) === 0;
  return reservedBits ? undefined : EVEX_MAPS[p0 & 7]?.[d.opcode];
};

const readLegacy = (d: Decoding, first: number): Opcode | undefined => {
  d.prefix = d.repeatPrefix !== NO_PREFIX ? d.repeatPrefix : d.operandSizePrefix ? PREFIX_66 : NO_PREFIX;
  let map = 0;
  d.opcode = first;
  if (first === 0x0f) {
    map = 1;
    d.opcode = d.read8();
    if (d.opcode === 0x38 || d.opcode === 0x3a) {
      map = d.opcode === 0x38 ? 2 : 3;
      d.opcode = d.read8();
    }
  }
  return LEGACY_MAPS[map][d.opcode];
};

/** C4, C5 and 62 are LES, LDS and BOUND outside 64-bit mode when the next byte is a ModR/M byte for memory. */
const isVectorPrefix = (d: Decoding, byte: number): boolean =>
  (byte === 0xc4 || byte === 0xc5 || byte === 0x62) && (d.codeSize === 64 || d.peek8() >= 0xc0);

/** The opcode that begins with `first`: escapes, VEX or EVEX and the opcode byte are consumed. */
export const readOpcode = (d: Decoding, first: number): Opcode | undefined => {
  if (!isVectorPrefix(d, first)) return readLegacy(d, first);
  const refused = d.lock || d.rexPresent || d.operandSizePrefix || d.repeatPrefix !== NO_PREFIX;
  const opcode = first === 0x62 ? readEvex(d) : readVex(d, first);
  return refused ? undefined : opcode;
};
