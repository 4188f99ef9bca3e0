import { hex, ModelError } from '../../core';
import { Draw } from '../draw';
import { edited } from '../edit';
import { type ShownReference, viewOf, type WalkView } from '../view';
import type { WalkCase } from '../walk-case';
import { type BuiltWalk, buildWalk, type Plan } from './build';
import type { Lesson } from './lesson';

const FOUR: Omit<Plan, 'title'> = { guestLevels: 4, eptLevels: 4 };

/** The case after an edit that a lesson makes. */
export const afterEdit = (one: WalkCase, text: string): WalkCase => {
  const result = edited(one, [text]);
  if (!result.ok) throw new ModelError(result.fault.says);
  return result.value.walkCase;
};

/** How a lesson breaks a walk: the edit, or undefined when these numbers do not suit. */
type Break = (view: WalkView, draw: Draw, built: BuiltWalk) => string | undefined;

const broken = (
  name: string,
  summary: string,
  story: readonly string[],
  breaks: Break,
  plan: Omit<Plan, 'title'> = FOUR,
): Lesson => ({
  name,
  summary,
  story,
  make: (seed) => {
    const draw = new Draw(seed);
    const title = `Lesson ${name}, seed ${seed}: ${summary}`;
    for (;;) {
      const built = buildWalk(draw, { ...plan, title });
      const edit = breaks(viewOf(built.walkCase), draw, built);
      if (edit === undefined) continue;
      const walkCase = afterEdit(built.walkCase, edit);
      if (!viewOf(walkCase).outcome.ok) return { lesson: name, seed, walkCase, meant: built.walkCase };
    }
  },
});

const named = (view: WalkView, id: string): ShownReference => {
  const found = view.references.find((one) => one.id === id);
  if (found === undefined) throw new ModelError(`the walk of a lesson lacks ${id}`);
  return found;
};

const PAGE_SIZE = 0x80n;
const FLAGS = 0xfffn;

const frameNumber: Break = (view, draw) => {
  const id = `guest.l${draw.between(2, 4)}`;
  const { entry, target } = named(view, id);
  const frame = target / 4096n;
  // The frame's low bits fall among the flags: one that would mean something else there does not suit.
  return (frame & PAGE_SIZE) === 0n ? `${id}=${hex(frame | (entry & FLAGS))}` : undefined;
};

const splitPage: Break = (view) => {
  const { id, target } = named(view, 'ept.l2@final');
  return `${id}=${hex(target | 7n)}`;
};

const ROWS = ['guest.l4', 'guest.l3', 'guest.l2', 'guest.l1', 'final'];

const writeOnly: Break = (_view, draw) => `ept.l${draw.between(1, 3)}@${draw.from(ROWS)}=-read`;

const reservedBit: Break = (view, draw) => {
  const { physicalAddressWidth = 39 } = view.walkCase.request;
  const bit = draw.between(physicalAddressWidth, 51);
  const entry =
    draw.below(2) === 0 ? `guest.l${draw.between(1, 4)}` : `ept.l${draw.between(1, 4)}@${draw.from(ROWS)}`;
  return `${entry}=+bit${bit}`;
};

const missingExecute: Break = (_view, draw) =>
  draw.below(3) === 0
    ? `guest.l${draw.between(1, 4)}=+no-execute`
    : `ept.l${draw.between(1, 4)}@final=-execute`;

/** Walks that fail, each for a reason of its own. */
export const BROKEN_LESSONS: readonly Lesson[] = [
  broken(
    'frame-number',
    'a frame number where an address belongs',
    [
      'The guest’s kernel wrote "frame | flags" into one of its tables instead of "frame x 4096 | flags".',
      'The entry is present and well-formed; it only names a table where there is none.',
    ],
    frameNumber,
  ),
  broken(
    'split-page',
    'a large page split without a lower table',
    [
      'The monitor wanted to split a 2-MiB page of EPT into 4-KiB pages. It cleared the page-size bit and went on, without making a table of 512 entries.',
      'What is read next is not a table: it is the page itself.',
    ],
    splitPage,
    { ...FOUR, eptLeaf: 2 },
  ),
  broken(
    'write-only',
    'an EPT entry that allows writes but not reads',
    [
      'The monitor took the read right away, to see each read of a page, and left the write right.',
      'No entry may say that: it is a misconfiguration, whatever the access is.',
    ],
    writeOnly,
  ),
  broken(
    'reserved-bit',
    'a bit beyond the physical address width',
    [
      'Some entry has a bit set from MAXPHYADDR (here 39) to 51. In the guest’s tables that is a page fault with RSVD = 1, in EPT a misconfiguration.',
    ],
    reservedBit,
  ),
  broken(
    'missing-execute',
    'a fetch from where nothing may be executed',
    [
      'The page can be read and written. An instruction is fetched from it, and one entry on the way does not allow that:',
      'rights are those of the whole path, so that it may be any level, of the guest (XD, bit 63) or of EPT (bit 2).',
    ],
    missingExecute,
    { ...FOUR, access: 'fetch' },
  ),
];
