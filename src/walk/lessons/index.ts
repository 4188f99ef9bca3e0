import { BROKEN_LESSONS } from './broken';
import type { Lesson } from './lesson';
import { SOUND_LESSONS } from './sound';
import { STALE_LESSON } from './stale';

export type { Invalidation, Lesson, LessonWalk, StaleTranslation } from './lesson';
export { INVALIDATIONS } from './lesson';

/** All lessons, the easiest first. */
export const LESSONS: readonly Lesson[] = [...SOUND_LESSONS, ...BROKEN_LESSONS, STALE_LESSON];
