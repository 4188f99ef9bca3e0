// A block that goes on where it starts: the generated tier stays in its function, for as long as the block may run at all.
import { describe, expect, test } from 'vitest';
import { run } from '../../../src/machine';
import { AT, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const HLT = 0xf4;
const COUNT = 1000;
const DEC_ECX = [0xff, 0xc9];
const MOV_ECX = [0xb9, ...little(COUNT, 4)];
const MOV_EBX = (value: number): number[] => [0xbb, ...little(value, 4)];
const ADD_EBX = (value: number): number[] => [0x81, 0xc3, ...little(value, 4)];

/** What comes first, then `body` and DEC ECX, as long as ECX is not 0. */
const looping = (before: readonly number[], body: readonly number[]) => {
  const loop = [...body, ...DEC_ECX];
  const top = before.length;
  return { top: AT.code + top, code: [...before, ...loop, 0x75, -(loop.length + 2) & 255, HLT] };
};

describe.each(TIERS)('a block that goes on where it starts, %s', (tier) => {
  test('run ends after as many instructions as asked for, wherever that is in the block', () => {
    // ADD EAX, ECX
    const { code, top } = looping(MOV_ECX, [0x01, 0xc8]);
    const offsets = [0, 2, 4];
    const start = pagedGuest(code);
    for (const asked of [1, 300, 301, 302, 1501, 2000, 2999]) {
      const { retired, state } = run(start, { tier, heat: 5, maxInstructions: asked });
      const [cpu] = state.processors;
      const inLoop = asked - 1;
      const rounds = Math.floor(inLoop / 3);
      const added = Math.floor((inLoop + 2) / 3);
      expect(retired).toBe(asked);
      expect(Number(cpu.rip)).toBe(top + offsets[inLoop % 3]);
      expect(Number(cpu.registers[0])).toBe(added * COUNT - (added * (added - 1)) / 2);
      expect(Number(cpu.registers[1])).toBe(COUNT - rounds - (inLoop % 3 === 2 ? 1 : 0));
    }
  });

  test('a fault in a later round is at its instruction, and what the round did before stays', () => {
    const pages = 100;
    const unmapped = 0x20_0000;
    // ADD EBX, 4096; MOV [RBX], AL
    const { code, top } = looping(
      [...MOV_ECX, ...MOV_EBX(unmapped - pages * 4096)],
      [...ADD_EBX(4096), 0x88, 0x03],
    );
    const { state } = runToHalt(pagedGuest(code), tier);
    expect(exceptionOf(state, true)).toEqual({ vector: 14, errorCode: 2, rip: top + 6 });
    expect(Number(state.processors[0].registers[1])).toBe(COUNT - pages + 1);
    expect(Number(state.processors[0].registers[3])).toBe(unmapped);
  });

  test('a store on its own bytes is seen by the next instruction', () => {
    const rounds = 64;
    const before = [0xb0, HLT, ...MOV_ECX, ...MOV_EBX(0)];
    // MOV [RBX], AL; ADD EBX, 16. In the last round the store meets DEC ECX.
    const dec = AT.code + before.length + 8;
    before.splice(-5, 5, ...MOV_EBX(dec - 16 * (rounds - 1)));
    const { code } = looping(before, [0x88, 0x03, ...ADD_EBX(16)]);
    const { state } = runToHalt(pagedGuest(code), tier);
    const [cpu] = state.processors;
    expect(Number(cpu.rip)).toBe(dec + 1);
    expect(Number(cpu.registers[1])).toBe(COUNT - rounds + 1);
    expect(Number(cpu.registers[3])).toBe(dec + 16);
  });
});
