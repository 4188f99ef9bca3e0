import { describe, expect, test } from 'vitest';
import type { Choice, ChoiceQuestion } from '../../../src/core';
import { run } from '../../../src/machine';
import { AT, pagedGuest, runToHalt, TIERS } from './paged-guest';

const PUSHFQ = 0x9c;
const HLT = 0xf4;
const STATUS_FLAGS = 0x8d5n;
const [CF, PF, AF, ZF, SF, OF] = [1n, 4n, 0x10n, 0x40n, 0x80n, 0x800n];
/** `mov eax, 6; mov ebx, 9; mov ecx, 50`: a loop of 50 rounds, so that what is in it is compiled. */
const BEGIN = [0xb8, 6, 0, 0, 0, 0xbb, 9, 0, 0, 0, 0xb9, 50, 0, 0, 0];

/** Every round starts from the same operands and ends with the flags in R8. */
const looped = (instruction: readonly number[]) => {
  const body = [
    ...[0xb8, 6, 0, 0, 0, 0x31, 0xd2],
    ...instruction,
    ...[PUSHFQ, 0x41, 0x58],
    // dec ecx
    ...[0xff, 0xc9],
  ];
  return pagedGuest([...BEGIN, ...body, 0x75, -(body.length + 2) & 255, HLT]);
};

const flagsAfter = (
  instruction: readonly number[],
  tier: (typeof TIERS)[number],
  choice?: Choice,
): bigint => {
  const { state } = runToHalt(looped(instruction), tier, choice);
  return state.processors[0].registers[8] & STATUS_FLAGS;
};

const allOnes: Choice = ({ site, alternatives, preferred }: ChoiceQuestion) =>
  site === 'undefined-flags' ? alternatives - 1n : preferred;
const allZeros: Choice = ({ site, preferred }: ChoiceQuestion) =>
  site === 'undefined-flags' ? 0n : preferred;

// SDM Vol. 1, Appendix A EFLAGS Cross-Reference
describe.each(TIERS)('a Choice decides undefined flags, %s', (tier) => {
  test.each([
    ['shl eax, 4', [0xc1, 0xe0, 0x04], AF | OF],
    ['shld eax, ebx, 5', [0x0f, 0xa4, 0xd8, 5], AF | OF],
    ['and eax, ebx', [0x21, 0xd8], AF],
    ['mul ebx', [0xf7, 0xe3], SF | ZF | AF | PF],
    ['imul eax, ebx', [0x0f, 0xaf, 0xc3], SF | ZF | AF | PF],
    ['bsf eax, ebx', [0x0f, 0xbc, 0xc3], CF | OF | SF | AF | PF],
    ['div ebx', [0xf7, 0xf3], CF | OF | SF | ZF | AF | PF],
    ['bt eax, 3', [0x0f, 0xba, 0xe0, 3], OF | SF | AF | PF],
    ['add eax, ebx', [0x01, 0xd8], 0n],
  ])('%s', (_, code, mask) => {
    const ones = flagsAfter(code, tier, allOnes);
    const zeros = flagsAfter(code, tier, allZeros);
    expect(ones ^ zeros).toBe(mask);
    // What is defined is the same for every Choice.
    expect(flagsAfter(code, tier) & ~mask).toBe(zeros & ~mask);
  });

  test('the questions are numbered in the order of execution', () => {
    const asked: number[] = [];
    const { state } = runToHalt(looped([0xc1, 0xe0, 0x04]), tier, (question) => {
      asked.push(question.occurrence);
      return question.preferred;
    });
    // XOR in the loop asks for AF, and SHL for AF and OF.
    expect(asked).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(state.occurrences['undefined-flags']).toBe(100);
  });

  test('code made without a Choice is not run with one, nor the other way round', () => {
    const guest = looped([0xf7, 0xe3]);
    const half = run(guest, { tier, heat: 5, maxInstructions: 150 }).state;
    const with1 = run(half, { tier, heat: 5, maxInstructions: 120, choice: allOnes }).state;
    expect(with1.processors[0].registers[8] & STATUS_FLAGS).toBe(flagsAfter([0xf7, 0xe3], tier, allOnes));
    const without = runToHalt(with1, tier).state;
    expect(without.processors[0].registers[8] & STATUS_FLAGS).toBe(flagsAfter([0xf7, 0xe3], tier));
    expect(Number(without.processors[0].rip)).toBeGreaterThan(AT.code);
  });

  test('a Choice for other sites alone is not asked', () => {
    const choice: Choice = Object.assign(() => 0n, { sites: ['time-stamp'] as const });
    expect(flagsAfter([0xf7, 0xe3], tier, choice)).toBe(flagsAfter([0xf7, 0xe3], tier));
  });
});
