import { describe, expect, it } from 'vitest';
import { gva } from '../../src/core';
import { CR4_PCIDE, G, L, M, USED } from './scene';
import { ValueScene as Scene } from './value-scene';

const PAGE = gva(L);

// SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs; SDM Vol. 3C, 29.4.1 Information That May Be Cached
describe('What a processor remembers', () => {
  it('a linear mapping outlives a change of its PTE', () => {
    const scene = new Scene().map(L, 'A');
    expect(scene.read(L)).toBe('A');
    scene.map(L, 'B');
    expect(scene.answers(L)).toEqual(['A', 'B']);
    expect(scene.read(L)).toBe('A');
  });

  it('nothing is remembered of an entry that is not present', () => {
    const scene = new Scene().map(L, 'A', 0n);
    expect(scene.read(L)).toBe('#PF');
    scene.map(L, 'A');
    expect(scene.answers(L)).toEqual(['A']);
  });

  it('nothing is remembered while an accessed flag is 0, and a read sets it', () => {
    const scene = new Scene().map(L, 'A', USED & ~32n);
    expect(scene.speculate(L).answers(L)).toEqual(['A']);
    scene.map(L, 'B', USED & ~32n);
    expect(scene.answers(L)).toEqual(['B']);
    scene.read(L);
    expect(scene.entry(scene.entryAt(L)) & 32n).toBe(32n);
  });

  it('a PDE-cache entry leads to the old table for another page', () => {
    const scene = new Scene().map(L, 'A').map(M, 'C');
    scene.read(L);
    const table = scene.newRoot();
    scene.store(scene.entryAt(L, 2), table | USED);
    scene.map(M, 'D');
    expect(scene.answers(M)).toEqual(['C', 'D']);
    expect(scene.read(M)).toBe('C');
  });

  it('combined and guest-physical mappings outlive a change of EPT', () => {
    const scene = new Scene();
    scene.map(L, 'A').map(M, 'A').become({ eptp: scene.newEpt() });
    expect(scene.read(L)).toBe('A');
    scene.mapEpt('A', 'B');
    expect(scene.answers(L)).toEqual(['A', 'B']);
    expect(scene.answers(M)).toEqual(['A', 'B']);
  });

  it('the set of a guest and an EPT change holds their mixture', () => {
    const scene = new Scene();
    scene.map(L, 'A').become({ eptp: scene.newEpt() });
    scene.read(L);
    scene.mapEpt('A', 'C').map(L, 'B');
    // Old PTE with old EPT leaf, new PTE, and the new EPT leaf is that of a frame that no PTE names now.
    expect(scene.answers(L)).toEqual(['A', 'B']);
    scene.map(L, 'A');
    expect(scene.answers(L)).toEqual(['A', 'C']);
  });

  it('linear mappings are not used with EPT, combined ones not without', () => {
    const scene = new Scene({ cr3: 0n, vpid: 1 }).map(L, 'A');
    const eptp = scene.newEpt();
    scene.read(L);
    scene.map(L, 'B').become({ eptp });
    expect(scene.answers(L)).toEqual(['B']);
    scene.read(L);
    scene.map(L, 'C').become({ eptp: undefined });
    expect(scene.answers(L)).toEqual(['A', 'C']);
  });

  it('without paging a combined page is remembered, and no table', () => {
    const scene = new Scene();
    scene.become({ eptp: scene.newEpt(), cr0: 1n });
    scene.read(0x30_0000n);
    scene.mapEpt('A', 'B');
    expect(scene.answers(0x30_0000n)).toEqual(['A', 'B']);
    const combined = [...scene.caches.mappings()].filter(([{ kind }]) => kind === 'combined');
    expect(combined.map(([, { kind }]) => kind)).toEqual(['page']);
  });
});

describe('Tags', () => {
  it('a mapping of one VPID is not used by another', () => {
    const scene = new Scene({ cr3: 0n, vpid: 1 }).map(L, 'A');
    scene.read(L);
    scene.map(L, 'B').become({ vpid: 2 });
    expect(scene.answers(L)).toEqual(['B']);
    expect(scene.become({ vpid: 1 }).answers(L)).toEqual(['A', 'B']);
  });

  it('a mapping of one PCID is not used by another, and address bits of CR3 are no tag', () => {
    const scene = new Scene({ cr3: 0n, cr4: CR4_PCIDE });
    const other = scene.newRoot();
    scene.become({ cr3: scene.now.cr3 | 5n }).map(L, 'A');
    scene.read(L);
    scene.map(L, 'B', USED, other);
    expect(scene.become({ cr3: other | 6n }).answers(L)).toEqual(['B']);
    expect(scene.become({ cr3: other | 5n }).answers(L)).toEqual(['A', 'B']);
  });

  it('a global page is used by every PCID of its VPID', () => {
    const scene = new Scene({ cr3: 0n, cr4: CR4_PCIDE });
    const other = scene.newRoot();
    scene.become({ cr3: scene.now.cr3 | 5n }).map(L, 'A', USED | G);
    scene.read(L);
    scene.map(L, 'B', USED, other);
    expect(scene.become({ cr3: other | 6n }).answers(L)).toEqual(['A', 'B']);
    expect(scene.become({ vpid: 2 }).answers(L)).toEqual(['B']);
  });

  it('EPTPs that differ below bit 12 share mappings', () => {
    const scene = new Scene();
    const eptp = scene.newEpt();
    scene.map(L, 'A').become({ eptp });
    scene.read(L);
    scene.become({ eptp: eptp | 64n });
    // Remembered mappings set no flag of EPT, walks do.
    expect(scene.answers(L)).toEqual(['A']);
    expect(new Set(scene.may(L).map(({ updates }) => updates.length > 0))).toEqual(new Set([false, true]));
  });
});

describe('Invalidation', () => {
  it('INVLPG drops the page and every table of the PCID, no other page', () => {
    const scene = new Scene().map(L, 'A').map(M, 'C');
    scene.read(L);
    scene.read(M);
    scene.map(L, 'B').map(M, 'D').invalidate({ kind: 'invlpg', address: PAGE });
    expect(scene.answers(L)).toEqual(['B']);
    expect(scene.answers(M)).toEqual(['C', 'D']);
  });

  it('INVEPT cannot touch a linear mapping', () => {
    const scene = new Scene({ cr3: 0n, vpid: 3 }).map(L, 'A');
    scene.read(L);
    scene.map(L, 'B').invalidate({ kind: 'invept', type: 2 });
    expect(scene.answers(L)).toEqual(['A', 'B']);
    expect(scene.invalidate({ kind: 'invvpid', type: 2 }).answers(L)).toEqual(['B']);
  });

  it('one INVLPG removes all fractions of a large page', () => {
    const scene = new Scene();
    scene.become({ eptp: scene.newEpt() }).map(0x40_0000n, 'LARGE_A');
    expect([scene.read(0x40_0000n), scene.read(0x40_1000n)]).toEqual(['LARGE_A', 'LARGE_A+1']);
    scene.map(0x40_0000n, 'LARGE_B').invalidate({ kind: 'invlpg', address: gva(0x40_0000n) });
    expect(scene.answers(0x40_1000n)).toEqual(['LARGE_B+1']);
  });
});
