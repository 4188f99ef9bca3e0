import { CR4_PCIDE, KEEPS, L, M, type SceneContext } from '../scene';
import type { Row } from './row';

const DETAILS = 'SDM Vol. 3A, 4.10.2.3';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };
const WITH_PCIDS: SceneContext = { cr3: 0n, cr4: CR4_PCIDE };

export const ROWS: readonly Row[] = [
  {
    id: 'several.page-size-change',
    rule: 'After a change of page size both sizes may be remembered for an address, and each access may use either.',
    section: DETAILS,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'LARGE_B').speculate(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.read(L)}`,
    legal: ['A A', 'A LARGE_B+1', 'LARGE_B+1 A', 'LARGE_B+1 LARGE_B+1'],
    unseen: {
      'A LARGE_B+1': 'of two sizes a policy that keeps both takes the smaller',
      'LARGE_B+1 A': 'of two sizes a policy that keeps both takes the smaller',
    },
  },
  {
    id: 'several.same-va-two',
    rule: 'A processor may have TLBs for fetches apart from those for data, and they may disagree; one INVLPG is for both.',
    section: 'SDM Vol. 3A, 4.10.2.2',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.fetch(L);
      scene.map(L, 'B');
    },
    use: (scene) => `${scene.read(L)} ${scene.fetch(L)} ${scene.invlpg(L).read(L)} ${scene.fetch(L)}`,
    legal: ['A A B B', 'A B B B', 'B A B B', 'B B B B'],
    unseen: {
      'A B B B': 'the policies keep one TLB for fetches and data',
      'B A B B': 'the policies keep one TLB for fetches and data',
    },
  },
  {
    id: 'several.two-pcids',
    rule: 'A page may be remembered under several PCIDs: INVLPG drops it under the current one.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    start: WITH_PCIDS,
    example: (scene) => {
      const root = scene.now.cr3;
      scene
        .movCr3(root | 5n)
        .map(L, 'A')
        .read(L);
      scene.movCr3(root | 6n).read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.movCr3((scene.now.cr3 - 1n) | KEEPS).read(L)}`,
    legal: ['B A', 'B B'],
  },
  {
    id: 'several.two-eptps',
    rule: 'A page may be remembered under several EP4TAs: INVLPG drops it under all of them.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    start: GUEST,
    example: (scene) => {
      const [eptp, other] = [scene.newEpt(), scene.newEpt()];
      scene.map(L, 'A').become({ eptp }).read(L);
      scene.vmfunc(other).read(L);
      scene.map(L, 'B').invlpg(L).vmfunc(eptp);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'several.invept-single-other',
    rule: 'INVEPT of type 1 leaves what is remembered under other EP4TAs, also where their roots share tables.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    start: GUEST,
    example: (scene) => {
      const [eptp, other] = [scene.newEpt(), scene.newEpt()];
      scene.store(scene.eptEntryAt(0, 4, other), scene.entry(scene.eptEntryAt(0, 4, eptp)));
      scene.map(L, 'A').become({ eptp }).read(L);
      scene.vmfunc(other).read(L);
      scene.mapEpt('A', 'B').invept(1);
      if (scene.read(L) !== 'B') throw new Error('INVEPT left its own EP4TA');
      scene.vmfunc(eptp);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'several.tearing',
    rule: 'An access to two pages translates each by itself: one may use what is remembered, the other what memory says.',
    section: DETAILS,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').read(L);
      scene.speculate(M).map(L, 'B').map(M, 'D');
    },
    use: (scene) => scene.readAcross(L),
    legal: ['A C', 'A D', 'B C', 'B D'],
    unseen: { 'B C': 'no policy drops an entry by itself' },
  },
];
