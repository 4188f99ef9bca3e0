import { Code } from 'iced-x86';
import { describe, expect, test } from 'vitest';
import { type CodeSize, decode, MNEMONICS } from '../../../src/cpu/decode';
import { difference, referenceCodes, SLOT_BYTES, withReference } from './reference';
import { isForeign, isNeverDecoded, ourMnemonic } from './reference-names';

/**
 * Where we and iced-x86 disagree on purpose, beyond the tables of names and of foreign instructions in `reference-names.ts`.
 * Each entry says for which of our results it excuses the difference, and why we are right or do not care.
 */
const DISAGREEMENTS: readonly { readonly matches: RegExp; readonly because: string }[] = [
  {
    matches: /^bnd/,
    because:
      'the address-size rules of MPX (67 ignored in 64-bit mode, undefined with 16-bit addresses) are left out: no processor of today has it',
  },
  {
    matches: /^(?:tpause|umwait): operand 0/,
    because: 'SDM Vol. 2, TPAUSE and UMWAIT: the operand is a 32-bit register, REX.W changes nothing',
  },
];

/** xorshift32 with a fixed seed: every run sees the same bytes. */
const generator = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
};

const hexBytes = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** Fills slots with the given beginnings and random bytes after them. */
const slotsOf = (beginnings: readonly (readonly number[])[], seed: number): Uint8Array => {
  const next = generator(seed);
  const slots = new Uint8Array(beginnings.length * SLOT_BYTES).map(() => next() >>> 8);
  for (const [slot, beginning] of beginnings.entries()) slots.set(beginning, slot * SLOT_BYTES);
  return slots;
};

/** The differences, one example for each kind, that no table explains. */
const unexplained = (slots: Uint8Array, codeSize: CodeSize): readonly string[] => {
  const found = new Map<string, string>();
  withReference(slots, codeSize, (slot, theirs) => {
    const bytes = slots.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
    const result = decode(bytes, codeSize);
    const says = ((): string | undefined => {
      if (result.kind === 'incomplete') return 'incomplete with 16 bytes';
      if (result.kind === 'fault')
        return theirs && !isForeign(theirs.code) ? `no ${Code[theirs.code]}` : undefined;
      const { instruction } = result;
      const why = theirs === undefined ? 'defined' : difference(instruction, theirs, codeSize);
      return why && `${instruction.mnemonic}: ${why}`;
    })();
    if (says === undefined || DISAGREEMENTS.some(({ matches }) => matches.test(says))) return;
    const kind = says.replace(/\d{3,}/g, '#');
    if (!found.has(kind)) found.set(kind, `${says} at ${codeSize}: ${hexBytes(bytes)}`);
  });
  return [...found.values()];
};

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
const MODES: readonly CodeSize[] = [64, 32, 16];
const ESCAPES: Record<string, readonly number[]> = {
  'one-byte': [],
  '0F': [0x0f],
  '0F 38': [0x0f, 0x38],
  '0F 3A': [0x0f, 0x3a],
};
const LEGACY_PREFIXES = [[], [0x66], [0xf2], [0xf3], [0xf0], [0x67], [0x66, 0xf3], [0xf2, 0x66]];
const REX_PREFIXES = [[0x48], [0x66, 0x48], [0xf3, 0x48], [0xf2, 0x4d], [0x43], [0x26, 0x64, 0x44]];
const OTHER_PREFIXES = [[0x2e, 0x64], [0x36], [0xf3, 0xf2], [0x67, 0x66], [0xf0, 0xf3], [0x3e]];

const prefixesOf = (codeSize: CodeSize): readonly (readonly number[])[] => [
  ...LEGACY_PREFIXES,
  ...(codeSize === 64 ? REX_PREFIXES : OTHER_PREFIXES),
];

/** ModR/M bytes: each reg with memory (SIB with disp8, disp32) and a register; without prefix all of mod 3 too. */
const modRms = (allRegisters: boolean): readonly number[] =>
  allRegisters
    ? range(256).filter((byte) => byte >= 0xc0 || [0, 4, 5].includes(byte & 0xc7))
    : range(8).flatMap((reg) => [0x44, 0x86, 0xc1].map((rest) => rest | (reg << 3)));

