import {
  CR0,
  CR0_PG,
  CR0_WP,
  CR4,
  CR4_BITS,
  CR4_PCIDE,
  G,
  KEEPS,
  L,
  M,
  N,
  O,
  P,
  type Scene,
  U,
  USED,
} from '../scene';
import { EPT_TABLES } from '../scene-memory';
import type { Row } from './row';

const SECTION = 'SDM Vol. 3A, 4.10.4.1';
const READ_ONLY = P | U | (USED & 32n);
const PAGE = 0x1000n;
const CR0_CD = 0x4000_0000n;
const CR0_TS = 8n;
const CR4_PSE = 0x10n;
const CR4_OSFXSR = 0x200n;
const MTRR_PHYSBASE0 = 0x200;
const IA32_PAT = 0x277;
/** The EPT that a scene makes first. */
const EPTP = BigInt(EPT_TABLES.first) | 0x1en;

/** The processor is in another PCID from now on, with the same tables; nothing is invalidated. */
const inPcid = (scene: Scene, pcid: number): Scene =>
  scene.become({ cr3: (scene.now.cr3 & ~0xfffn) | BigInt(pcid) });
/** The same as a value of CR3. */
const withPcid = (scene: Scene, pcid: number): bigint => (scene.now.cr3 & ~0xfffn) | BigInt(pcid);
/** The pages of the table for an address come from another table from now on. */
const replaceTable = (scene: Scene, linear: bigint): Scene =>
  scene.store(scene.entryAt(linear, 2), scene.newTable() | USED);
const reads = (scene: Scene, ...addresses: readonly bigint[]): string =>
  addresses.map((address) => scene.read(address)).join(' ');

const PCIDS = { cr3: 0n, cr4: CR4_PCIDE } as const;
const PAE = { cr3: 0n, efer: 0n } as const;
const KEEPS_ALL_OR_NOTHING = 'a machine keeps both or neither';

const OLD_OR_NEW = ['A', 'B'] as const;

