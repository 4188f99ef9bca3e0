import {
  ACCESSED,
  EPT_DIRTY,
  EPTP_ACCESSED_DIRTY,
  FRAMES,
  L,
  M,
  type Scene,
  type SceneContext,
  USED,
} from '../scene';
import type { Row } from './row';

const FLAGS = 'SDM Vol. 3A, 4.8';
const DETAILS = 'SDM Vol. 3A, 4.10.2.3';
const EPT_FLAGS = 'SDM Vol. 3C, 29.3.5';
const GUEST: SceneContext = { cr3: 0n, vpid: 1 };
const NOT_ACCESSED = USED & ~ACCESSED;

const withFlags = (scene: Scene): Scene => scene.become({ eptp: scene.newEpt(EPTP_ACCESSED_DIRTY) });
const eptDirty = (scene: Scene): string => scene.flag(scene.eptEntryAt(FRAMES.A), EPT_DIRTY);

export const ROWS: readonly Row[] = [
  {
    id: 'accessed.no-fill-a0',
    rule: 'Nothing is remembered of a walk before the accessed flags of all its entries are 1.',
    section: DETAILS,
    example: (scene) => {
      scene.map(L, 'A', NOT_ACCESSED).speculate(L).map(L, 'B', NOT_ACCESSED);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'accessed.a-clear',
    rule: 'After software clears an accessed flag without invalidation, an access need not set it.',
    section: FLAGS,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.change(scene.entryAt(L), { clear: ACCESSED });
    },
    use: (scene) => {
      scene.read(L);
      return scene.flag(scene.entryAt(L), ACCESSED);
    },
    legal: ['0', '1'],
  },
  {
    id: 'accessed.a-speculative',
    rule: 'A processor may set accessed flags for an address that no program touched.',
    section: FLAGS,
    example: (scene) => {
      scene.map(L, 'A', NOT_ACCESSED);
    },
    use: (scene) => scene.speculate(L).flag(scene.entryAt(L), ACCESSED),
    legal: ['0', '1'],
    unseen: { 1: 'the policies speculate where flags are set, and set none' },
  },
  {
    id: 'accessed.a-ept',
    rule: 'While bit 6 of the EPTP is 1, the same is true of accessed and dirty flags of EPT.',
    section: EPT_FLAGS,
    start: GUEST,
    example: (scene) => {
      withFlags(scene.map(L, 'A')).write(L);
      scene.change(scene.eptEntryAt(FRAMES.A), { clear: EPT_DIRTY });
    },
    use: (scene) => {
      scene.write(L);
      return eptDirty(scene);
    },
    legal: ['0', '1'],
  },
  {
    id: 'accessed.a-locked',
    rule: 'A flag is set in the entry as it is by then, in one locked access: an entry that another agent has cleared stays clear.',
    section: FLAGS,
    example: (scene) => {
      scene.map(L, 'A', NOT_ACCESSED).map(M, 'C', NOT_ACCESSED);
    },
    use: (scene) => {
      const exchanged = (linear: bigint): string => {
        const before = scene.flag(scene.entryAt(linear), ACCESSED);
        scene.unmap(linear);
        return before;
      };
      const first = `${scene.read(L)} ${exchanged(L)} ${scene.entry(scene.entryAt(L))}`;
      return `${first}, ${exchanged(M)} ${scene.read(M)} ${scene.entry(scene.entryAt(M))}`;
    },
    legal: ['A 1 0, 0 #PF 0'],
  },
  {
    id: 'accessed.ept-walk-writes',
    rule: 'While bit 6 of the EPTP is 1, an access to a paging-structure entry of the guest counts as a write: EPT has the page of the table dirty.',
    section: EPT_FLAGS,
    start: GUEST,
    example: (scene) => {
      withFlags(scene.map(L, 'A'));
    },
    use: (scene) => {
      scene.read(L);
      return scene.flag(scene.eptEntryAt(Math.floor(scene.entryAt(L) / 4096)), EPT_DIRTY);
    },
    legal: ['1'],
  },
  {
    id: 'accessed.pml-cached',
    rule: 'Page-modification logging logs when a dirty flag of EPT goes from 0 to 1: one that is remembered as 1 hides later writes.',
    section: 'SDM Vol. 3C, 29.3.6',
    start: { ...GUEST, pml: true },
    example: (scene) => {
      withFlags(scene.map(L, 'A')).write(L);
      scene.change(scene.eptEntryAt(FRAMES.A), { clear: EPT_DIRTY }).clearLog();
    },
    use: (scene) => {
      scene.write(L);
      return scene.logged;
    },
    legal: ['nothing', 'logged'],
  },
];
