import { describe, expect, it } from 'vitest';
import { MOST_MAPPINGS } from '../../src/api/caches';
import { choiceAt, trieEntries } from '../../src/core';
import { deserialize, type MachineState, run, serialize, stateHash } from '../../src/machine';
import { AT, entryOf, little, pagedGuest } from '../cpu/engine/paged-guest';

const POLICIES = [{ kind: 'keep-all' }, { kind: 'adversarial', seed: 1 }] as const;
type Policy = (typeof POLICIES)[number];

const nothingByItself = choiceAt(['speculative-fill'], () => 0n);

const HLT = [0xf4];
const movRsi = (value: number) => [0x48, 0xbe, ...little(value, 8)];
const movRdi = (value: number) => [0x48, 0xbf, ...little(value, 8)];
const movEcx = (count: number) => [0xb9, ...little(count, 4)];
const READ_AT_RSI = [0x8b, 0x06];
const NEXT_PAGE = [0x48, 0x81, 0xc6, ...little(0x1000, 4)];
const again = (body: readonly number[]) => [
  ...body,
  0xff,
  0xc9,
  0x0f,
  0x85,
  ...little(-(body.length + 8), 4),
];

const under = (state: MachineState, caches: Policy): MachineState => ({
  ...state,
  config: { ...state.config, caches },
});
const remembered = ({ processors: [cpu] }: MachineState) => cpu.remembered;
const mappings = (state: MachineState): number => [...remembered(state).caches.mappings()].length;
const writes = (state: MachineState): number => [...trieEntries(remembered(state).writes)].length;

// SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs
describe.each(POLICIES)('What a processor remembers does not grow for ever, %o', (policy) => {
  it('where the guest invalidates what it changes: nothing is kept of what went', () => {
    const FIRST = 0x4_0000;
    const body = [
      ...READ_AT_RSI,
      // XOR dword [RDI], 1000H; INVLPG [RSI]
      ...[0x81, 0x37, ...little(0x1000, 4), 0x0f, 0x01, 0x3e],
      ...NEXT_PAGE,
      ...[0x48, 0x83, 0xc7, 8],
    ];
    const code = [...movRsi(FIRST), ...movRdi(entryOf(FIRST)), ...movEcx(400), ...again(body), ...HLT];
    const after = (pages: number): MachineState =>
      run(under(pagedGuest(code), policy), { maxInstructions: 3 + 7 * pages, choice: nothingByItself }).state;
    const few = after(40);
    const many = after(400);
    expect(many.processors[0].registers[6]).toBe(BigInt(FIRST + 400 * 0x1000));
    expect(writes(many)).toBeLessThan(writes(few) + 8);
    expect(serialize(many).length).toBeLessThan(serialize(few).length + 4096);
    const read = deserialize(serialize(many));
    if (!read.ok) throw new Error(read.fault.says);
    expect(stateHash(read.value)).toBe(stateHash(many));
  });
});

describe('A guest that touches fresh addresses for ever', () => {
  it(`has at most ${MOST_MAPPINGS} mappings remembered`, () => {
    const [POINTERS, DIRECTORY, TABLE] = [0x10_0000, 0x10_1000, 0x10_2000];
    const HIGH = 0x80_0000_0000;
    const everywhere = (address: number) =>
      Array(512)
        .fill(little(address | 0x67, 8))
        .flat();
    const pages = MOST_MAPPINGS + 1000;
    const code = [...movRsi(HIGH), ...movEcx(pages), ...again([...READ_AT_RSI, ...NEXT_PAGE]), ...HLT];
    const state = pagedGuest(code, {
      [AT.pml4 + 8]: little(POINTERS | 0x67, 8),
      [POINTERS]: everywhere(DIRECTORY),
      [DIRECTORY]: everywhere(TABLE),
      [TABLE]: everywhere(0x2_0000),
    });
    let now = under(state, POLICIES[0]);
    const counts = [0.9, 0.12].map((share) => {
      now = run(now, { maxInstructions: Math.floor(4 * MOST_MAPPINGS * share) }).state;
      return mappings(now);
    });
    expect(counts[0]).toBeGreaterThan(MOST_MAPPINGS * 0.89);
    expect(counts[1]).toBeLessThan(MOST_MAPPINGS * 0.1);
  });
});
