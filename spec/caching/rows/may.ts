import { CR0, CR4, CR4_BITS, G, L, M, USED } from '../scene';
import { OLD_OR_NEW } from './phrases';
import type { Row } from './row';

const CR0_CD = 0x4000_0000n;
const CR0_NW = 0x2000_0000n;
const CR4_PSE = 0x10n;

export const ROWS: readonly Row[] = [
  {
    id: 'may.extra',
    rule: 'Every operation may drop more than it must: software relies on what is gone, never on what stays.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    example: (scene) => {
      scene.map(L, 'C').map(M, 'A').read(L);
      scene.read(M);
      scene.map(L, 'D').map(M, 'B').invlpg(L);
    },
    use: (scene) => scene.read(M),
    legal: OLD_OR_NEW,
  },
  {
    id: 'may.cr3-globals',
    rule: 'MOV to CR3 may drop global pages, and need not.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    example: (scene) => {
      scene.map(L, 'A', USED | G).read(L);
      scene.map(L, 'B', USED | G).movCr3(scene.now.cr3);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'may.hyper-thread',
    rule: 'An invalidation on one logical processor may drop mappings of another, and need not.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    example: (scene) => {
      scene.map(L, 'A').other.read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => scene.other.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'may.smep-1-0',
    rule: 'Changes of CR4.SMEP from 1 to 0, of CR4.PSE, CR0.CD and CR0.NW may drop mappings, and need not.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    start: { cr3: 0n, cr4: CR4 | CR4_BITS.smep },
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene
        .map(L, 'B')
        .movCr4(CR4)
        .movCr4(CR4 | CR4_PSE)
        .movCr0(CR0 | CR0_CD)
        .movCr0(CR0 | CR0_CD | CR0_NW)
        .movCr0(CR0);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'may.interrupts',
    rule: 'VM exits with VPIDs, far transfers and serializing instructions may drop mappings, and need not.',
    section: 'SDM Vol. 3A, 4.10.4.1',
    start: { cr3: 0n, vpid: 1 },
    example: (scene) => {
      scene.become({ vpid: 0 }).map(L, 'A').enter({ vpid: 1 }).read(L);
      scene.map(L, 'B').exit().enter({ vpid: 1 });
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
];
