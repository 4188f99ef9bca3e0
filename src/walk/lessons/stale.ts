import { hex, ModelError } from '../../core';
import { Draw } from '../draw';
import { edited } from '../edit';
import { viewOf } from '../view';
import { buildWalk } from './build';
import type { Lesson, StaleTranslation } from './lesson';

const FLAGS = 0xfffn;

/** What drops a combined mapping after a change of the guest's tables, or of EPT. SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
const ENOUGH = {
  guest: { smallest: 'invlpg', enough: ['invlpg', 'invpcid', 'mov-cr3', 'invvpid', 'invept'] },
  ept: { smallest: 'invept', enough: ['invept'] },
} as const satisfies Record<string, Pick<StaleTranslation, 'smallest' | 'enough'>>;

const SUMMARY = 'a translation that was cached before its tables changed';

/** The tables are sound, and the processor may use what they said before. */
export const STALE_LESSON: Lesson = {
  name: 'stale-entry',
  summary: SUMMARY,
  story: [
    'The translation was used, and the processor keeps it (a combined mapping: linear address to host frame). Then software changed one entry and invalidated nothing.',
    'A walk would find the new page; the processor may go on with the old one, as long as it likes. Both are legal, and software cannot tell which it gets.',
    'A change of the guest’s tables is mended by the guest (INVLPG is the smallest means), one of EPT by the monitor alone (INVEPT).',
  ],
  make: (seed) => {
    const draw = new Draw(seed);
    const title = `Lesson stale-entry, seed ${seed}: ${SUMMARY}`;
    const {
      walkCase: before,
      spareGuest,
      spareHost,
    } = buildWalk(draw, { title, guestLevels: 4, eptLevels: 4 });
    const table = draw.from(['guest', 'ept'] as const);
    const id = table === 'guest' ? 'guest.l1' : 'ept.l1@final';
    const { entry } = viewOf(before).references.find((one) => one.id === id)!;
    const value = BigInt(table === 'guest' ? spareGuest : spareHost) | (entry & FLAGS);
    const after = edited(before, [`${id}=${hex(value)}`]);
    if (!after.ok) throw new ModelError(after.fault.says);
    const { walkCase, edits } = after.value;
    return {
      lesson: 'stale-entry',
      seed,
      walkCase,
      stale: { before, edit: edits[0], ...ENOUGH[table] },
    };
  },
};
