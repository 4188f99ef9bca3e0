import { hex } from '../core';
import type { Edit } from './edit';
import { explain } from './explain';
import { type Ink, PLAIN, walkText } from './text';
import type { WalkView } from './view';

const DIGITS = { 2: 4, 4: 8, 8: 16 } as const;

/** Numbers of the references that a walk has and the other has not. */
const newReferences = (before: WalkView, after: WalkView): ReadonlySet<number> =>
  new Set(
    after.references
      .filter((one, index) => {
        const old = before.references[index];
        return (
          old === undefined || old.address !== one.address || old.entry !== one.entry || old.id !== one.id
        );
      })
      .map(({ number }) => number),
  );

/** A walk after edits, and what they changed; `*` marks the references that are new or read something else. */
export const changesText = (
  before: WalkView,
  after: WalkView,
  edits: readonly Edit[],
  ink: Ink = PLAIN,
): string => {
  const marked = newReferences(before, after);
  const list = edits.map(
    ({ entry, address, before: old, after: value, bytes }) =>
      `Set ${entry} at ${hex(address)}: ${hex(old, DIGITS[bytes])} is ${hex(value, DIGITS[bytes])} now.`,
  );
  const was = explain(before).short;
  const is = explain(after).short;
  const outcome = was === is ? `As before: ${is}.` : `Before: ${was}. Now: ${is}.`;
  const count =
    before.references.length === after.references.length
      ? `${after.references.length} references, as before; ${marked.size} of them ${marked.size === 1 ? 'differs' : 'differ'} (*).`
      : `${before.references.length} references before, ${after.references.length} now; ${marked.size} of them ${marked.size === 1 ? 'differs' : 'differ'} (*).`;
  return `${walkText(after, ink, marked)}\n${[...list, outcome, count].join('\n')}\n`;
};
