// SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
import { describe, expect, it } from 'vitest';
import type { StaleTranslation } from '../../src/api/caches';
import type { Control } from '../../src/api/vmx';
import { describeStale, run } from '../../src/machine';
import { AT, entryOf, little, pagedGuest } from '../cpu/engine/paged-guest';
import { beforeLaunch, TABLES, AT as VMX_AT } from '../vmx/dynamics/whole-machine';

const PAGE = 0x2_0000;
const OTHER = 0x2_1000;
const THIRD = 0x2_2000;
const NEXT = 0x2_4000;
const GLOBAL = 0x100;
/** A second address space: the same but for what `spaceWith` changes. */
const SPACE = 0x3_0000;
const TABLE = SPACE + 0x3000;
const KEEP = 1n << 63n;

const load = (at: number): number[] => [0x8b, 0x1c, 0x25, ...little(at, 4)];
const store = (at: number, value: number): number[] => [
  ...[0xc7, 0x04, 0x25],
  ...little(at, 4),
  ...little(value, 4),
];
const invlpg = (at: number): number[] => [0x0f, 0x01, 0x3c, 0x25, ...little(at, 4)];
/** MOV RAX, value; MOV CR3, RAX. */
const movCr3 = (value: number | bigint): number[] => [0x48, 0xb8, ...little(value, 8), 0x0f, 0x22, 0xd8];
/** MOV EAX, CR0; OR EAX, 10000H; MOV CR0, EAX. */
const WRITE_PROTECT = [0x0f, 0x20, 0xc0, 0x0d, ...little(0x1_0000, 4), 0x0f, 0x22, 0xc0];
/** CR4.PAE, PGE and PCIDE, and what the machine began with. */
const USE_PCIDS = [0xb8, ...little(0x2_06a0, 4), 0x0f, 0x22, 0xe0];
/** INVPCID with EAX = type; the descriptor at `DESCRIPTOR`. */
const DESCRIPTOR = 0x2_5000;
const invpcid = (type: number): number[] => [
  ...[0xb8, ...little(type, 4)],
  ...[0x66, 0x0f, 0x38, 0x82, 0x04, 0x25, ...little(DESCRIPTOR, 4)],
];
const HLT = 0xf4;

const spaceWith = (pages: Readonly<Record<number, number>>): Record<number, number[]> => ({
  [SPACE]: little(SPACE + 0x1007, 8),
  [SPACE + 0x1000]: little(SPACE + 0x2007, 8),
  [SPACE + 0x2000]: little(TABLE | 7, 8),
  [TABLE]: Array.from({ length: 512 }, (_, page) => little((pages[page << 12] ?? page << 12) | 7, 8)).flat(),
});

const outcome = (code: readonly (readonly number[])[], parts: Readonly<Record<number, number[]>> = {}) => {
  const data = {
    [PAGE]: [1],
    [OTHER]: [2],
    [THIRD]: [3],
    [DESCRIPTOR]: [...little(5, 8), ...little(PAGE, 8)],
  };
  const state = pagedGuest([...code.flat(), HLT], { ...data, ...parts });
  const reports: StaleTranslation[] = [];
  const result = run(
    { ...state, config: { ...state.config, caches: { kind: 'keep-all' } } },
    { maxInstructions: 1000, onStaleTranslation: (report) => reports.push(report) },
  );
  return { ebx: Number(result.state.processors[0].registers[3]), reports };
};
const enough = (...code: readonly (readonly number[])[]) => outcome(code).reports.map((one) => one.enough);

describe('What makes a remembered translation stale is not lost', () => {
  it('by an access in between that it does not matter to', () => {
    const write = store(PAGE, 99);
    const lowered = store(entryOf(PAGE), PAGE | 0x65);
    expect(enough(WRITE_PROTECT, write, lowered, load(PAGE), load(PAGE), write)).toEqual(['INVLPG']);
    const cleared = store(entryOf(PAGE), PAGE | 0x27);
    expect(enough(write, cleared, load(PAGE), write)).toEqual(['INVLPG']);
  });

  it('of a table, by an address for which both tables agree', () => {
    const moved = store(AT.directory, TABLE | 0x27);
    const { ebx, reports } = outcome(
      [load(PAGE), moved, load(NEXT), load(THIRD)],
      spaceWith({ [THIRD]: OTHER }),
    );
    expect(ebx).toBe(3);
    expect(reports).toMatchObject([{ address: BigInt(THIRD), changed: [{ level: 2 }], enough: 'INVLPG' }]);
  });
});

