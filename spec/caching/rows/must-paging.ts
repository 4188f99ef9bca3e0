import { CR4_PCIDE, G, L, M, N, O, P, U, USED } from '../scene';
import { EPT_TABLES } from '../scene-memory';
import { inPcid, reads, replaceTable } from './phrases';
import type { Row } from './row';

const SECTION = 'SDM Vol. 3A, 4.10.4.1';
const READ_ONLY = P | U | (USED & 32n);
const PAGE = 0x1000n;
/** The EPT that a scene makes first. */
const EPTP = BigInt(EPT_TABLES.first) | 0x1en;
const PCIDS = { cr3: 0n, cr4: CR4_PCIDE } as const;
const KEEPS_ALL_OR_NOTHING = 'a machine keeps both or neither';

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
