import { L } from '../scene';
import type { Row } from './row';

const PROPAGATION = 'SDM Vol. 3A, 4.10.5';
const INVEPT_GUIDELINES = 'SDM Vol. 3C, 29.4.3.4';

export const ROWS: readonly Row[] = [
  {
    id: 'propagation.no-broadcast',
    rule: 'An instruction invalidates on the logical processor that executes it, and on no other.',
    section: PROPAGATION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.other.read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.other.read(L)}`,
    legal: ['B A', 'B B'],
  },
  {
    id: 'propagation.shootdown',
    rule: 'After every processor that may use an entry has invalidated, none uses what it said before the change.',
    section: PROPAGATION,
    example: (scene) => {
      scene.map(L, 'A').read(L);
      scene.other.read(L);
      scene.map(L, 'B').invlpg(L);
      scene.other.invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.other.read(L)}`,
    legal: ['B B'],
  },
  {
    id: 'propagation.not-running',
    rule: 'A processor that is outside a guest may hold mappings under its VPID and EP4TA, which INVEPT elsewhere leaves there.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const eptp = scene.newEpt();
      const guest = { vpid: 1, eptp };
      const { other } = scene;
      scene.map(L, 'A');
      other.enter(guest).read(L);
      other.exit();
      scene.mapEpt('A', 'B', 7n, eptp).invept(1, eptp);
      other.enter(guest);
    },
    use: ({ other }) => other.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'propagation.vcpu-migration',
    rule: 'A virtual processor that moves leaves its mappings behind, and finds them when it comes back.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt() };
      const { other } = scene;
      scene.map(L, 'A').enter(guest).read(L);
      scene.exit();
      other.enter(guest).read(L);
      other.map(L, 'B').invlpg(L).exit();
      scene.enter(guest);
    },
    use: (scene) => scene.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'propagation.posted-exit',
    rule: 'A processor that leaves its guest and executes INVEPT after a change of EPT does not use what was before it.',
    section: INVEPT_GUIDELINES,
    example: (scene) => {
      const eptp = scene.newEpt();
      const guest = { vpid: 1, eptp };
      const { other } = scene;
      scene.map(L, 'A');
      other.enter(guest).read(L);
      scene.mapEpt('A', 'B', 7n, eptp);
      other.exit().invept(1, eptp).enter(guest);
    },
    use: ({ other }) => other.read(L),
    legal: ['B'],
  },
  {
    id: 'propagation.store-order',
    rule: 'An invalidation by another processor before it can see the store is none for what the store changes.',
    section: PROPAGATION,
    example: (scene) => {
      const { other } = scene;
      scene.map(L, 'A');
      other.read(L);
      other.invlpg(L).read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: ({ other }) => other.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'propagation.speculative-remote',
    rule: 'Until it can see the store another processor may remember the old entry by itself, also after its invalidation.',
    section: PROPAGATION,
    example: (scene) => {
      const { other } = scene;
      scene.map(L, 'A');
      other.read(L);
      other.invlpg(L).speculate(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: ({ other }) => other.read(L),
    legal: ['A', 'B'],
  },
  {
    id: 'propagation.guest-only-self',
    rule: 'What a guest invalidates goes on the processor that it runs on, under the current VPID.',
    section: PROPAGATION,
    example: (scene) => {
      const guest = { vpid: 1, eptp: scene.newEpt() };
      const { other } = scene;
      scene.map(L, 'A').enter(guest).read(L);
      other.enter(guest).read(L);
      scene.map(L, 'B').invlpg(L);
    },
    use: (scene) => `${scene.read(L)} ${scene.other.read(L)}`,
    legal: ['B A', 'B B'],
  },
];
