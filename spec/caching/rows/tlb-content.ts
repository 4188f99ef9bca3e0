import {
  CR4,
  CR4_BITS,
  DIRTY,
  EFER,
  EFER_NXE,
  FRAMES,
  key,
  L,
  M,
  PCD,
  PWT,
  type SceneContext,
  USED,
  W,
  XD,
} from '../scene';
import type { Row } from './row';

const TLB = 'SDM Vol. 3A, 4.10.2.2';
const DETAILS = 'SDM Vol. 3A, 4.10.2.3';
const FLAGS = 'SDM Vol. 3A, 4.8';
/** A page of 2 MiB, and one in it. */
const LARGE_PAGE = 0x40_0000n;
const WITHIN = LARGE_PAGE + 0x1000n;
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };

export const ROWS: readonly Row[] = [
  {
    id: 'tlb-content.contents',
    rule: 'A TLB entry holds frame, cumulative rights, protection key, dirty flag and memory type, and each may be used in place of memory.',
    section: TLB,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.change(scene.entryAt(L), { clear: W });
    },
    use: (scene) => scene.write(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'tlb-content.upper-level-rights',
    rule: 'The rights are those of all entries on the way when the entry was made: to lower those of a PDE reaches none.',
    section: TLB,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.change(scene.entryAt(L, 2), { clear: W });
    },
    use: (scene) => scene.write(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'tlb-content.cpl-mode-bits',
    rule: 'CPL, CR0.WP, CR4.SMEP, CR4.SMAP and RFLAGS.AC are no part of an entry: they are applied at use.',
    section: DETAILS,
    start: { cr3: 0n, cr4: CR4 | CR4_BITS.smap, ac: true },
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.become({ ac: false });
    },
    use: (scene) => scene.read(L),
    legal: ['#PF'],
  },
  {
    id: 'tlb-content.pkey',
    rule: 'The protection key of a page is remembered, and PKRU is applied to it at use.',
    section: TLB,
    // PKRU denies key 2.
    start: { cr3: 0n, cr4: CR4 | CR4_BITS.pke, pkru: 0x30n },
    example: (scene) => {
      scene.map(L, 'A', USED | key(1n)).read(L);
      scene.map(L, 'A', USED | key(2n));
    },
    use: (scene) => `${scene.read(L)} ${scene.become({ pkru: 0n }).read(L)}`,
    legal: ['A A', '#PF A'],
  },
  {
    id: 'tlb-content.nxe',
    rule: 'The XD flag counts where IA32_EFER.NXE is 1 when the entry is made; WRMSR that changes NXE drops the mappings of its VPID.',
    section: TLB,
    unconfirmed: true,
    example: (scene) => {
      scene.map(L, 'A').fetch(L);
      scene
        .map(L, 'A', USED | XD)
        .wrmsrEfer(EFER & ~EFER_NXE)
        .wrmsrEfer(EFER);
    },
    use: (scene) => scene.fetch(L),
    legal: ['#PF'],
  },
  {
    id: 'tlb-content.memory-type',
    rule: 'PAT, PCD and PWT of the entry that maps the page are remembered: the old memory type may be used.',
    section: TLB,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'A', USED | PCD | PWT);
    },
    use: (scene) => scene.typeBits(L),
    legal: ['0', '24'],
    pure: 'the memory type of an access does not show on a machine',
  },
  {
    id: 'tlb-content.smaller-fraction',
    rule: 'A large page may be remembered in smaller fractions: one INVLPG of any address in it drops them all.',
    section: DETAILS,
    start: GUEST,
    example: (scene) => {
      scene.map(LARGE_PAGE, 'LARGE_A').become({ eptp: scene.newEpt() }).read(LARGE_PAGE);
      scene.read(WITHIN);
      scene.map(LARGE_PAGE, 'LARGE_B').invlpg(LARGE_PAGE);
    },
    use: (scene) => scene.read(WITHIN),
    legal: ['LARGE_B+1'],
  },
  {
    id: 'tlb-content.fraction-ept',
    rule: 'A combined mapping covers no more than the smaller of the two pages that it comes from.',
    section: 'SDM Vol. 3C, 29.4.2',
    start: GUEST,
    unconfirmed: true,
    example: (scene) => {
      scene.map(LARGE_PAGE, 'LARGE_A').become({ eptp: scene.newEpt() }).read(LARGE_PAGE);
      scene.read(WITHIN);
      scene.store(scene.eptEntryAt(FRAMES.LARGE_A + 1), BigInt(FRAMES.B << 12) | 0x37n);
    },
    use: (scene) => `${scene.read(LARGE_PAGE)} ${scene.read(WITHIN)}`,
    legal: ['LARGE_A LARGE_A+1', 'LARGE_A B'],
  },
  {
    id: 'tlb-content.fraction-larger',
    rule: 'An entry never covers more than a page of the paging structures: INVLPG need not touch the next one.',
    section: DETAILS,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').read(L);
      scene.read(M);
      scene.map(L, 'B').map(M, 'D').invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.read(M)}`,
    legal: ['B C', 'B D'],
  },
  {
    id: 'tlb-content.dirty-write',
    rule: 'A write through an entry whose dirty flag is remembered as 1 need not look at memory.',
    section: DETAILS,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.change(scene.entryAt(L), { clear: DIRTY });
    },
    use: (scene) => {
      scene.write(L);
      return scene.flag(scene.entryAt(L), DIRTY);
    },
    legal: ['0', '1'],
  },
  {
    id: 'tlb-content.dirty-read-fill',
    rule: 'After an entry was made with a dirty flag of 0, a write sets the flag in memory.',
    section: FLAGS,
    example: (scene) => {
      scene.map(L, 'A').read(L);
    },
    use: (scene) => {
      scene.write(L);
      return scene.flag(scene.entryAt(L), DIRTY);
    },
    legal: ['1'],
  },
  {
    id: 'tlb-content.dirty-no-fill',
    rule: 'Nothing but a write sets the dirty flag, in memory or in an entry.',
    section: FLAGS,
    example: (scene) => {
      scene.map(L, 'A').speculate(L);
    },
    use: (scene) => {
      scene.read(L);
      return scene.flag(scene.entryAt(L), DIRTY);
    },
    legal: ['0'],
  },
  {
    id: 'tlb-content.write-after-change',
    rule: 'To set the dirty flag the processor reads the entry again: one that is not present by now is not brought back.',
    section: FLAGS,
    unconfirmed: true,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.unmap(L);
    },
    use: (scene) => `${scene.write(L)} ${scene.entry(scene.entryAt(L))}`,
    legal: ['#PF 0'],
  },
];