export const PAGING_ROWS: readonly Row[] = [
  {
    id: 'must.invlpg',
    rule: 'INVLPG drops the page under the current PCID, and all entries of paging-structure caches of that PCID; no other page.',
    section: SECTION,
    example: (scene) => {
      scene
        .map(L, 'A')
        .map(N, 'C')
        .map(N + PAGE, 'A');
      reads(scene, L, N + PAGE);
      replaceTable(scene, N)
        .map(N, 'D')
        .map(N + PAGE, 'B')
        .map(L, 'B')
        .invlpg(L);
    },
    use: (scene) => reads(scene, L, N, N + PAGE),
    legal: ['B D A', 'B D B'],
  },
  {
    id: 'must.invlpg-linear-and-combined',
    rule: 'INVLPG drops linear mappings of the current VPID also while EPT is on, and combined ones also while it is off.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    start: { cr3: 0n, vpid: 1 },
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').map(M, 'C').read(L);
      scene.become({ eptp }).read(M);
      scene.map(L, 'B').map(M, 'D').invlpg(L).become({ eptp: undefined }).invlpg(M);
    },
    use: (scene) => `${scene.read(L)} ${scene.become({ eptp: EPTP }).read(M)}`,
    legal: ['B D'],
  },
  {
    id: 'must.invpcid-0',
    rule: 'INVPCID of type 0 drops one address of one PCID: no other address, no global page.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      inPcid(scene, 5)
        .map(L, 'A')
        .map(M, 'C')
        .map(O, 'A', USED | G);
      reads(scene, L, M, O);
      scene
        .map(L, 'B')
        .map(M, 'D')
        .map(O, 'B', USED | G)
        .invpcid(0, { pcid: 5, address: L })
        .invpcid(0, { pcid: 5, address: O });
    },
    use: (scene) => reads(scene, L, M, O),
    legal: ['B C A', 'B C B', 'B D A', 'B D B'],
    unseen: { 'B C B': KEEPS_ALL_OR_NOTHING, 'B D A': KEEPS_ALL_OR_NOTHING },
  },
  {
    id: 'must.invpcid-1',
    rule: 'INVPCID of type 1 drops one PCID, whichever is current, but for global pages; no other PCID.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C', USED | G);
      inPcid(scene, 6).read(L);
      reads(inPcid(scene, 5), L, M);
      inPcid(scene, 6)
        .map(L, 'B')
        .map(M, 'D', USED | G)
        .invpcid(1, { pcid: 5 });
    },
    use: (scene) => `${scene.read(L)} ${reads(inPcid(scene, 5), L, M)}`,
    legal: ['A B C', 'A B D', 'B B C', 'B B D'],
    unseen: { 'A B D': KEEPS_ALL_OR_NOTHING, 'B B C': KEEPS_ALL_OR_NOTHING },
  },
  {
    id: 'must.invpcid-2',
    rule: 'INVPCID of type 2 drops all PCIDs and global pages of the current VPID; no other VPID.',
    section: SECTION,
    start: { ...PCIDS, vpid: 1 },
    example: (scene) => {
      scene.map(L, 'A', USED | G).map(M, 'C');
      inPcid(scene, 6).read(M);
      inPcid(scene, 5).read(L);
      scene.become({ vpid: 2 }).read(L);
      scene
        .become({ vpid: 1 })
        .map(L, 'B', USED | G)
        .map(M, 'D')
        .invpcid(2);
    },
    use: (scene) =>
      `${scene.read(L)} ${inPcid(scene, 6).read(M)} ${inPcid(scene, 5).become({ vpid: 2 }).read(L)}`,
    legal: ['B D A', 'B D B'],
  },
  {
    id: 'must.invpcid-3',
    rule: 'INVPCID of type 3 drops all PCIDs but for global pages.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      scene.map(L, 'A', USED | G).map(M, 'C');
      inPcid(scene, 6).read(M);
      inPcid(scene, 5).read(L);
      scene
        .map(L, 'B', USED | G)
        .map(M, 'D')
        .invpcid(3);
    },
    use: (scene) => `${scene.read(L)} ${inPcid(scene, 6).read(M)}`,
    legal: ['A D', 'B D'],
  },
  {
    id: 'must.invpcid-psc-0',
    rule: 'INVPCID of type 0 drops also the entries of paging-structure caches that would be used for the address; not those for others.',
    section: SECTION,
    start: PCIDS,
    example: (scene) => {
      inPcid(scene, 5)
        .map(L, 'A')
        .map(N, 'C')
        .map(N + PAGE, 'C');
      reads(scene, L, N);
      replaceTable(scene, L).map(L, 'B');
      replaceTable(scene, N)
        .map(N + PAGE, 'D')
        .invpcid(0, { pcid: 5, address: L });
    },
    use: (scene) => reads(scene, L, N + PAGE),
    legal: ['B C', 'B D'],
  },
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
    id: 'must.page-fault',
    rule: 'A page fault drops the page, so that one that memory does not call for does not come again.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A', READ_ONLY).read(L);
      scene.map(L, 'A');
    },
    use: (scene) => `${scene.write(L)} ${scene.write(L)}`,
    legal: ['A A', 'A #PF', '#PF A'],
  },
  {
    id: 'must.page-fault-scope',
    rule: 'A page fault drops no other page and no entry of paging-structure caches for another address.',
    section: SECTION,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').read(L);
      replaceTable(scene, L).map(L, 'B').map(M, 'D').unmap(N).read(N);
    },
    use: (scene) => reads(scene, L, M),
    legal: ['A C', 'A D', 'B C', 'B D'],
    unseen: { 'A D': KEEPS_ALL_OR_NOTHING, 'B C': KEEPS_ALL_OR_NOTHING },
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
  {
    id: 'must.serializing',
    rule: 'INVLPG serializes: a store to a table before it is seen by every access after it.',
    section: 'SDM Vol. 3A, 4.10.4.3',
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
];
