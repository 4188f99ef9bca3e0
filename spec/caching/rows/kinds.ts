import { FRAMES, L, M, N, type SceneContext } from '../scene';
import type { Row } from './row';

const INFORMATION = 'SDM Vol. 3C, 29.4.1';
const USE = 'SDM Vol. 3C, 29.4.2';
const TLB = 'SDM Vol. 3A, 4.10.2.3';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };

export const ROWS: readonly Row[] = [
  {
    id: 'kinds.linear',
    rule: 'Linear mappings come from the paging structures that CR3 locates while EPT is off; to turn EPT on drops none of them.',
    section: INFORMATION,
    start: GUEST,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').become({ eptp }).read(N);
      scene.become({ eptp: undefined });
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'kinds.guest-physical',
    rule: 'Guest-physical mappings come from EPT alone while EPT is on, and outlive VM exits and VM entries without VPIDs.',
    section: INFORMATION,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').map(N, 'A').enter({ eptp }).read(L);
      scene.mapEpt('A', 'B').exit().enter({ eptp });
    },
    use: (scene) => scene.read(N),
    legal: ['A', 'B'],
  },
  {
    id: 'kinds.combined',
    rule: 'Combined mappings take a linear page to its final frame, with the rights of guest and EPT entries: a change of either reaches none of them.',
    section: INFORMATION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(N, 'B').become({ eptp: scene.newEpt() }).read(L);
      scene.read(N);
      scene.map(L, 'B').mapEpt('B', 'C');
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B', 'C'],
    unseen: { B: 'no policy keeps a guest-physical mapping when it drops a combined one' },
  },
  {
    id: 'kinds.use-off',
    rule: 'While EPT is off, combined mappings are not used.',
    section: USE,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').become({ eptp: scene.newEpt() }).read(L);
      scene.map(L, 'B').become({ eptp: undefined });
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'kinds.use-on',
    rule: 'While EPT is on, linear mappings are not used.',
    section: USE,
    start: GUEST,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').read(L);
      scene.mapEpt('A', 'B', 7n, eptp).become({ eptp });
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'kinds.pg0',
    rule: 'While CR0.PG is 0 and EPT is on, combined mappings of pages may be made, and none of tables.',
    section: USE,
    start: { ...GUEST, cr0: 0x31n, efer: 0n },
    example: (scene) => {
      scene.become({ eptp: scene.newEpt() }).read(BigInt(FRAMES.A) << 12n);
      scene.mapEpt('A', 'B');
    },
    use: (scene) => scene.read(BigInt(FRAMES.A) << 12n),
    legal: ['A', 'B'],
  },
  {
    id: 'kinds.not-coherent',
    rule: 'A store to a paging-structure entry changes nothing that is remembered.',
    section: TLB,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B');
    },
    use: (scene) => `${scene.read(L)} ${scene.read(L)}`,
    legal: ['A A', 'A B', 'B A', 'B B'],
    unseen: {
      'A B': 'no policy drops an entry by itself',
      'B A': 'no policy drops an entry by itself',
    },
  },
  {
    id: 'kinds.no-retention',
    rule: 'Any entry may be gone at any time: what memory says is always an answer, also where another is remembered.',
    section: TLB,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').become({ eptp: scene.newEpt() }).read(L);
      scene.read(M);
      scene.map(L, 'B').mapEpt('C', 'D');
    },
    use: (scene) => `${scene.read(L)} ${scene.read(M)}`,
    legal: ['A C', 'A D', 'B C', 'B D'],
    unseen: {
      'A D': 'no policy drops an entry by itself',
      'B C': 'no policy drops an entry by itself',
    },
  },
];
