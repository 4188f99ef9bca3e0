/** Page walks to look at: cases, how they are told and drawn, lessons and exercises. */

export { changesText } from './changes';
export { compare, comparisonNotes, comparisonRows, TECHNIQUES } from './compare';
export { type EditError, edited, parseNumber } from './edit';
export { explain } from './explain';
export { walkJson } from './json';
export { LESSONS, type Lesson, type LessonWalk } from './lessons';
export { mendOf } from './mend';
export { drawWalk } from './picture/walk-picture';
export { type Ink, PLAIN, walkText } from './text';
export { type ShownReference, viewOf, type WalkRow, type WalkView } from './view';
export { type WalkCase, walkOf, wholeEpt } from './walk-case';
