import { describe, expect, it } from 'vitest';
import { gva } from '../../src/core';
import { ACCESSED, DIRTY, key, L, M, N, O, P, PCD, PWT, U, USED, W, X, XD } from './scene';
import { ValueScene as Scene } from './value-scene';

// SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs
describe('What a remembered page holds', () => {
  it('the rights of all its entries: lowered ones do not reach it', () => {
    for (const level of [1, 2]) {
      const scene = new Scene().map(L, 'A');
      expect(scene.write(L)).toBe('A');
      const at = scene.entryAt(L, level);
      scene.store(at, scene.entry(at) & ~W);
      expect(scene.answers(L, 'write')).toEqual(['#PF', 'A']);
    }
  });

  it('a right that was raised may be refused once', () => {
    for (const [before, kind] of [
      [P | U | ACCESSED, 'write'],
      [USED | XD, 'fetch'],
    ] as const) {
      const scene = new Scene().map(L, 'A', before);
      scene.read(L);
      scene.map(L, 'A');
      expect(scene.answers(L, kind)).toEqual(['#PF', 'A']);
      scene.invalidate({ kind: 'page-fault', address: gva(L) });
      expect(scene.answers(L, kind)).toEqual(['A']);
    }
  });

  it('the protection key, which PKRU is applied to at use', () => {
    const scene = new Scene({ cr3: 0n, cr4: 0x40_00a0n, pkru: 0x30n }).map(L, 'A', USED | key(1n));
    scene.read(L);
    scene.map(L, 'A', USED | key(2n));
    expect(scene.answers(L)).toEqual(['#PF', 'A']);
    expect(scene.become({ pkru: 0n }).answers(L)).toEqual(['A']);
  });

  it('the bits that select the memory type', () => {
    const scene = new Scene().map(L, 'A');
    scene.read(L);
    scene.map(L, 'A', USED | PCD | PWT);
    expect(scene.may(L).map(({ memoryType }) => memoryType)).toEqual([0, Number(PCD | PWT)]);
  });

  it('a dirty flag of 1: a write then looks at no memory; of 0: it sets it', () => {
    const scene = new Scene().map(L, 'A');
    scene.read(L);
    expect(scene.may(L, 'write').map(({ updates }) => updates.length)).toEqual([1]);
    scene.write(L);
    expect(scene.entry(scene.entryAt(L)) & DIRTY).toBe(DIRTY);
    scene.map(L, 'A');
    expect(scene.may(L, 'write').map(({ updates }) => updates.length)).toEqual([0, 1]);
  });
});

// SDM Vol. 3A, 4.10.3.1 Caches for Paging Structures
describe('Paging-structure caches', () => {
  it.each([
    ['a PDE', 2, M],
    ['a PDPTE', 3, N],
    ['a PML4E', 4, O],
  ] as const)('%s leads to the old table', (_, level, other) => {
    const scene = new Scene().map(L, 'A').map(other, 'C');
    scene.read(L);
    scene.store(scene.entryAt(L, level), scene.newRoot() | USED).map(other, 'D');
    expect(scene.answers(other)).toEqual(['C', 'D']);
    expect(scene.map(X, 'B').answers(X)).toEqual(['B']);
  });
});
