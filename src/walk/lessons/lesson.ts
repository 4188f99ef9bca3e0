import type { Hpa } from '../../core';
import type { Edit } from '../edit';
import type { WalkCase } from '../walk-case';

/** A table entry was changed and nothing was invalidated: what a processor may still use. */
export interface StaleTranslation {
  readonly edit: Edit;
  /** What the processor may still answer. */
  readonly cached: Hpa;
  /** What a walk finds now. */
  readonly fresh: Hpa;
  /** The smallest invalidation that would have been enough, and all that are. */
  readonly smallest: Invalidation;
  readonly enough: readonly Invalidation[];
}

/** Instructions that drop cached translations, what drops least first. SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
export const INVALIDATIONS = ['invlpg', 'invpcid', 'mov-cr3', 'invvpid', 'invept'] as const;
export type Invalidation = (typeof INVALIDATIONS)[number];

/** A lesson with its numbers. */
export interface LessonWalk {
  readonly lesson: string;
  readonly seed: number;
  readonly walkCase: WalkCase;
  /** Of a broken walk: as it was meant. */
  readonly meant?: WalkCase;
  readonly stale?: StaleTranslation;
}

/** Something to learn, whose numbers follow from a seed. */
export interface Lesson {
  readonly name: string;
  /** What it shows, in a line. */
  readonly summary: string;
  /** What to look at, a sentence each. */
  readonly story: readonly string[];
  readonly make: (seed: number) => LessonWalk;
}
