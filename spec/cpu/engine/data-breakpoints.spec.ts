import { describe, expect, test } from 'vitest';
import { entryOf, exceptionOf, little, pagedGuest, runToHalt, TIERS } from './paged-guest';

const WATCHED = 0x2_0000;
const ABSENT = 0x2_1000;
const DB = 1;
const PF = 14;
const ENTRY_OF_NOTHING = little(0n, 8);

/** DR0 watches reads and writes of one byte. */
const WATCH = [0xb8, ...little(WATCHED, 4), 0x0f, 0x23, 0xc0, 0xb8, ...little(0x3_0001, 4), 0x0f, 0x23, 0xf8];
/** MOVSB from the watched byte. */
const move = (to: number): number[] => [0xbe, ...little(WATCHED, 4), 0xbf, ...little(to, 4), 0xa4, 0xf4];

// SDM Vol. 3B, 18.3.1.2 Data Memory and I/O Breakpoint Exception Conditions
describe.each(TIERS)('data breakpoints, %s', (tier) => {
  const vectorAfter = (to: number): number | undefined => {
    const guest = pagedGuest([...WATCH, ...move(to)], { [entryOf(ABSENT)]: ENTRY_OF_NOTHING });
    return exceptionOf(runToHalt(guest, tier).state, false)?.vector;
  };
  test('trap after an instruction that completed', () => {
    expect(vectorAfter(WATCHED + 8)).toBe(DB);
  });
  test('do not trap when the instruction faults after the access', () => {
    expect(vectorAfter(ABSENT)).toBe(PF);
  });
});
