import {
  CR4,
  CR4_BITS,
  FRAMES,
  type FrameName,
  L,
  M,
  N,
  O,
  P,
  type SceneContext,
  USED,
  W,
  X,
} from '../scene';
import { type Row, retried } from './row';

const CACHES = 'SDM Vol. 3A, 4.10.3.1';
const USING = 'SDM Vol. 3A, 4.10.3.2';
const INFORMATION = 'SDM Vol. 3C, 29.4.1';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };
/** In the same table as L, and not the next page. */
const FAR = L + 0x1_0000n;

const leaf = (frame: FrameName): bigint => BigInt(FRAMES[frame] << 12) | USED;
const eptLeaf = (frame: number): bigint => BigInt(frame * 4096) | 0x37n;
const indexOf = (at: number): number => at & 0xfff;

/** An entry above L leads to another table before `address` was ever read. */
const moved =
  (level: number, address: bigint): Row['example'] =>
  (scene) => {
    scene.map(L, 'A').map(address, 'C').read(L);
    scene.store(scene.entryAt(L, level), scene.newTable() | USED).map(address, 'D');
  };

export const ROWS: readonly Row[] = [
  {
    id: 'psc.pml4',
    rule: 'A PML4-cache entry (bits 47:39) may be used in place of the PML4E.',
    section: CACHES,
    example: moved(4, O),
    use: (scene) => scene.read(O),
    legal: ['C', 'D'],
  },
  {
    id: 'psc.pdpte',
    rule: 'A PDPTE-cache entry (bits 47:30) may be used in place of PML4E and PDPTE.',
    section: CACHES,
    example: moved(3, N),
    use: (scene) => scene.read(N),
    legal: ['C', 'D'],
  },
  {
    id: 'psc.pde',
    rule: 'A PDE-cache entry (bits 47:21) may be used in place of all entries above the page table.',
    section: CACHES,
    example: moved(2, FAR),
    use: (scene) => scene.read(FAR),
    legal: ['C', 'D'],
  },
  {
    id: 'psc.pml5',
    rule: 'With 5-level paging a PML5-cache entry (bits 56:48) may be used in place of the PML5E.',
    section: CACHES,
    start: { cr3: 0n, cr4: CR4 | CR4_BITS.la57 },
    unconfirmed: true,
    example: moved(5, X),
    use: (scene) => scene.read(X),
    legal: ['C', 'D'],
  },
  {
    id: 'psc.leaf-not',
    rule: 'Paging-structure caches hold entries that reference tables, never those that map pages.',
    section: CACHES,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(M, 'B');
    },
    use: (scene) => scene.read(M),
    legal: ['B'],
  },
  {
    id: 'psc.mixed',
    rule: 'A remembered upper part is combined with what the lower tables hold now: the frame of an old table may be walked when it holds something else.',
    section: USING,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      const old = scene.entryAt(FAR);
      scene
        .store(scene.entryAt(L, 2), scene.newTable() | USED)
        .map(FAR, 'D')
        .store(old, leaf('E'));
    },
    use: (scene) => scene.read(FAR),
    legal: ['E', 'D'],
  },
  {
    id: 'psc.rights-folded',
    rule: 'The rights in an entry are those of all levels above when it was made: one that is raised later may be refused once.',
    section: CACHES,
    example: (scene) => {
      scene.map(L, 'A').map(FAR, 'C').change(scene.entryAt(L, 4), { clear: W }).read(L);
      scene.change(scene.entryAt(L, 4), { set: W });
    },
    use: (scene) => retried(() => scene.write(FAR)),
    legal: ['C', '#PF then C'],
  },
  {
    id: 'psc.empty-table',
    rule: 'An entry for a table may be made though nothing in the table is present.',
    section: USING,
    example: (scene) => {
      scene.map(N, 'C').read(N);
      const table = scene.entryAt(L);
      scene.speculate(L).store(scene.entryAt(L, 2), 0n).store(table, leaf('B'));
    },
    use: (scene) => scene.read(L),
    legal: ['B', '#PF'],
  },
  {
    id: 'psc.same-entry-many',
    rule: 'One entry of a table may be remembered for several linear addresses, and INVLPG drops the translation of one.',
    section: USING,
    example: (scene) => {
      scene
        .map(L, 'A')
        .change(scene.entryAt(N, 2), { set: scene.entry(scene.entryAt(L, 2)) })
        .read(L);
      scene.read(N);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.read(N)}`,
    legal: ['B A', 'B B'],
  },
  {
    id: 'psc.level-order',
    rule: 'A walk may begin at what any of the caches holds, or at the root: no order may be relied on.',
    section: USING,
    example: (scene) => {
      scene.map(L, 'A').map(FAR, 'C').read(L);
      scene.store(scene.entryAt(L, 2), scene.newTable() | USED).map(FAR, 'D');
      scene.store(scene.entryAt(L, 4), scene.newTable() | USED).map(FAR, 'E');
    },
    use: (scene) => scene.read(FAR),
    legal: ['C', 'D', 'E'],
    unseen: { D: 'no policy drops an entry for a table and keeps the one above' },
  },
  {
    id: 'psc.ept-psc',
    rule: 'Entries for tables of EPT are guest-physical mappings: one may be used in place of the EPT entries above that table.',
    section: INFORMATION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(FAR, 'C').become({ eptp: scene.newEpt() }).read(L);
      const table = scene.newTable();
      for (const [frame, to] of [
        [FRAMES.A, FRAMES.B],
        [FRAMES.C, FRAMES.D],
      ])
        scene.store(Number(table) + indexOf(scene.eptEntryAt(frame)), eptLeaf(to));
      scene.store(scene.eptEntryAt(FRAMES.A, 2), table | 7n);
    },
    use: (scene) => scene.read(FAR),
    legal: ['C', 'D'],
  },
  {
    id: 'psc.combined-psc',
    rule: 'Combined entries for tables hold where EPT has put the table of the guest: to move it by EPT reaches none of them.',
    section: INFORMATION,
    start: GUEST,
    example: (scene) => {
      scene.map(L, 'A').map(FAR, 'C').become({ eptp: scene.newEpt() }).read(L);
      const copy = scene.newTable();
      scene.store(Number(copy) + indexOf(scene.entryAt(FAR)), leaf('D'));
      const frame = Math.floor(scene.entryAt(L) / 4096);
      scene.store(scene.eptEntryAt(frame), eptLeaf(Number(copy) / 4096));
    },
    use: (scene) => scene.read(FAR),
    legal: ['C', 'D'],
  },
  {
    id: 'psc.pae-pdpte',
    rule: 'The PDPTE registers of PAE paging are state and no cache: a store to a PDPTE counts when they are loaded, and INVLPG does not load them.',
    section: 'SDM Vol. 3A, 4.4.1',
    start: { cr3: 0n, cr4: CR4_BITS.pae, efer: 0n },
    example: (scene) => {
      scene.map(L, 'A').map(FAR, 'C').read(L);
      const [directory, table] = [scene.newTable(), scene.newTable()];
      scene.store(Number(table) + indexOf(scene.entryAt(FAR)), leaf('D'));
      scene.store(Number(directory) + indexOf(scene.entryAt(L, 2)), table | USED);
      scene.store(scene.entryAt(L, 3), directory | P).invlpg(L);
    },
    use: (scene) => scene.read(FAR),
    legal: ['C'],
  },
];
