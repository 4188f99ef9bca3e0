import { L, M } from '../scene';
import type { Row } from './row';

export const ROWS: readonly Row[] = [
  {
    id: 'kinds.linear',
    rule: 'Linear mappings come from the paging structures that CR3 locates while EPT is off; turning EPT on drops none of them.',
    section: 'SDM Vol. 3C, 29.4.1',
    start: { cr3: 0n, vpid: 1 },
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').become({ eptp }).become({ eptp: undefined });
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'kinds.guest-physical',
    rule: 'Guest-physical mappings come from EPT alone while EPT is on, and outlive VM exits and VM entries without VPID.',
    section: 'SDM Vol. 3C, 29.4.1',
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').map(M, 'A').enter({ eptp }).read(L);
      scene.mapEpt('A', 'B').exit().enter({ eptp });
    },
    use: (scene) => scene.read(M),
    legal: ['A', 'B'],
  },
  {
    id: 'kinds.combined',
    rule: 'Combined mappings take a linear page to its final frame, with the rights of guest and EPT entries: a change of either alone reaches none of them.',
    section: 'SDM Vol. 3C, 29.4.1',
    start: { cr3: 0n, vpid: 1 },
    example: (scene) => {
      scene.map(L, 'A').become({ eptp: scene.newEpt() }).read(L);
      scene.map(L, 'B').mapEpt('B', 'C');
    },
    use: (scene) => scene.read(L),
    // C by old EPT would need a guest-physical mapping of B.
    legal: ['A', 'C'],
  },
  {
    id: 'kinds.pg0',
    rule: 'While CR0.PG is 0 and EPT is on, combined mappings of pages may be made, and none of tables.',
    section: 'SDM Vol. 3C, 29.4.2',
    start: { cr3: 0n, vpid: 1, cr0: 0x31n, efer: 0n },
    example: (scene) => {
      scene.become({ eptp: scene.newEpt() }).read(0x30_0000n);
      scene.mapEpt('A', 'B');
    },
    use: (scene) => scene.read(0x30_0000n),
    legal: ['A', 'B'],
  },
];
