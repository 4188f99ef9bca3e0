import { describe, expect, test } from 'vitest';
import { type CodeSize, decode, disassemble } from '../../../src/cpu/decode';

const MODES: readonly CodeSize[] = [64, 32, 16];

/** xorshift32 with a fixed seed. */
const randomBytes = (count: number, seed: number): Uint8Array => {
  let state = seed;
  return new Uint8Array(count).map(() => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 8;
  });
};

describe.each(MODES)('any bytes in %i-bit code', (codeSize) => {
  const bytes = randomBytes(20_000, 7 + codeSize);

  test('decode without throwing, within what was given, and disassemble', () => {
    for (let offset = 0; offset < bytes.length; offset++) {
      const given = bytes.subarray(offset, offset + (offset % 18));
      const result = decode(given, codeSize);
      if (result.kind === 'instruction') {
        expect(result.instruction.length).toBeLessThanOrEqual(Math.min(given.length, 15));
        expect(disassemble(result.instruction, 0x401000n)).not.toMatch(/undefined|NaN|null/);
      }
      if (result.kind === 'incomplete') {
        expect(result.needed).toBeGreaterThan(given.length);
        expect(result.needed).toBeLessThanOrEqual(15);
      }
    }
  });

  test('cut short, ask for no more than the instruction has; with more behind, say the same', () => {
    for (let offset = 0; offset < 2_000; offset++) {
      const whole = decode(bytes, codeSize, offset);
      if (whole.kind !== 'instruction') continue;
      const { length } = whole.instruction;
      for (let given = 0; given < length; given++) {
        const result = decode(bytes.subarray(offset, offset + given), codeSize);
        expect(result.kind).toBe('incomplete');
        if (result.kind === 'incomplete') {
          expect(result.needed).toBeGreaterThan(given);
          expect(result.needed).toBeLessThanOrEqual(length);
        }
      }
      expect(decode(bytes.slice(offset, offset + length), codeSize)).toEqual(whole);
    }
  });
});
