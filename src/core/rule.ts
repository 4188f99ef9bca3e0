import type { SectionTitle } from './manual';

/**
 * A rule of the architecture as a row. `when` says whether it applies, `holds` whether the state obeys it; `reads` names every
 * state field that the two look at. Ids are permanent, section numbers are not (they live in `manual.ts`).
 */
export interface Rule<Context, Field extends string = string> {
  readonly id: string;
  readonly section: SectionTitle;
  /** What must hold, in our own words. */
  readonly says: string;
  readonly reads: readonly Field[];
  readonly when: (context: Context) => boolean;
  readonly holds: (context: Context) => boolean;
  /** Rules that every violation of this one also breaks. */
  readonly impliedBy?: readonly string[];
}

export const always = (): boolean => true;
