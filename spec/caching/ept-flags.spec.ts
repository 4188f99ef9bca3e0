// Accessed and dirty flags, and the log of modified pages, where a translation is remembered in part
import { describe, expect, it } from 'vitest';
import { type MachineState, processor, run } from '../../src/api';
import type { StaleTranslation } from '../../src/api/caches';
import { little, TIERS } from '../cpu/engine/paged-guest';
import { beforeLaunch, EPT_TABLES, field, type Setting, TABLES, words } from '../vmx/dynamics/whole-machine';
import { DIRTY, EPT_ACCESSED, EPT_DIRTY, L, M } from './scene';
import { ValueScene as Scene } from './value-scene';

const EPT_BOTH = EPT_ACCESSED | EPT_DIRTY;
const ACCESSED_DIRTY = 0x40n;

// SDM Vol. 3C, 29.3.5 Accessed and Dirty Flags for EPT
describe('The flags of EPT that an answer sets', () => {
  const behindEpt = () => {
    const scene = new Scene().map(L, 'A').map(M, 'B');
    return scene.become({ eptp: scene.newEpt(ACCESSED_DIRTY) });
  };

  it('by way of a remembered table: those of the page, as the access is', () => {
    const scene = behindEpt();
    scene.read(L);
    const leaf = scene.eptEntryAt(0x301);
    for (const [access, bits] of [
      ['read', EPT_ACCESSED],
      ['write', EPT_BOTH],
    ] as const)
      for (const { updates, source } of scene.may(M, access)) {
        const ofLeaf = updates.find(({ address }) => address === leaf);
        expect(ofLeaf, source).toEqual({ address: leaf, table: 'ept', bits: Number(bits), gpa: 0x30_1000 });
      }
    scene.write(M);
    expect(scene.entry(leaf) & EPT_BOTH).toBe(EPT_BOTH);
  });

  it('a read leaves the page clean; the write that follows walks and makes it dirty', () => {
    const scene = behindEpt();
    scene.read(L);
    const leaf = scene.eptEntryAt(0x300);
    expect(scene.entry(leaf) & EPT_BOTH).toBe(EPT_ACCESSED);
    for (const { updates, source } of scene.may(L, 'write')) {
      expect(source).not.toBe('caches');
      expect(updates.map(({ table, bits }) => [table, BigInt(bits)])).toEqual([
        ['guest', DIRTY],
        ['ept', EPT_DIRTY],
      ]);
    }
    scene.write(L);
    expect(scene.entry(leaf) & EPT_BOTH).toBe(EPT_BOTH);
  });

  it('an entry that is not present: those of the tables before it', () => {
    const scene = new Scene().map(L, 'A').map(M, 'B', 0n);
    scene.become({ eptp: scene.newEpt(ACCESSED_DIRTY) });
    expect(scene.read(M)).toBe('#PF');
    const table = Math.floor(scene.entryAt(M) / 4096);
    expect(scene.entry(scene.eptEntryAt(table)) & EPT_BOTH).toBe(EPT_BOTH);
    expect(scene.entry(scene.entryAt(M))).toBe(BigInt(0x301_000));
  });

  it('no table is remembered whose page the processor has not made dirty', () => {
    const scene = behindEpt();
    const tables = [4, 3, 2, 1].map((level) => Math.floor(scene.entryAt(L, level) / 4096));
    const accessed = (frame: number): void => {
      for (let level = 1; level <= 4; level++) {
        const at = scene.eptEntryAt(frame, level);
        scene.store(at, scene.entry(at) | EPT_ACCESSED);
      }
    };
    for (const frame of [...tables, 0x300, 0x301]) accessed(frame);
    scene.speculate(L);
    const ofTable = scene.eptEntryAt(tables[3]);
    for (const { updates } of scene.may(M))
      expect(updates.map(({ address }) => Number(address))).toContain(ofTable);
  });
});

const DATA = 0x21_5000;
/** In the third 2 MiB of the guest, which EPT sends to the second 2 MiB of memory. */
const THIRD = 0x40_0010;
const DIRECTORY = TABLES + 0x2000;
const OTHER_DIRECTORY = 0x2_c000;
const EPT_LEAF = EPT_TABLES + 0x2010;
const PML = 0x1_b000;
const [VMCALL, PML_FULL] = [18n, 62n];

// SDM Vol. 3A, 4.10.3.2 Using the Paging-Structure Caches to Translate Linear Addresses; SDM Vol. 3C, 29.3.6 Page-Modification Logging
describe.each(TIERS)('A write by way of a table that no entry names any more, %s', (tier) => {
  const store = (address: number, value: number) => [
    ...[0xc7, 0x04, 0x25],
    ...little(address, 4),
    ...little(value, 4),
  ];
  const setting = (pmlIndex: number): Setting => ({
    processor: processor('everything'),
    controls: ['activateSecondaryControls', 'enableEpt', 'enablePml'],
    fields: { eptPointer: EPT_TABLES | 0x5e, pmlAddress: PML, pmlIndex },
    guest: [
      ...[0x8b, 0x1c, 0x25, ...little(DATA, 4)],
      ...store(TABLES + 0x1000, OTHER_DIRECTORY | 0x27),
      ...store(THIRD, 5),
      ...[0x0f, 0x01, 0xc1],
    ],
    memory: {
      [DIRECTORY]: words(0x87n, 0x20_0087n, 0x40_0087n),
      [OTHER_DIRECTORY]: words(0x87n, 0x20_0087n, 0x87n),
      [EPT_TABLES + 0x2000]: words(0xb7n, 0x20_00b7n, 0x20_00b7n),
    },
  });
  const ended = (pmlIndex: number) => {
    const reports: StaleTranslation[] = [];
    const before = beforeLaunch(setting(pmlIndex));
    const state = { ...before, config: { ...before.config, caches: { kind: 'keep-all' } as const } };
    const onStaleTranslation = (report: StaleTranslation) => reports.push(report);
    return { ...run(state, { maxInstructions: 20, tier, onStaleTranslation }), reports };
  };
  const word = ({ memory }: MachineState, at: number): bigint =>
    new BigUint64Array(memory.read(at, 8).slice().buffer)[0];
  const log = (state: MachineState): readonly number[] => {
    const entries: number[] = [];
    for (let index = 511; index > Number(field(state, 'pmlIndex')); index--)
      entries.push(Number(word(state, PML + 8 * index)));
    return entries;
  };

  it('sets the flags of the guest and of EPT, and logs the page', () => {
    const { state, reports } = ended(511);
    expect(field(state, 'exitReason')).toBe(VMCALL);
    expect(reports.map(({ address, cached }) => [address, cached.frame])).toEqual([[BigInt(THIRD), 0x200]]);
    expect(word(state, 0x20_0010)).toBe(5n);
    expect(word(state, DIRECTORY + 16) & 0x60n).toBe(0x60n);
    expect(word(state, OTHER_DIRECTORY + 16) & 0x60n).toBe(0n);
    expect(word(state, EPT_LEAF) & EPT_BOTH).toBe(EPT_BOTH);
    expect(log(state).at(-1)).toBe(0x40_0000);
  });

  it('exits where the log is full, and is made when the guest goes on', () => {
    const before = log(ended(511).state).length - 1;
    const { state } = ended(before - 1);
    expect(field(state, 'exitReason')).toBe(PML_FULL);
    expect(field(state, 'pmlIndex')).toBe(0xffffn);
    expect(word(state, EPT_LEAF) & EPT_BOTH).toBe(0n);
    expect(word(state, 0x20_0010)).toBe(0n);
  });
});
