import { CR0, CR0_PG, CR0_WP, CR4, CR4_BITS, CR4_PCIDE, G, KEEPS, L, M, N, USED } from '../scene';
import { inPcid, OLD_OR_NEW, reads, replaceTable, withPcid } from './phrases';
import type { Row } from './row';

const SECTION = 'SDM Vol. 3A, 4.10.4.1';
const PAGE = 0x1000n;
const CR0_CD = 0x4000_0000n;
const CR0_TS = 8n;
const CR4_PSE = 0x10n;
const CR4_OSFXSR = 0x200n;
const MTRR_PHYSBASE0 = 0x200;
const IA32_PAT = 0x277;
const PCIDS = { cr3: 0n, cr4: CR4_PCIDE } as const;
const PAE = { cr3: 0n, efer: 0n } as const;

export const REGISTER_ROWS: readonly Row[] = [
  {
    id: 'must.mov-cr3',
    rule: 'MOV to CR3 drops the PCID that it loads: its pages but for global ones, and its entries of paging-structure caches.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      inPcid(scene, 5)
        .map(L, 'A')
        .map(M, 'C', USED | G)
        .map(N, 'A')
        .map(N + PAGE, 'A');
      reads(scene, L, M, N + PAGE);
      replaceTable(scene, N)
        .map(N, 'E')
        .map(L, 'B')
        .map(M, 'D', USED | G)
        .movCr3(withPcid(scene, 6))
        .movCr3(withPcid(scene, 5));
    },
    use: (scene) => reads(scene, L, M, N),
    legal: ['B C E', 'B D E'],
  },
  {
    id: 'must.mov-cr3-old-pcid',
    rule: 'MOV to CR3 drops nothing of the PCID that it leaves.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      inPcid(scene, 5).map(L, 'A').read(L);
      scene
        .map(L, 'B')
        .movCr3(withPcid(scene, 6))
        .movCr3(withPcid(scene, 5) | KEEPS);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.mov-cr3-bit63',
    rule: 'MOV to CR3 with bit 63 of the source drops nothing, while CR4.PCIDE is 1.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      inPcid(scene, 5).map(L, 'A').read(L);
      scene.map(L, 'B').movCr3(scene.now.cr3 | KEEPS);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.mov-cr3-same-value',
    rule: 'MOV to CR3 drops also where it writes the value that CR3 has.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').movCr3(scene.now.cr3);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'must.mov-cr4-pge',
    rule: 'MOV to CR4 that changes PGE drops everything of the current VPID: global pages and every PCID.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      scene.map(L, 'A', USED | G).map(M, 'C');
      inPcid(scene, 6).read(M);
      inPcid(scene, 5).read(L);
      scene
        .map(L, 'B', USED | G)
        .map(M, 'D')
        .movCr4(CR4_PCIDE & ~CR4_BITS.pge)
        .movCr4(CR4_PCIDE);
    },
    use: (scene) => `${scene.read(L)} ${inPcid(scene, 6).read(M)}`,
    legal: ['B D'],
  },
  {
    id: 'must.mov-cr4-pae-smep',
    rule: 'MOV to CR4 that changes PAE or sets SMEP drops the current PCID; no other.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C');
      inPcid(scene, 6).read(L);
      inPcid(scene, 5).read(M);
      scene
        .map(L, 'B')
        .map(M, 'D')
        .movCr4(CR4_PCIDE | CR4_BITS.smep);
    },
    use: (scene) => `${scene.read(M)} ${inPcid(scene, 6).read(L)}`,
    legal: ['D A', 'D B'],
  },
  {
    id: 'must.mov-cr4-pcide',
    rule: 'MOV to CR4 that sets PCIDE drops nothing; one that clears it drops everything of the current VPID.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C', USED | G);
      reads(scene, L, M);
      scene
        .map(L, 'B')
        .map(M, 'D', USED | G)
        .movCr4(CR4_PCIDE);
    },
    use: (scene) => `${scene.read(L)} ${scene.movCr4(CR4).read(M)}`,
    legal: ['A D', 'B D'],
  },
  {
    id: 'must.mov-cr4-other',
    rule: 'MOV to CR4 that changes SMAP, PSE, OSFXSR or PKE drops nothing.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B');
      for (const bit of [CR4_BITS.smap, CR4_PSE, CR4_OSFXSR, CR4_BITS.pke])
        scene.movCr4(CR4 | bit).movCr4(CR4);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.mov-cr0-pg',
    rule: 'MOV to CR0 that clears PG drops everything of the current VPID, also global pages.',
    section: SECTION,
    start: PAE,
    example: (scene) => {
      scene
        .map(L, 'A', USED | G)
        .map(M, 'C')
        .read(L);
      scene.read(M);
      scene
        .movCr0(CR0 & ~CR0_PG)
        .map(L, 'B', USED | G)
        .map(M, 'D')
        .movCr0(CR0);
    },
    use: (scene) => reads(scene, L, M),
    legal: ['B D'],
  },
  {
    id: 'must.mov-cr0-other',
    rule: 'MOV to CR0 that changes WP, CD or TS drops nothing.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B');
      for (const value of [CR0 ^ CR0_WP, CR0 | CR0_CD, CR0 | CR0_TS]) scene.movCr0(value).movCr0(CR0);
    },
    use: (scene) => scene.read(L),
    legal: OLD_OR_NEW,
  },
  {
    id: 'must.task-switch',
    rule: 'A task switch drops PCID 000H but for global pages where it changes CR3; with an equal CR3 nothing.',
    section: SECTION,
    start: PAE,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').taskSwitch(scene.now.cr3);
    },
    use: (scene) => {
      const { cr3 } = scene.now;
      const first = scene.read(L);
      const other = scene.newRoot();
      scene.map(M, 'C', USED, other);
      return `${first} ${scene.taskSwitch(other).taskSwitch(cr3).read(L)}`;
    },
    legal: ['A B', 'B B'],
  },
  {
    id: 'must.mtrr-pat',
    rule: 'WRMSR to IA32_PAT drops nothing; one to an MTRR drops all pages of the current VPID, also global ones.',
    section: 'SDM Vol. 2, WRMSR',
    example: (scene) => {
      scene.map(M, 'C', USED | G).read(M);
      scene
        .map(M, 'D', USED | G)
        .wrmsr(MTRR_PHYSBASE0, 6n)
        .map(L, 'A')
        .read(L);
      scene.map(L, 'B').wrmsr(IA32_PAT, 0x7_0406_0007_0406n);
    },
    use: (scene) => reads(scene, L, M),
    legal: ['A D', 'B D'],
    unconfirmed: true,
  },
];
