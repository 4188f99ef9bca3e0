import { type Hpa, hex, ModelError } from '../../core';
import { EMPTY_CACHES, type TranslationCaches } from '../../cpu/caching';
import { access, invalidate, permittedTranslations, type TranslationRequest } from '../../ept';
import { Draw } from '../draw';
import { edited } from '../edit';
import { viewOf } from '../view';
import type { WalkCase } from '../walk-case';
import { buildWalk } from './build';
import { INVALIDATIONS, type Invalidation, type Lesson, type StaleTranslation } from './lesson';

const FLAGS = 0xfffn;

/** The walk of a case as an access that a processor makes. */
const requestOf = ({
  request: { address, cr3, eptp, ept, physicalAddressWidth },
}: WalkCase): TranslationRequest => ({
  address,
  cr3: cr3!,
  eptp,
  ...(ept === undefined ? {} : { ept }),
  ...(physicalAddressWidth === undefined ? {} : { features: { physicalAddressWidth } }),
});

/** What the instruction of a name leaves, as it is used against a stale translation of that access. */
const after = (
  name: Invalidation,
  caches: TranslationCaches,
  { address, eptp }: TranslationRequest,
): TranslationCaches => {
  switch (name) {
    case 'invpcid':
      return invalidate(caches, { kind: name, type: 0, address });
    case 'invvpid':
      return invalidate(caches, { kind: name, type: 0, vpid: 0, address });
    case 'invept':
      return invalidate(caches, { kind: name, type: 1, eptp: eptp! });
    case 'mov-cr3':
      return invalidate(caches, { kind: name });
    case 'invlpg':
      return invalidate(caches, { kind: name, address });
  }
};

/** What a processor that made the access before may answer now, and what would have been enough. */
const staleAfter = (before: WalkCase, now: WalkCase): Omit<StaleTranslation, 'edit'> => {
  const request = requestOf(before);
  const { memory } = now.request;
  const { caches } = access(EMPTY_CACHES, before.request.memory, request);
  const answers = (kept: TranslationCaches): readonly Hpa[] =>
    permittedTranslations(kept, memory, request).map(({ outcome }) => {
      if (!outcome.ok) throw new ModelError('a sound walk has only addresses as answers');
      return outcome.value;
    });
  const [fresh] = answers(EMPTY_CACHES);
  const [cached] = answers(caches);
  const enough = INVALIDATIONS.filter((name) =>
    answers(after(name, caches, request)).every((answer) => answer === fresh),
  );
  if (cached === fresh || enough.length === 0) throw new ModelError('nothing is stale in this lesson');
  return { cached, fresh, smallest: enough[0], enough };
};

const SUMMARY = 'a translation that was cached before its tables changed';

/** The tables are sound, and the processor may use what they said before. */
export const STALE_LESSON: Lesson = {
  name: 'stale-entry',
  summary: SUMMARY,
  story: [
    'The translation was used, and the processor keeps it (a combined mapping: linear address to host frame). Then software changed one entry and invalidated nothing.',
    'A walk would find the new page; the processor may go on with the old one, as long as it likes. Both are legal, and software cannot tell which it gets.',
    'Which invalidation would have been enough depends on whose table it was: each drops the mappings that it is about, and leaves the others.',
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
    const result = edited(before, [`${id}=${hex(value)}`]);
    if (!result.ok) throw new ModelError(result.fault.says);
    const { walkCase, edits } = result.value;
    return {
      lesson: 'stale-entry',
      seed,
      walkCase,
      stale: { edit: edits[0], ...staleAfter(before, walkCase) },
    };
  },
};
