import { describe, expect, test } from 'vitest';
import { type Choice, type ChoiceQuestion, choiceAt } from '../../../src/core';
import { legacyGuest } from '../paging/legacy-guest';
import { AT, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const HLT = 0xf4;
const RAX = 0x1122_3344_5566_7788n;
const ROUNDS = 50;

/** Every round starts from the same RAX, RBX 0 and RDX 9ABCDEF0H; the last one leaves RAX. */
const looped = (instruction: readonly number[]) => {
  const body = [
    ...[0x48, 0xb8, ...little(RAX, 8), 0x31, 0xdb, 0xba, 0xf0, 0xde, 0xbc, 0x9a],
    ...instruction,
    // dec esi
    ...[0xff, 0xce],
  ];
  return pagedGuest([0xb1, 20, 0xbe, ...little(ROUNDS, 4), ...body, 0x75, -(body.length + 2) & 255, HLT]);
};

const raxAfter = (instruction: readonly number[], tier: (typeof TIERS)[number], choice?: Choice): bigint =>
  runToHalt(looped(instruction), tier, choice).state.processors[0].registers[0];

const allOnes = choiceAt(['undefined-result'], ({ alternatives }) => alternatives - 1n);
const nothing = choiceAt(['undefined-result'], () => 0n);

// SDM Vol. 2, BSF, BSR, BSWAP, SHLD, SHRD
describe.each(TIERS)('a Choice decides undefined results, %s', (tier) => {
  test.each([
    ['bsf rax, rbx of 0', [0x48, 0x0f, 0xbc, 0xc3], RAX, 64],
    ['bsr eax, ebx of 0', [0x0f, 0xbd, 0xc3], RAX, 64],
    ['bsf ax, bx of 0', [0x66, 0x0f, 0xbc, 0xc3], RAX, 16],
    ['bsf eax, edx', [0x0f, 0xbc, 0xc2], 4n, 0],
    ['bswap ax', [0x66, 0x0f, 0xc8], RAX & ~0xffffn, 16],
    ['bswap eax', [0x0f, 0xc8], 0x8877_6655n, 0],
    // AX:DX:AX moved left, and AX:DX:AX moved right
    ['shld ax, dx, 20', [0x66, 0x0f, 0xa4, 0xd0, 20], 0x1122_3344_5566_ef07n, 16],
    ['shrd ax, dx, cl of 20', [0x66, 0x0f, 0xad, 0xd0], 0x1122_3344_5566_8defn, 16],
    ['shld ax, dx, 16', [0x66, 0x0f, 0xa4, 0xd0, 16], 0x1122_3344_5566_def0n, 0],
    ['shld eax, edx, 20', [0x0f, 0xa4, 0xd0, 20], 0x7889_abcdn, 0],
  ])('%s', (_, code, usual, open) => {
    const mask = (1n << BigInt(open)) - 1n;
    expect(raxAfter(code, tier)).toBe(usual);
    expect(raxAfter(code, tier, allOnes)).toBe(usual | mask);
    expect(raxAfter(code, tier, nothing)).toBe(usual & ~mask);
  });

  test('the questions are numbered, and flags are asked for besides', () => {
    const asked: ChoiceQuestion[] = [];
    const { state } = runToHalt(looped([0x0f, 0xbc, 0xc3]), tier, (question) => {
      asked.push(question);
      return question.preferred;
    });
    const results = asked.filter(({ site }) => site === 'undefined-result');
    expect(results.map(({ occurrence }) => occurrence)).toEqual(Array.from({ length: ROUNDS }, (_, n) => n));
    expect(state.occurrences['undefined-result']).toBe(ROUNDS);
    expect(state.processors[0].registers[0]).toBe(RAX);
  });
});

// SDM Vol. 2, PUSH: a segment register with 32-bit operand is pushed as 32 bits, or as 16 bits that leave the rest of the slot
describe.each(TIERS)('a Choice decides the upper half of the slot of PUSH Sreg, %s', (tier) => {
  const slot = AT.stack - 4;
  const pushed = (code: readonly number[], choice?: Choice) =>
    runToHalt(
      legacyGuest({ mode: '32-bit', code: [...code, HLT], parts: { [slot]: [0x11, 0x22, 0x33, 0x44] } }),
      tier,
      choice,
    );
  const slotOf = (code: readonly number[], choice?: Choice): number => {
    const { memory } = pushed(code, choice).state;
    return new DataView(memory.read(slot, 4).buffer).getUint32(0, true);
  };
  const whole = choiceAt(['push-selector'], () => 0n);
  const half = choiceAt(['push-selector'], () => 1n);
  const PUSH_ES = [0x06];

  test('the default leaves it, as Intel processors do', () => {
    const selector = slotOf(PUSH_ES) & 0xffff;
    expect(slotOf(PUSH_ES)).toBe(0x4433_0000 + selector);
    expect(slotOf(PUSH_ES, half)).toBe(0x4433_0000 + selector);
    expect(slotOf(PUSH_ES, whole)).toBe(selector);
  });

  test('with a 16-bit operand nothing is open', () => {
    expect(pushed([0x66, 0x06], whole).state.occurrences['push-selector']).toBeUndefined();
  });
});