describe('the mnemonics', () => {
  const theirs = referenceCodes().filter((code) => !isNeverDecoded(code));

  test('are all known to iced-x86', () => {
    const known = new Set(theirs.map(ourMnemonic));
    expect(MNEMONICS.filter((name) => !known.has(name))).toEqual([]);
  });

  test('are all that iced-x86 knows but the foreign ones', () => {
    const ours = new Set(MNEMONICS);
    const missing = theirs.filter((code) => !isForeign(code) && !ours.has(ourMnemonic(code)));
    expect(missing.map((code) => Code[code])).toEqual([]);
  });
});

describe.each(Object.keys(ESCAPES))('the %s opcode map agrees with iced-x86', (map) => {
  test.each(MODES)('in %i-bit code', (codeSize) => {
    const beginnings = prefixesOf(codeSize).flatMap((prefix) =>
      range(256).flatMap((opcode) =>
        modRms(prefix.length === 0).map((modRm) => [...prefix, ...ESCAPES[map], opcode, modRm]),
      ),
    );
    expect(unexplained(slotsOf(beginnings, codeSize), codeSize)).toEqual([]);
  });
});

const VECTOR_MODRMS = [0x00, 0x4c, 0x8d, 0xd1, 0xc8, 0x39, 0xf0];

describe('vector maps agree with iced-x86', () => {
  test.each(MODES)('VEX in %i-bit code', (codeSize) => {
    const beginnings = [1, 2, 3].flatMap((map) =>
      range(256).flatMap((opcode) =>
        [0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d, 0xf8, 0xf9, 0xfb, 0xfd, 0x71, 0xe2, 0x66].flatMap((fields) =>
          VECTOR_MODRMS.map((modRm) => [0xc4, 0xe0 | map, fields, opcode, modRm]),
        ),
      ),
    );
    expect(unexplained(slotsOf(beginnings, codeSize), codeSize)).toEqual([]);
  });

  test.each(MODES)('EVEX in %i-bit code', (codeSize) => {
    const beginnings = [1, 2, 3, 5, 6].flatMap((map) =>
      range(256).flatMap((opcode) =>
        [0x7c, 0x7d, 0x7e, 0x7f, 0xfd, 0xfc, 0x75, 0xee].flatMap((fields) =>
          [0x08, 0x49, 0x18, 0xca].flatMap((last) =>
            VECTOR_MODRMS.slice(0, 5).map((modRm) => [0x62, 0xf0 | map, fields, last, opcode, modRm]),
          ),
        ),
      ),
    );
    expect(unexplained(slotsOf(beginnings, codeSize), codeSize)).toEqual([]);
  });
});

/** Random VEX and EVEX prefixes with a map number and the fixed bits that make most of them valid. */
const randomVectors = (count: number, seed: number): readonly (readonly number[])[] => {
  const next = generator(seed);
  const byte = (): number => (next() >>> 8) & 0xff;
  const map = (): number => [1, 2, 3, 5, 6][(next() >>> 8) % 5];
  return range(count).map((index) => {
    if (index % 3 === 0)
      return [0x62, (byte() & 0xf0) | map(), byte() | 4, byte() & (index & 1 ? 0xef : 0x7f)];
    return index % 3 === 1 ? [0xc4, (byte() & 0xe0) | map(), byte()] : [0xc5, byte()];
  });
};

describe('random VEX and EVEX prefixes agree with iced-x86', () => {
  test.each(MODES)('100,000 in %i-bit code', (codeSize) => {
    expect(unexplained(slotsOf(randomVectors(100_000, 99), codeSize), codeSize)).toEqual([]);
  });
});

describe('random bytes agree with iced-x86', () => {
  test.each(MODES)('200,000 in %i-bit code', (codeSize) => {
    const next = generator(0x9e3779b9 ^ codeSize);
    const slots = new Uint8Array(200_000 * SLOT_BYTES).map(() => next() >>> 8);
    expect(unexplained(slots, codeSize)).toEqual([]);
  });
});
