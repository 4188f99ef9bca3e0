// What the fuzz found: instructions after which, or in which, one tier of the engine went on otherwise than the others.
import { describe, expect, test } from 'vitest';
import { AT, entryOf, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const HLT = 0xf4;
const NOP = 0x90;
const MOV_EBX = 0xbb;
const DEC_ECX = [0xff, 0xc9];
const MOV_ECX_50 = [0xb9, 50, 0, 0, 0];
const STC = 0xf9;

// SDM Vol. 3A, 4.10.4.2 Recommended Invalidation: the model walks for every fetch.
describe.each(TIERS)('a page of code becomes absent by a write to its table, %s', (tier) => {
  const page = entryOf(AT.code);
  const absent = (write: readonly number[]) => {
    const code = [MOV_EBX, ...little(page, 4), NOP, ...write, NOP, NOP, HLT];
    const { state } = runToHalt(pagedGuest(code), tier);
    return { exception: exceptionOf(state, true), next: AT.code + 6 + write.length };
  };

  test.each([
    ['MOV', [0xc6, 0x03, 0]],
    ['AND', [0x80, 0x23, 0xfe]],
    // RAX is 0.
    ['XCHG', [0x87, 0x03]],
  ])('%s: the fetch of the next instruction faults', (_, write) => {
    const { exception, next } = absent(write);
    expect(exception).toEqual({ vector: 14, errorCode: 0x10, rip: next });
  });
});

// SDM Vol. 1, 3.3.7.1 Canonical Addressing
describe.each(TIERS)('JMP to a target that is not canonical, %s', (tier) => {
  test('#GP at the JMP, in a block that went on elsewhere before', () => {
    const LOOP = 0x40;
    // R8 is where the loop goes on, R9 nowhere.
    const code = [
      ...MOV_ECX_50,
      0x49,
      0xb8,
      ...little(AT.code + LOOP, 8),
      0x49,
      0xb9,
      ...little(1n << 47n, 8),
    ];
    const top = code.length;
    // TEST ECX, ECX; MOV RAX, R8; CMOVZ RAX, R9; JMP RAX
    code.push(0x85, 0xc9, 0x4c, 0x89, 0xc0, 0x49, 0x0f, 0x44, 0xc1);
    const jump = code.length;
    code.push(0xff, 0xe0);
    while (code.length < LOOP) code.push(NOP);
    code.push(...DEC_ECX, 0xeb, (top - (LOOP + 4)) & 255);
    const { state } = runToHalt(pagedGuest(code), tier);
    expect(exceptionOf(state, true)).toEqual({ vector: 13, errorCode: 0, rip: AT.code + jump });
  });
});

// Code that modifies itself: what is fetched next is what stands there then.
describe.each(TIERS)('ADC on its own bytes, %s', (tier) => {
  test('adds the carry that was before it, once', () => {
    // STC; ADC BYTE [RBX], 1 on the NOP behind it, which becomes XCHG EDX, EAX (92H).
    const code = [MOV_EBX, ...little(AT.code + 9, 4), STC, 0x80, 0x13, 1, NOP, HLT];
    const { state } = runToHalt(pagedGuest(code), tier);
    expect(state.memory.read(AT.code + 9, 1)[0]).toBe(0x92);
  });
});
