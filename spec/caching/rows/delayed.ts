import { FRAMES, L, M, USED } from '../scene';
import type { Row } from './row';

const DELAYED = 'SDM Vol. 3A, 4.10.4.4';
const leaf = (frame: keyof typeof FRAMES): bigint => BigInt(FRAMES[frame] << 12) | USED;
/** Instructions that pass. */
const MANY = 1000;

export const ROWS: readonly Row[] = [
  {
    id: 'delayed.window',
    rule: 'Between a change and the invalidation each access may use the old or the new translation.',
    section: DELAYED,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.map(L, 'B');
    },
    use: (scene) => `${scene.read(L)} ${scene.read(L)}`,
    legal: ['A A', 'A B', 'B A', 'B B'],
    unseen: {
      'A B': 'a policy that keeps a translation goes on to use it',
      'B A': 'a policy that has dropped a translation does not use it again',
    },
  },
  {
    id: 'delayed.free-range',
    rule: 'Invalidation after unmapping may wait while neither the linear addresses nor the frame are used for anything else.',
    section: DELAYED,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.unmap(L);
    },
    use: (scene) => scene.read(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'delayed.free-frame',
    rule: 'A frame that is given away before the invalidation may be written through the old translation.',
    section: DELAYED,
    example: (scene) => {
      scene.map(L, 'A').write(L);
      scene.unmap(L).map(M, 'A', USED, scene.newRoot());
    },
    use: (scene) => scene.write(L),
    legal: ['A', '#PF'],
  },
  {
    id: 'delayed.free-table',
    rule: 'A table whose frame is used for something else before the invalidation may still be walked.',
    section: DELAYED,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      const old = scene.entryAt(M);
      const table = scene.newTable();
      scene.store(scene.entryAt(L, 2), table | USED).map(M, 'D');
      scene.store(old, leaf('E'));
    },
    use: (scene) => scene.read(M),
    legal: ['E', 'D'],
  },
  {
    id: 'delayed.time',
    rule: 'No time that passes takes the place of an invalidation.',
    section: DELAYED,
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').read(L);
      scene.map(L, 'B');
      for (let count = 0; count < MANY; count++) scene.read(M);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'delayed.partial-store',
    rule: 'Of a store to two pages one part may be made by the old translation while the other faults by the new one.',
    section: DELAYED,
    pure: 'a store of the model is made whole or not at all',
    example: (scene) => {
      scene.map(L, 'A').map(M, 'C').write(L);
      scene.write(M);
      scene.unmap(L).unmap(M);
    },
    use: (scene) => {
      const first = scene.write(L);
      return first === '#PF' ? first : `${first} ${scene.write(M)}`;
    },
    legal: ['A C', 'A #PF', '#PF'],
  },
];
