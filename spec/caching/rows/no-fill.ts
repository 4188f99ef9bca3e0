import { ACCESSED, L, LARGE, M, N, P, type SceneContext, U, USED, W, X } from '../scene';
import { type Row, retried } from './row';

const DETAILS = 'SDM Vol. 3A, 4.10.2.3';
const CACHES = 'SDM Vol. 3A, 4.10.3.1';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };
/** In the same table as L, and not the next page. */
const FAR = L + 0x1_0000n;

export const ROWS: readonly Row[] = [
  {
    id: 'no-fill.not-present',
    rule: 'Nothing is remembered of an entry that is not present or has a reserved bit: to make it a good one needs no invalidation.',
    section: DETAILS,
    example: (scene) => {
      scene.unmap(L).map(X, 'C').change(scene.entryAt(X, 4), { set: LARGE }).read(L);
      scene.read(X);
      scene.map(L, 'A').change(scene.entryAt(X, 4), { clear: LARGE });
    },
    use: (scene) => `${scene.read(L)} ${scene.read(X)}`,
    legal: ['A C'],
  },
  {
    id: 'no-fill.ept-not-present',
    rule: 'Nothing is remembered of an EPT entry that is not present or misconfigured.',
    section: 'SDM Vol. 3C, 29.4.2',
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').become({ eptp: scene.newEpt() });
      // A page that is written and not read is a misconfiguration.
      scene.mapEpt('A', undefined).mapEpt('C', 'C', 2n).read(L);
      scene.read(M);
      scene.mapEpt('A', 'A').mapEpt('C', 'C');
    },
    use: (scene) => `${scene.read(L)} ${scene.read(M)}`,
    legal: ['A C'],
  },
  {
    id: 'no-fill.p-cycle',
    rule: 'Where the P flag was cleared without invalidation, what was remembered before may still be used after it is set again.',
    section: 'SDM Vol. 3A, 4.10.4.3',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.unmap(L).map(L, 'B');
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'no-fill.upper-ok',
    rule: 'Entries for the tables above may be remembered though the page is not present; its page fault drops those on the way to it, and they may come back.',
    section: CACHES,
    example: (scene) => {
      scene.map(N, 'E').map(M, 'C').unmap(L).read(N);
      scene.read(L);
      scene.speculate(L);
      scene.store(scene.entryAt(L, 2), scene.newTable() | USED).map(M, 'D');
    },
    use: (scene) => scene.read(M),
    legal: ['C', 'D'],
  },
  {
    id: 'no-fill.uncacheable-fault',
    rule: 'A page that refused an access may be remembered with the rights that it had: after they are raised one fault more may come.',
    section: 'SDM Vol. 3A, 4.10.4.3',
    start: { cr3: 0n, user: true },
    example: (scene) => {
      scene
        .map(FAR, 'C')
        .map(L, 'A', P | W | ACCESSED)
        .read(FAR);
      scene.read(L);
      scene.speculate(L).change(scene.entryAt(L), { set: U });
    },
    use: (scene) => retried(() => scene.read(L)),
    legal: ['A', '#PF then A'],
  },
];