describe('An address space is given a PCID that another had', () => {
  const parts = spaceWith({ [PAGE]: OTHER });
  const begin = [USE_PCIDS, movCr3(AT.pml4 | 5), load(PAGE)];

  it('and MOV to CR3 keeps what is remembered: the report names both roots', () => {
    const { ebx, reports } = outcome(
      [...begin, movCr3(BigInt(SPACE | 5) | KEEP), load(PAGE), load(PAGE)],
      parts,
    );
    expect(ebx).toBe(1);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({
      roots: { cached: AT.pml4, current: SPACE },
      changed: [],
      enough: 'MOV to CR3',
    });
    expect(describeStale(reports[0])).toBe(
      'read of 0x20000 used physical page 0x20000 from the translation caches, memory says physical page 0x21000 (VPID 0, PCID 5); it was remembered of the tables at 0x1000, a walk now begins with the tables at 0x30000; MOV to CR3 would have been enough',
    );
  });

  it('and MOV to CR3 invalidates: none', () => {
    const { ebx, reports } = outcome([...begin, movCr3(SPACE | 5), load(PAGE)], parts);
    expect([ebx, reports]).toEqual([2, []]);
  });

  it('where both agree: none', () => {
    const { ebx, reports } = outcome([...begin, movCr3(BigInt(SPACE | 5) | KEEP), load(PAGE)], spaceWith({}));
    expect([ebx, reports]).toEqual([1, []]);
  });

  it('global pages that differ need INVLPG', () => {
    const global = spaceWith({ [PAGE]: OTHER | GLOBAL });
    const first = store(entryOf(PAGE), PAGE | GLOBAL | 7);
    const code = [first, USE_PCIDS, load(PAGE), movCr3(SPACE), load(PAGE)];
    expect(outcome(code, global)).toMatchObject({ ebx: 1, reports: [{ enough: 'INVLPG' }] });
  });
});

describe('The smallest invalidation', () => {
  const remap = (bits = 7) => store(entryOf(PAGE), OTHER | bits);
  const five = movCr3(AT.pml4 | 5);
  const six = movCr3(AT.pml4 | 6);
  const backToFive = movCr3(BigInt(AT.pml4 | 5) | KEEP);

  it('is INVLPG in the address space that the store was made in', () => {
    expect(enough(load(PAGE), remap(), load(PAGE))).toEqual(['INVLPG']);
    expect(enough(load(PAGE), remap(), invlpg(PAGE), load(PAGE))).toEqual([]);
  });

  it('is INVPCID for the page of another PCID', () => {
    const code = [USE_PCIDS, five, load(PAGE), six, remap()];
    expect(enough(...code, backToFive, load(PAGE))).toEqual(['INVPCID individual-address']);
    expect(enough(...code, invlpg(PAGE), backToFive, load(PAGE))).toEqual(['INVPCID individual-address']);
    expect(enough(...code, invpcid(0), backToFive, load(PAGE))).toEqual([]);
  });

  it('is INVLPG for a global page, whatever the PCID', () => {
    const code = [
      USE_PCIDS,
      store(entryOf(PAGE), PAGE | GLOBAL | 7),
      five,
      load(PAGE),
      six,
      remap(GLOBAL | 7),
    ];
    expect(enough(...code, backToFive, load(PAGE))).toEqual(['INVLPG']);
    expect(enough(...code, invlpg(PAGE), backToFive, load(PAGE))).toEqual([]);
  });
});

// SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction
describe('A guest with a VPID and without EPT', () => {
  const ENTRY = TABLES + 0x2008;
  const IN_PAGE = 0x20_5000;
  /** VMREAD of instruction length and RIP, VMWRITE of their sum, VMRESUME. */
  const SKIP = [
    ...[0xb8, ...little(0x440c, 4), 0x0f, 0x78, 0xc3],
    ...[0xb8, ...little(0x681e, 4), 0x0f, 0x78, 0xc2],
    ...[0x48, 0x01, 0xda, 0x0f, 0x79, 0xc2, 0x0f, 0x01, 0xc3],
  ];
  const toldTo = (controls: readonly Control[]) => {
    const state = beforeLaunch({
      guest: [...load(IN_PAGE), ...store(ENTRY, 0x87), ...invlpg(IN_PAGE), ...load(IN_PAGE), HLT],
      controls: ['activateSecondaryControls', 'enableVpid', ...controls],
      fields: { vpid: 1 },
      memory: { [VMX_AT.hostCode + 0x100]: SKIP },
    });
    const reports: StaleTranslation[] = [];
    run(
      { ...state, config: { ...state.config, caches: { kind: 'keep-all' } } },
      { maxInstructions: 100, onStaleTranslation: (report) => reports.push(report) },
    );
    return reports.map((report) => report.enough);
  };

  it('whose INVLPG invalidates: none', () => {
    expect(toldTo([])).toEqual([]);
  });
  it('whose INVLPG exits, and whose monitor forgets it: INVVPID', () => {
    expect(toldTo(['invlpgExiting'])).toEqual(['INVVPID individual-address']);
  });
});

// SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings: VM exits, while VPIDs are off
describe('A guest without a VPID and without EPT, whose INVLPG exits', () => {
  const ENTRY = TABLES + 0x2008;
  const IN_PAGE = 0x20_5000;
  const told = (controls: readonly Control[], forgotten: readonly number[]) => {
    const state = beforeLaunch({
      guest: [...load(IN_PAGE), ...store(ENTRY, 0x87), ...forgotten, ...load(IN_PAGE), HLT],
      controls,
    });
    const reports: StaleTranslation[] = [];
    run(
      { ...state, config: { ...state.config, caches: { kind: 'keep-all' } } },
      { maxInstructions: 100, onStaleTranslation: (report) => reports.push(report) },
    );
    return reports.map((report) => report.enough);
  };

  it('forgets it: INVLPG, for INVVPID takes no VPID of 0000H and the VM exit drops all there is', () => {
    expect(told(['invlpgExiting'], [])).toEqual(['INVLPG']);
  });
  it('executes it: none', () => {
    expect(told(['invlpgExiting'], invlpg(IN_PAGE))).toEqual([]);
  });
});
