import { CR4_BITS, CR4_PCIDE, G, L, type SceneContext, USED } from '../scene';
import type { Row } from './row';

const PAGES = 'SDM Vol. 3A, 4.10.2.4';
const OPERATIONS = 'SDM Vol. 3A, 4.10.4.1';
const VMX_OPERATIONS = 'SDM Vol. 3C, 29.4.3.1';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };
const WITH_PCIDS: SceneContext = { cr3: 0n, cr4: CR4_PCIDE };

export const ROWS: readonly Row[] = [
  {
    id: 'global.definition',
    rule: 'While CR4.PGE is 1, a translation whose last entry has the G flag is global: it is used under every PCID.',
    section: PAGES,
    start: WITH_PCIDS,
    example: (scene) => {
      const root = scene.now.cr3;
      const other = scene.newRoot();
      scene
        .movCr3(root | 5n)
        .map(L, 'A', USED | G)
        .map(L, 'B', USED, other)
        .read(L);
      scene.movCr3(other | 6n);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'global.mov-cr3',
    rule: 'MOV to CR3 need drop no global translation.',
    section: OPERATIONS,
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene.map(L, 'B', USED | G).movCr3(scene.now.cr3);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'global.invlpg',
    rule: 'INVLPG drops the global translations of its page, whatever PCID they were made under.',
    section: OPERATIONS,
    start: WITH_PCIDS,
    example: (scene) => {
      const root = scene.now.cr3;
      scene
        .movCr3(root | 5n)
        .map(L, 'A', USED | G)
        .read(L);
      scene
        .map(L, 'B', USED | G)
        .movCr3(root | 6n)
        .invlpg(L);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'global.vpid-bound',
    rule: 'Global translations stay within their VPID.',
    section: 'SDM Vol. 3C, 29.4.2',
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene.map(L, 'B', USED | G).become({ vpid: 2 });
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'global.invvpid3',
    rule: 'INVVPID of type 3 need drop no global translation.',
    section: VMX_OPERATIONS,
    example: (scene) => {
      scene
        .map(L, 'A', USED | G)
        .enter({ vpid: 1 })
        .read(L);
      scene
        .map(L, 'B', USED | G)
        .exit()
        .invvpid(3, { vpid: 1 })
        .enter({ vpid: 1 });
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'global.pge-off-fill',
    rule: 'What is remembered while CR4.PGE is 0 is not global.',
    section: PAGES,
    start: { cr3: 0n, cr4: CR4_BITS.pae },
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene.map(L, 'B', USED | G).movCr3(scene.now.cr3);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'global.invpcid',
    rule: 'INVPCID of types 0, 1 and 3 need drop no global translation; type 2 drops them.',
    section: OPERATIONS,
    start: WITH_PCIDS,
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene
        .map(L, 'B', USED | G)
        .invpcid(0, { address: L })
        .invpcid(1)
        .invpcid(3);
    },
    use: (scene) => `${scene.read(L)} ${scene.invpcid(2).read(L)}`,
    legal: ['A B', 'B B'],
  },
];
