/** Page walks to look at: cases, how they are told and drawn, lessons and exercises. */
export { changesText } from './changes';
export { compare, comparisonNotes, comparisonRows, TECHNIQUES } from './compare';
export { edited, parseNumber } from './edit';
export { parseAnswer } from './exercise/answer';
export { grade } from './exercise/grade';
export { exerciseSheet, solvedSheet, staleNotes } from './exercise/sheet';
export { walkJson } from './json';
export { LESSONS, type LessonWalk } from './lessons';
export { drawComparison } from './picture/comparison-picture';
export { drawWalk } from './picture/walk-picture';
export { type Ink, walkText } from './text';
export { viewOf } from './view';
export { MEMORY_LIMIT, type PlacedEntry, type WalkCase, wholeEpt, withEntries } from './walk-case';
