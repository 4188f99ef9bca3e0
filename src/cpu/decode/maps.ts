import type { OpcodeMap } from './rows';
import { opcodeMap, parseRows } from './rows';
import { ONE_BYTE } from './tables/one-byte';
import { OPMASK_0F, OPMASK_3A } from './tables/opmask';
import { THREE_BYTE_3A, THREE_BYTE_38 } from './tables/three-byte';
import { TWO_BYTE } from './tables/two-byte';
import { VECTOR_0F } from './tables/vector-0f';
import { VECTOR_0F_INTEGER } from './tables/vector-0f-integer';
import { VECTOR_3A } from './tables/vector-3a';
import { VECTOR_38 } from './tables/vector-38';
import { FMA_38 } from './tables/vector-38-fma';
import { FP16_3A, FP16_MAP5, FP16_MAP6 } from './tables/vector-fp16';
import { X87 } from './tables/x87';

/** Opcode maps in the numbering of VEX.mmmmm and EVEX.mmm: 0 one-byte, 1 0F, 2 0F38, 3 0F3A, 5 and 6 EVEX only. */
const PLACED = [
  parseRows(ONE_BYTE + X87),
  parseRows(TWO_BYTE + OPMASK_0F + VECTOR_0F + VECTOR_0F_INTEGER),
  parseRows(THREE_BYTE_38 + VECTOR_38 + FMA_38),
  parseRows(THREE_BYTE_3A + OPMASK_3A + VECTOR_3A + FP16_3A),
  [],
  parseRows(FP16_MAP5),
  parseRows(FP16_MAP6),
];

export const LEGACY_MAPS: readonly OpcodeMap[] = PLACED.slice(0, 4).map((rows) => opcodeMap(rows, 'legacy'));
export const VEX_MAPS: readonly OpcodeMap[] = PLACED.slice(0, 4).map((rows) => opcodeMap(rows, 'vex'));
export const EVEX_MAPS: readonly OpcodeMap[] = PLACED.map((rows) => opcodeMap(rows, 'evex'));

/** Every mnemonic that the tables know, sorted. */
export const MNEMONICS: readonly string[] = Object.freeze(
  [...new Set(PLACED.flat().map((row) => row.form.mnemonic))].sort(),
);
