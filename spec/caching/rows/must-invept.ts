import { G, L, M, USED } from '../scene';
import { EPT_TABLES } from '../scene-memory';
import { OLD_OR_NEW, reads } from './phrases';
import type { Row } from './row';

const SECTION = 'SDM Vol. 3C, 29.4.3.1';
/** The EPT hierarchies in the order in which a scene makes them. */
const [EPTP1, EPTP2] = [EPT_TABLES.first, EPT_TABLES.first + 0x10_0000].map((at) => BigInt(at) | 0x1en);
const GUEST = { cr3: 0n, vpid: 1 } as const;

export const INVALIDATION_ROWS: readonly Row[] = [
  {
    id: 'must.invvpid-0',
    rule: 'INVVPID of type 0 drops one address of a VPID, also where it is global; no other address.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A', USED | G).map(M, 'C');
      reads(scene, L, M);
      scene
        .map(L, 'B', USED | G)
        .map(M, 'D')
        .invvpid(0, { address: L });
    },
    use: (scene) => reads(scene, L, M),
    legal: ['B C', 'B D'],
  },
  {
    id: 'must.invvpid-1',
    rule: 'INVVPID of type 1 drops one VPID; no other.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene.become({ vpid: 2 }).read(L);
      scene.map(L, 'B', USED | G).invvpid(1, { vpid: 1 });
    },
    use: (scene) => `${scene.become({ vpid: 1 }).read(L)} ${scene.become({ vpid: 2 }).read(L)}`,
    legal: ['B A', 'B B'],
  },
  {
    id: 'must.invvpid-2',
    rule: 'INVVPID of type 2 drops all VPIDs but 0000H: the host keeps what it has.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.enter({ vpid: 1 }).read(L);
      scene.map(L, 'B').exit().invvpid(2);
    },
    use: (scene) => `${scene.read(L)} ${scene.become({ vpid: 1, guest: true }).read(L)}`,
    legal: ['A B', 'B B'],
  },
  {
    id: 'must.invvpid-3',
    rule: 'INVVPID of type 3 drops one VPID but for its global pages.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A', USED | G).map(M, 'C');
      reads(scene, L, M);
      scene
        .map(L, 'B', USED | G)
        .map(M, 'D')
        .invvpid(3);
    },
    use: (scene) => reads(scene, L, M),
    legal: ['A D', 'B D'],
  },
  {
    id: 'must.invvpid-not-gpa',
    rule: 'INVVPID drops no guest-physical mapping.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'A').become({ eptp: scene.newEpt() }).read(L);
      scene.mapEpt('A', 'B').invvpid(2);
    },
    use: (scene) => scene.read(M),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.invept-1',
    rule: 'INVEPT of type 1 drops the guest-physical and combined mappings of one EP4TA under every VPID; no other EP4TA.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A');
      const [eptp, other] = [scene.newEpt(), scene.newEpt()];
      scene.become({ eptp: other }).read(L);
      scene.become({ eptp, vpid: 2 }).read(L);
      scene.mapEpt('A', 'B').mapEpt('A', 'B', 7n, other).become({ vpid: 1 }).invept(1);
    },
    use: (scene) => `${scene.become({ vpid: 2 }).read(L)} ${scene.become({ vpid: 1, eptp: EPTP2 }).read(L)}`,
    legal: ['B A', 'B B'],
  },
  {
    id: 'must.invept-2',
    rule: 'INVEPT of type 2 drops all guest-physical and combined mappings; no linear one.',
    section: SECTION,
    start: { cr3: 0n, vpid: 3 },
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').map(M, 'C').read(L);
      scene.become({ eptp }).read(M);
      scene.map(L, 'B').mapEpt('C', 'D').invept(2).become({ eptp: undefined });
    },
    use: (scene) => `${scene.read(L)} ${scene.become({ eptp: EPTP1 }).read(M)}`,
    legal: ['A D', 'B D'],
  },
  {
    id: 'must.invept-host',
    rule: 'INVEPT leaves the translations of the host.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').invept(2);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.guest-invlpg-not-gpa',
    rule: 'INVLPG and MOV to CR3 drop no guest-physical mapping.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').become({ eptp: scene.newEpt() }).read(L);
      scene.mapEpt('A', 'B').invlpg(L).movCr3(scene.now.cr3);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.failed-instruction',
    rule: 'An instruction that fails or faults drops nothing.',
    section: SECTION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').failing('invvpid').failing('invept').failing('invpcid').failing('movCr3');
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
];
