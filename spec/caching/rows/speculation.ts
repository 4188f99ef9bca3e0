import { L, M, type SceneContext } from '../scene';
import type { Row } from './row';

const DETAILS = 'SDM Vol. 3A, 4.10.2.3';
const USE = 'SDM Vol. 3C, 29.4.2';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };

export const ROWS: readonly Row[] = [
  {
    id: 'speculation.fill-any-time',
    rule: 'A processor may remember the translation of any address of the current address space at any time, though no program has touched it.',
    section: DETAILS,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').read(L);
      scene.speculate(M).map(M, 'D');
    },
    use: (scene) => scene.read(M),
    legal: ['C', 'D'],
  },
  {
    id: 'speculation.fill-after-invalidate',
    rule: 'After an invalidation the processor may remember what memory says until it is changed: software changes the entry first.',
    section: 'SDM Vol. 3A, 4.10.4.2',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.invlpg(L).speculate(L).map(L, 'B');
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'speculation.no-fill-wrong-context',
    rule: 'What the processor remembers by itself is of the current VPID, PCID and EP4TA.',
    section: USE,
    start: { cr3: 0n, vpid: 2 },
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.invvpid(1).become({ vpid: 1 }).read(L);
      scene.speculate(L).map(L, 'B').become({ vpid: 2 });
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'speculation.no-exit',
    rule: 'What the processor walks by itself raises no fault and no VM exit.',
    section: USE,
    start: GUEST,
    unconfirmed: true,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').become({ eptp: scene.newEpt() }).mapEpt('C', undefined);
    },
    use: (scene) => `${scene.read(L)} ${scene.speculate(M).read(L)}`,
    legal: ['A A'],
  },
  {
    id: 'speculation.read-side-effects',
    rule: 'Reads that no program asked for may use what is remembered of a page that is gone: no invalidation is put off where reads have side effects.',
    section: 'SDM Vol. 3A, 4.10.4.4',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.unmap(L);
    },
    use: (scene) => scene.read(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'speculation.fetch-order',
    rule: 'The walk for a fetch may come before an older store to the entry, unless something serializes in between.',
    section: 'SDM Vol. 3A, 4.10.4.3',
    example: (scene) => {
      scene.unmap(L).map(L, 'A');
    },
    use: (scene) => scene.fetch(L),
    legal: ['A', '#PF'],
    beyond: { '#PF': 'instructions are executed one after the other' },
  },
];
