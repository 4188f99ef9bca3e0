import {
  CR4,
  CR4_PCIDE,
  EPT_ACCESSED,
  EPTP_ACCESSED_DIRTY,
  FRAMES,
  KEEPS,
  L,
  type SceneContext,
  USED,
} from '../scene';
import type { Row } from './row';

const PCID = 'SDM Vol. 3A, 4.10.1';
const INFORMATION = 'SDM Vol. 3C, 29.4.1';
const USE = 'SDM Vol. 3C, 29.4.2';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };
const WITH_PCIDS: SceneContext = { cr3: 0n, cr4: CR4_PCIDE };

export const ROWS: readonly Row[] = [
  {
    id: 'tags.vpid',
    rule: 'Mappings of one VPID are never used under another, and are still there when that VPID is current again.',
    section: INFORMATION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B');
    },
    use: (scene) => `${scene.become({ vpid: 2 }).read(L)} ${scene.become({ vpid: 1 }).read(L)}`,
    legal: ['B A', 'B B'],
  },
  {
    id: 'tags.pcid',
    rule: 'Mappings that are not global are used under their own PCID alone: bits 11:0 of CR3 while CR4.PCIDE is 1.',
    section: PCID,
    start: WITH_PCIDS,
    example: (scene) => {
      const root = scene.now.cr3;
      scene
        .movCr3(root | 5n)
        .map(L, 'A')
        .read(L);
      scene.map(L, 'B');
    },
    use: (scene) => {
      const root = scene.now.cr3 & ~0xfffn;
      const other = scene.movCr3(root | 6n | KEEPS).read(L);
      return `${other} ${scene.movCr3(root | 5n | KEEPS).read(L)}`;
    },
    legal: ['B A', 'B B'],
  },
  {
    id: 'tags.ep4ta',
    rule: 'Combined and guest-physical mappings of one EP4TA are never used under another.',
    section: INFORMATION,
    start: GUEST,
    example: (scene) => {
      const [eptp, other] = [scene.newEpt(), scene.newEpt()];
      scene.map(L, 'A').become({ eptp }).read(L);
      scene.mapEpt('A', 'B').mapEpt('A', 'C', 7n, other).vmfunc(other);
      if (scene.read(L) !== 'C') throw new Error('a mapping of another EP4TA was used');
      scene.vmfunc(eptp);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'tags.eptp-low-bits',
    rule: 'Bits 11:0 of the EPTP are no part of the tag: mappings made while accessed and dirty flags were off are used when they are on.',
    section: USE,
    start: GUEST,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').become({ eptp }).read(L);
      scene.become({ eptp: eptp | EPTP_ACCESSED_DIRTY });
    },
    use: (scene) => {
      scene.read(L);
      return scene.flag(scene.eptEntryAt(FRAMES.A), EPT_ACCESSED);
    },
    legal: ['0', '1'],
  },
  {
    id: 'tags.pcide-off',
    rule: 'While CR4.PCIDE is 0 there is PCID 000H alone: to clear it drops what other PCIDs had.',
    section: PCID,
    start: WITH_PCIDS,
    example: (scene) => {
      const root = scene.now.cr3;
      scene
        .movCr3(root | 5n)
        .map(L, 'A')
        .read(L);
      scene
        .movCr4(CR4)
        .map(L, 'B')
        .movCr3(root)
        .movCr4(CR4_PCIDE)
        .movCr3(root | 5n | KEEPS);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'tags.cr3-not-tag',
    rule: 'The address in CR3 is no tag: with the same PCID another root may be loaded and old mappings used.',
    section: PCID,
    start: WITH_PCIDS,
    example: (scene) => {
      const root = scene.now.cr3;
      const other = scene.newRoot();
      scene
        .movCr3(root | 5n)
        .map(L, 'A')
        .map(L, 'B', USED, other)
        .read(L);
      scene.movCr3(other | 5n | KEEPS);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'tags.host-vpid0',
    rule: 'VMX root operation has VPID 0000H: what the host remembers outlives guests with VPIDs of their own.',
    section: INFORMATION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').enter({ vpid: 1 }).read(L);
      scene.exit();
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'tags.logical-processor',
    rule: 'Each logical processor has caches of its own: to invalidate on one need reach no other.',
    section: 'SDM Vol. 3A, 4.10.5',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.other.read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.other.read(L)}`,
    legal: ['B A', 'B B'],
  },
];
