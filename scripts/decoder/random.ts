import type { CodeSize } from '../../src/cpu/decode';
import type { Slots } from './slots';

const PREFIXES = [0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const ESCAPES = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const EVEX_MAP_NUMBERS = [1, 2, 3, 5, 6];

const prefix = (slots: Slots, codeSize: CodeSize): number =>
  codeSize === 64 && slots.below(3) === 0 ? 0x40 | slots.below(16) : PREFIXES[slots.below(PREFIXES.length)];

const prefixes = (slots: Slots, codeSize: CodeSize, count: number): number[] =>
  Array.from({ length: count }, () => prefix(slots, codeSize));

const opcode = (slots: Slots): readonly number[] => [...ESCAPES[slots.below(4)], slots.below(256)];

/** A VEX prefix of a map that exists; the fields are random. */
const vex = (slots: Slots, codeSize: CodeSize): number[] => {
  const outside = codeSize === 64 ? 0 : 0xc0;
  if (slots.below(2) === 0) return [0xc5, slots.below(256) | outside];
  return [0xc4, (slots.below(8) << 5) | (1 + slots.below(3)) | outside, slots.below(256)];
};

/** An EVEX prefix of a map that exists, its fixed bits right; the fields are random. */
const evex = (slots: Slots, codeSize: CodeSize): number[] => {
  const first = (slots.below(16) << 4) | EVEX_MAP_NUMBERS[slots.below(5)];
  // Zeroing without opmask is undefined: half of them without.
  const third = slots.below(256) & (slots.below(2) === 0 ? 0x7f : 0xff);
  return [0x62, first | (codeSize === 64 ? 0 : 0xc0), slots.below(256) | 4, third];
};

/** The kinds of random byte strings; what a beginning leaves open is random. */
export const RANDOM_KINDS: readonly {
  readonly name: string;
  readonly beginning: (slots: Slots, codeSize: CodeSize) => readonly number[];
}[] = [
  { name: 'uniform', beginning: () => [] },
  {
    name: 'opcode of any map',
    beginning: (slots, size) => [...prefixes(slots, size, slots.below(3)), ...opcode(slots)],
  },
  { name: 'many prefixes', beginning: (slots, size) => prefixes(slots, size, slots.below(15)) },
  {
    name: 'about 15 bytes long',
    beginning: (slots, size) => [...prefixes(slots, size, 6 + slots.below(7)), ...opcode(slots)],
  },
  { name: 'VEX', beginning: (slots, size) => vex(slots, size) },
  { name: 'EVEX', beginning: (slots, size) => evex(slots, size) },
];

/** Adds random cases of one kind. */
export const addRandom = (slots: Slots, codeSize: CodeSize, kind: number, count: number): void => {
  const { beginning } = RANDOM_KINDS[kind];
  for (let at = 0; at < count; at++) slots.add(beginning(slots, codeSize));
};
