import { Draw } from '../draw';
import { buildWalk, type Plan } from './build';
import type { Lesson } from './lesson';

/** A lesson in which nothing is broken. */
const sound = (
  name: string,
  summary: string,
  story: readonly string[],
  plan: Omit<Plan, 'title'>,
): Lesson => ({
  name,
  summary,
  story,
  make: (seed) => ({
    lesson: name,
    seed,
    walkCase: buildWalk(new Draw(seed), { ...plan, title: `Lesson ${name}, seed ${seed}: ${summary}` })
      .walkCase,
  }),
});

/** Walks that succeed. */
export const SOUND_LESSONS: readonly Lesson[] = [
  sound(
    'tiny',
    '2 by 2 levels, 8 references, solvable by hand',
    [
      'A machine for paper: an address names a cell of 16 bits. Linear and guest-physical addresses have three hexadecimal digits, host-physical ones four.',
      'The last digit of an address is the offset, the digits before it are indexes. Three digits of an entry are a table or page, the last is its rights.',
      'Each guest-physical address, also that of a table of the guest, goes through both levels of EPT first: 2 x 2 + 2 + 2 = 8 references.',
    ],
    { tiny: true, guestLevels: 2, eptLevels: 2 },
  ),
  sound(
    '4x4',
    '4 levels of the guest behind 4 levels of EPT, 24 references',
    [
      'The guest’s tables hold guest-physical addresses: to read one entry of them, the processor walks EPT first.',
      'So each of the 4 levels costs 4 + 1 references, and the address at the end 4 more: 4 x 4 + 4 + 4 = 24.',
    ],
    { guestLevels: 4, eptLevels: 4 },
  ),
  sound(
    '5x5',
    '5 levels of the guest behind 5 levels of EPT, 35 references',
    [
      'With CR4.LA57 linear addresses have 57 bits; with a page-walk length of 5 in the EPTP, guest-physical addresses have up to 57 too.',
      'One level more on each side is 11 references more: 5 x 5 + 5 + 5 = 35.',
    ],
    { guestLevels: 5, eptLevels: 5 },
  ),
  sound(
    'large-pages',
    '2-MiB pages in the guest and in EPT, 15 references',
    [
      'Bit 7 of an entry of level 2 maps 2 MiB and ends the walk one level earlier, on both sides: 3 x 3 + 3 + 3 = 15.',
      'Bits 20:0 of the address are the offset then.',
    ],
    { guestLevels: 4, eptLevels: 4, guestLeaf: 2, eptLeaf: 2 },
  ),
];
