import type { CodeSize } from '../../src/cpu/decode';
import type { Slots } from './slots';

/** How much of a map is enumerated: what a spec can afford, or everything. */
export type Depth = 'short' | 'full';

const range = (count: number, from = 0): readonly number[] =>
  Array.from({ length: count }, (_, at) => from + at);
const product = (...lists: readonly (readonly (readonly number[])[])[]): readonly (readonly number[])[] =>
  lists.reduce((all, list) => all.flatMap((one) => list.map((other) => [...one, ...other])), [[]]);
const optional = (byte: number): readonly (readonly number[])[] => [[], [byte]];

const NONE: readonly number[] = [];
const ESCAPES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const OPCODES = range(256);
const REX = range(16, 0x40);
const LEGACY_PREFIXES = [0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const PREFIXES_66_AND_REPEAT = product(optional(0x66), [[], [0xf2], [0xf3]]);

/** ModR/M bytes: each reg with a register and with memory (16-bit forms with BP or displacement, SIB, disp8, disp32, no base). */
const modRms = (rest: readonly number[]): readonly number[] =>
  range(8).flatMap((reg) => rest.map((one) => one | (reg << 3)));
const SOME_MODRMS = modRms([0x44, 0x05, 0xc1]);
const TWO_MODRMS = [0x4c, 0xd1];

/** Every combination of 66, F2 or F3, 67, LOCK, segment override and REX. */
const prefixSets = (codeSize: CodeSize): readonly (readonly number[])[] => {
  const mode64 = codeSize === 64;
  const segments = (mode64 ? [0x64, 0x2e] : [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]).map((one) => [one]);
  const rex = mode64 ? REX.map((one) => [one]) : [];
  return product(PREFIXES_66_AND_REPEAT, optional(0x67), optional(0xf0), [NONE, ...segments], [NONE, ...rex]);
};

/** Every ordered pair of prefixes, REX among them, redundant ones too. */
const prefixPairs = (codeSize: CodeSize): readonly (readonly number[])[] => {
  const all = (codeSize === 64 ? [...LEGACY_PREFIXES, ...REX] : LEGACY_PREFIXES).map((one) => [one]);
  return product(all, all);
};

const prefixesWithAllModRms = (codeSize: CodeSize): readonly (readonly number[])[] =>
  product(PREFIXES_66_AND_REPEAT, optional(0x67), codeSize === 64 ? [NONE, [0x48], [0x45]] : [NONE, [0x36]]);

const legacy = (
  slots: Slots,
  prefixes: readonly (readonly number[])[],
  modRmBytes: readonly number[],
  opcodes = OPCODES,
): void => {
  for (const beginning of ESCAPES)
    for (const prefix of prefixes)
      for (const opcode of opcodes)
        for (const modRm of modRmBytes) slots.add([...prefix, ...beginning, opcode, modRm]);
};

/** Opcodes whose instruction also depends on address size: groups 7 and 15, MOVDIR64B, and those of others. */
const BY_ADDRESS_SIZE = [0x01, 0xa6, 0xa7, 0xae, 0xf8];

/** The one-byte map, 0F, 0F 38 and 0F 3A with all prefixes. */
const legacyMaps = (slots: Slots, codeSize: CodeSize, depth: Depth): void => {
  if (depth === 'full') {
    legacy(slots, prefixesWithAllModRms(codeSize), OPCODES);
    legacy(slots, prefixSets(codeSize), SOME_MODRMS);
    legacy(slots, prefixPairs(codeSize), TWO_MODRMS);
    return;
  }
  const wide = codeSize === 64 ? [[0x48], [0x66, 0x4f], [0xf3, 0x48], [0xf2, 0x48]] : [];
  legacy(slots, PREFIXES_66_AND_REPEAT, [...modRms([0x05]), ...range(64, 0xc0)]);
  legacy(slots, [[0x67], [0xf0], [0x64], ...wide], SOME_MODRMS);
  legacy(slots, product(PREFIXES_66_AND_REPEAT, [[0x67]]), OPCODES, BY_ADDRESS_SIZE);
};

/** The bits R, X, B (and R' of EVEX) above the map number: all, or outside 64-bit mode those that make no LES or BOUND. */
const extensions = (codeSize: CodeSize, bits: readonly number[]): readonly number[] =>
  codeSize === 64 ? bits : bits.filter((one) => (one & 0xc0) === 0xc0);

const vex = (
  slots: Slots,
  firsts: readonly number[],
  seconds: readonly number[],
  modRmBytes: readonly number[],
  opcodes = OPCODES,
): void => {
  for (const first of firsts)
    for (const second of seconds)
      for (const opcode of opcodes)
        for (const modRm of modRmBytes) slots.add([0xc4, first, second, opcode, modRm]);
};

/** In map 0F 38: AMX instructions, which all of ModR/M names, and gathers, where registers must differ. */
const VEX_GROUPS = [0x49, ...range(4, 0x90)];
const L_AND_PP = range(8);

/** VEX with all its bits; of vvvv some values. */
const vexMap = (slots: Slots, codeSize: CodeSize, depth: Depth): void => {
  const fieldsOf = (vvvv: readonly number[]): readonly number[] =>
    vvvv.flatMap((one) => L_AND_PP.flatMap((low) => [one | low, one | low | 0x80]));
  if (depth === 'short') {
    vex(slots, [0xe1, 0xe2, 0xe3], fieldsOf([0x78, 0x00]), modRms([0x44, 0xc1]));
    vex(slots, [0xe2], fieldsOf([0x78]), OPCODES, VEX_GROUPS);
  } else {
    const firsts = extensions(
      codeSize,
      range(8).map((one) => one << 5),
    );
    const maps = [1, 2, 3, 0, 4, 7, 15];
    vex(
      slots,
      firsts.flatMap((one) => maps.map((map) => one | map)),
      fieldsOf([0x78, 0x00, 0x38, 0x40]),
      SOME_MODRMS,
    );
    vex(slots, [0xe1, 0xe2, 0xe3], fieldsOf([0x78]), OPCODES);
  }
  for (const fields of extensions(codeSize, depth === 'full' ? OPCODES : range(8, 0xf8)))
    for (const opcode of OPCODES) for (const modRm of TWO_MODRMS) slots.add([0xc5, fields, opcode, modRm]);
};

const evex = (
  slots: Slots,
  firsts: readonly number[],
  seconds: readonly number[],
  thirds: readonly number[],
  modRmBytes: readonly number[],
  opcodes = OPCODES,
): void => {
  for (const map of [1, 2, 3, 5, 6, 0, 4, 7])
    for (const first of firsts)
      for (const second of seconds)
        for (const third of thirds)
          for (const opcode of opcodes)
            for (const modRm of modRmBytes) slots.add([0x62, first | map, second, third, opcode, modRm]);
};

/** Opcodes of EVEX maps where ModRM.reg chooses the instruction, and gathers and scatters, where registers must differ. */
const EVEX_GROUPS = [0x71, 0x72, 0x73, 0xc6, 0xc7, ...range(4, 0x90), ...range(4, 0xa0)];
const W_AND_PP = [0x04, 0x05, 0x06, 0x07, 0x84, 0x85, 0x86, 0x87];
const LENGTHS = [0x00, 0x20, 0x40, 0x60];

/** EVEX: register extensions and vvvv with all lengths; zeroing, length, broadcast and opmask with all ModRM.reg; the reserved bits. */
const evexMaps = (slots: Slots, codeSize: CodeSize, depth: Depth): void => {
  const plain = W_AND_PP.map((one) => one | 0x78);
  const masks = LENGTHS.flatMap((one) =>
    [0x08, 0x09, 0x89, 0x88].flatMap((low) => [one | low, one | low | 0x10]),
  );
  const bothModRms = modRms([0x44, 0xc1]);
  if (depth === 'short') {
    evex(slots, [0xf0], plain, [0x08, 0x09, 0x28, 0x29, 0x48, 0x49, 0x18], TWO_MODRMS);
    evex(slots, [0xf0], plain, [0x08, 0x09, 0x28, 0x29, 0x48, 0x49], bothModRms, EVEX_GROUPS);
    return;
  }
  const firsts = extensions(
    codeSize,
    range(16).map((one) => one << 4),
  );
  const seconds = W_AND_PP.flatMap((one) => [one | 0x78, one, one | 0x38]);
  const lengths = LENGTHS.flatMap((one) => [one, one | 8]);
  evex(slots, [0xf0], plain, masks, bothModRms);
  evex(slots, firsts, seconds, lengths, TWO_MODRMS);
  evex(slots, [0xf8], plain, [0x08], TWO_MODRMS);
  evex(
    slots,
    [0xf0],
    plain.map((one) => one & ~4),
    [0x08],
    TWO_MODRMS,
  );
};

/** VEX and EVEX after prefixes, most of which they forbid; after 67 all of them, which have other memory operands then. */
const prefixedVectors = (slots: Slots, codeSize: CodeSize): void => {
  const prefixes = codeSize === 64 ? [...LEGACY_PREFIXES, 0x40, 0x48] : LEGACY_PREFIXES;
  for (const opcode of OPCODES)
    for (const modRm of TWO_MODRMS) {
      for (const prefix of prefixes) {
        slots.add([prefix, 0xc5, 0xf8, opcode, modRm]);
        for (const map of [0xe1, 0xe2, 0xe3]) slots.add([prefix, 0xc4, map, 0x79, opcode, modRm]);
        for (const map of [0xf1, 0xf2, 0xf3, 0xf5, 0xf6])
          slots.add([prefix, 0x62, map, 0x7d, 0x48, opcode, modRm]);
      }
      for (const fields of L_AND_PP.flatMap((one) => [one | 0x78, one | 0xf8]))
        for (const map of [0xe1, 0xe2, 0xe3]) slots.add([0x67, 0xc4, map, fields, opcode, modRm]);
    }
  for (const fields of [0x79, 0xf9, 0x7d, 0xfd])
    for (const opcode of VEX_GROUPS)
      for (const modRm of modRms([0x44])) slots.add([0x67, 0xc4, 0xe2, fields, opcode, modRm]);
  for (const map of [0xf1, 0xf2, 0xf3])
    for (const fields of W_AND_PP)
      for (const last of [0x09, 0x29, 0x49])
        for (const opcode of EVEX_GROUPS)
          for (const modRm of modRms([0x44]))
            slots.add([0x67, 0x62, map, fields | 0x78, last, opcode, modRm]);
};

/** 3DNow! and XOP, which AMD has where others have no instruction or POP. */
const foreignMaps = (slots: Slots, codeSize: CodeSize): void => {
  for (const suffix of OPCODES)
    for (const modRm of [0x04, 0xd1])
      slots.add([0x0f, 0x0f, modRm, ...(modRm === 4 && codeSize !== 16 ? [0x00] : []), suffix]);
  for (const map of [0xe8, 0xe9, 0xea])
    for (const fields of W_AND_PP.flatMap((one) => [one ^ 0x7c, one ^ 0x78]))
      for (const opcode of OPCODES)
        for (const modRm of modRms([0xc1])) slots.add([0x8f, map, fields, opcode, modRm]);
};

/** The opcode maps one after the other: every opcode with every prefix. */
export const OPCODE_MAPS: readonly {
  readonly name: string;
  readonly fill: (slots: Slots, codeSize: CodeSize, depth: Depth) => void;
}[] = [
  { name: 'one-byte, 0F, 0F 38 and 0F 3A', fill: legacyMaps },
  { name: 'VEX', fill: vexMap },
  { name: 'EVEX', fill: evexMaps },
  { name: 'VEX and EVEX after prefixes', fill: prefixedVectors },
  { name: '3DNow! and XOP', fill: foreignMaps },
];
