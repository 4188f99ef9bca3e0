import { ACCESSED, CR4, CR4_BITS, DIRTY, FRAMES, L, M, P, type SceneContext, U, USED, W, XD } from '../scene';
import { type Row, retried } from './row';

const OPTIONAL = 'SDM Vol. 3A, 4.10.4.3';
const OPTIONAL_EPT = 'SDM Vol. 3C, 29.4.3.4';

/** A root whose entry of this index leads to the root itself: at these addresses entries of the root stand for pages. */
const SELF = 200n;
const viaSelf = (index: number): bigint =>
  (SELF << 39n) | (SELF << 30n) | (SELF << 21n) | BigInt(index << 12);
const leaf = (frame: keyof typeof FRAMES): bigint => BigInt(FRAMES[frame] << 12) | USED;

/** In a PTE, and in an EPT leaf while no control uses them. */
const IGNORED = 0xe00n;
const IGNORED_EPT = 0x800n;
const SUPPRESS_VE = 1n << 63n;

const withSmep: SceneContext = { cr3: 0n, cr4: CR4 | CR4_BITS.smep };

export const ROWS: readonly Row[] = [
  {
    id: 'optional.p-set',
    rule: 'An entry whose P flag goes from 0 to 1 needs no invalidation, where the clearing had one.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.unmap(L).invlpg(L).read(L);
      scene.map(L, 'B');
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'optional.a-set',
    rule: 'Software that sets an accessed flag need invalidate nothing: nothing is remembered of an entry whose flag is 0.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A', USED & ~ACCESSED).speculate(L);
      scene.map(L, 'B', USED);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'optional.rw-set',
    rule: 'After the R/W flag goes from 0 to 1 without invalidation a write may fault once.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A', P | U | ACCESSED).read(L);
      scene.change(scene.entryAt(L), { set: W });
    },
    use: (scene) => retried(() => scene.write(L)),
    legal: ['A', '#PF then A'],
  },
  {
    id: 'optional.us-set',
    rule: 'After the U/S flag goes from 0 to 1 without invalidation, with CR4.SMEP = 0, a user-mode access may fault once.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A', P | W | ACCESSED).read(L);
      scene.change(scene.entryAt(L), { set: U }).become({ user: true });
    },
    use: (scene) => retried(() => scene.read(L)),
    legal: ['A', '#PF then A'],
  },
  {
    id: 'optional.us-set-smep',
    rule: 'With CR4.SMEP = 1 invalidation after the U/S flag goes from 0 to 1 is not optional: the supervisor may go on to fetch from the page.',
    section: OPTIONAL,
    start: withSmep,
    example: (scene) => {
      scene.map(L, 'A', P | W | ACCESSED).fetch(L);
      scene.change(scene.entryAt(L), { set: U });
    },
    use: (scene) => scene.fetch(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'optional.xd-clear',
    rule: 'After the XD flag goes from 1 to 0 without invalidation a fetch may fault once.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A', USED | XD).read(L);
      scene.change(scene.entryAt(L), { clear: XD });
    },
    use: (scene) => retried(() => scene.fetch(L)),
    legal: ['A', '#PF then A'],
  },
  {
    id: 'optional.a-clear',
    rule: 'After an accessed flag is cleared without invalidation, an access need not set it.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.change(scene.entryAt(L), { clear: ACCESSED });
    },
    use: (scene) => `${scene.read(L)} ${scene.flag(scene.entryAt(L), ACCESSED)}`,
    legal: ['A 0', 'A 1'],
  },
  {
    id: 'optional.d-clear',
    rule: 'After a dirty flag is cleared without invalidation, a write need not set it.',
    section: OPTIONAL,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.change(scene.entryAt(L), { clear: DIRTY });
    },
    use: (scene) => `${scene.write(L)} ${scene.flag(scene.entryAt(L), DIRTY)}`,
    legal: ['A 0', 'A 1'],
  },
  {
    id: 'optional.ept-rights-set',
    rule: 'After rights of a present EPT entry are raised without invalidation an access may cause one EPT violation.',
    section: OPTIONAL_EPT,
    example: (scene) => {
      const eptp = scene.newEpt();
      scene.map(L, 'A').mapEpt('A', 'A', 5n, eptp).enter({ vpid: 1, eptp }).read(L);
      scene.mapEpt('A', 'A', 7n);
    },
    use: (scene) => retried(() => scene.write(L)),
    legal: ['A', 'violation then A'],
  },
  {
    id: 'optional.ept-present',
    rule: 'An EPT entry that was not present, and now is, needs no invalidation.',
    section: OPTIONAL_EPT,
    example: (scene) => {
      const eptp = scene.newEpt();
      const guest = { vpid: 1, eptp };
      scene.map(L, 'A').mapEpt('A', undefined, 0n, eptp).enter(guest).read(L);
      scene.exit().mapEpt('A', 'B', 7n, eptp).enter(guest);
    },
    use: (scene) => scene.read(L),
    legal: ['B'],
  },
  {
    id: 'optional.ignored-bits',
    rule: 'Bits that the processor ignores need no invalidation when they change, nor does "suppress #VE" of an EPT entry that is not present.',
    section: OPTIONAL,
    unconfirmed: true,
    example: (scene) => {
      const eptp = scene.newEpt();
      const guest = { vpid: 1, eptp };
      scene.map(L, 'A').map(M, 'C').mapEpt('C', undefined, 0n, eptp).enter(guest).read(L);
      scene
        .change(scene.entryAt(L), { set: IGNORED })
        .change(scene.eptEntryAt(FRAMES.A), { set: IGNORED_EPT });
      scene.change(scene.eptEntryAt(FRAMES.C), { set: SUPPRESS_VE });
    },
    use: (scene) => `${scene.read(L)} ${scene.read(M)}`,
    legal: ['A violation'],
  },
  {
    id: 'optional.psc-multi',
    rule: 'One INVLPG is enough for an entry that stands in the paging-structure caches of several levels; translations of other pages that came from it stay.',
    section: OPTIONAL,
    example: (scene) => {
      const root = scene.now.cr3;
      const other = scene.newTable();
      const put = (table: bigint, index: number, value: bigint) =>
        scene.store(Number(table) + 8 * index, value);
      put(root, Number(SELF), root | USED);
      put(other, Number(SELF), other | USED);
      put(root, 1, leaf('A'));
      put(root, 2, leaf('C'));
      put(root, 9, leaf('E'));
      put(other, 1, leaf('B'));
      put(other, 2, leaf('D'));
      put(other, 9, leaf('A'));
      scene.read(viaSelf(1));
      scene.read(viaSelf(2));
      put(root, Number(SELF), other | USED);
      scene.invlpg(viaSelf(1));
    },
    use: (scene) => [1, 2, 9].map((index) => scene.read(viaSelf(index))).join(' '),
    legal: ['B C A', 'B D A'],
  },
];
