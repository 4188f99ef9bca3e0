import type { Scene, SceneContext } from '../scene';

/** A rule about the translation caches, with an example that shows it. */
export interface Row {
  /** Topic and name; for good. */
  readonly id: string;
  /** One sentence. */
  readonly rule: string;
  /** Sections of the manual. */
  readonly section: string;
  /** Registers of the processor at the start: 4-level paging with CR4.PAE and PGE where left out. A `cr3` of 0 becomes a root of its own. */
  readonly start?: SceneContext;
  /** What comes before the use. */
  readonly example: (scene: Scene) => void;
  /** One access, or a few, and what they show. */
  readonly use: (scene: Scene) => string;
  /** Every result that hardware may give, the one first that a processor gives which keeps all that it may. */
  readonly legal: readonly string[];
  /** Legal results that no policy of a machine gives, with the reason. */
  readonly unseen?: Readonly<Record<string, string>>;
  /** Legal results that the model never gives, with the reason. */
  readonly beyond?: Readonly<Record<string, string>>;
  /** Why the example does not run on a machine, where it does not. */
  readonly pure?: string;
  /** No source settles the rule: what the model does is its default. */
  readonly unconfirmed?: true;
}

/** An access that is made again when it faults: a fault on remembered rights does not come twice. */
export const retried = (access: () => string): string => {
  const first = access();
  return first === '#PF' || first === 'violation' ? `${first} then ${access()}` : first;
};

/** The example of another row, with a use and results of its own where it gives them. */
export const as = (
  { start, example, use, legal, unseen, beyond, pure }: Row,
  own: Pick<Row, 'id' | 'rule' | 'section'> & Partial<Row>,
): Row => ({
  ...(start === undefined ? {} : { start }),
  ...(unseen === undefined ? {} : { unseen }),
  ...(beyond === undefined ? {} : { beyond }),
  ...(pure === undefined ? {} : { pure }),
  example,
  use,
  legal,
  ...own,
});
