import { eptViolationQualification } from '../../ept';
import { edited } from '../edit';
import type { LessonWalk } from '../lessons';
import { viewOf, type WalkView } from '../view';
import { type Answer, parseHex } from './answer';
import { addressHint, entryHint } from './hints';

/** A line of an answer that is wrong, or that is missing. */
export interface Wrong {
  /** In the answer file, from 1; undefined for one that is missing. */
  readonly line: number | undefined;
  readonly what: string;
  readonly hint: string;
}

/** What a student made of an exercise. */
export interface Grade {
  readonly right: number;
  readonly of: number;
  readonly wrong: readonly Wrong[];
}

/** The words of the right outcome. */
export const outcomeWords = ({ outcome }: WalkView): readonly [kind: string, value?: bigint] => {
  if (outcome.ok) return ['address', BigInt(outcome.value)];
  const { fault } = outcome;
  if (fault.kind === 'page-fault') return [fault.kind, BigInt(fault.errorCode)];
  return fault.kind === 'ept-violation'
    ? [fault.kind, BigInt(eptViolationQualification(fault))]
    : [fault.kind];
};

const OUTCOME_HINTS: Readonly<Record<string, string>> = {
  address:
    'the walk comes to an end: the last entry names the page, the offset is that of the linear address',
  'page-fault':
    'the guest’s own tables do not allow it; the error code has P, W/R, U/S, RSVD and I/D in bits 0 to 4',
  'ept-violation':
    'EPT does not allow it; the qualification has the access in bits 2:0, the rights in bits 5:3, bit 7, and bit 8 for the final address',
  'ept-misconfiguration': 'an EPT entry holds what no entry may hold',
};

const gradeReferences = ({ references }: WalkView, answer: Answer): readonly Wrong[] => {
  const wrong: Wrong[] = [];
  const answered = new Map(answer.references.map((one) => [one.number, one]));
  for (const [index, right] of references.entries()) {
    const what = `reference ${right.number}`;
    const given = answered.get(right.number);
    if (given === undefined) wrong.push({ line: undefined, what, hint: 'it is not answered' });
    else if (given.read === undefined)
      wrong.push({ line: given.line, what, hint: 'the walk does come here: nothing before it has failed' });
    else if (given.read.address !== BigInt(right.address))
      wrong.push({
        line: given.line,
        what: `${what}, its address`,
        hint: addressHint(given.read.address, right, references[index - 1]),
      });
    else if (given.read.entry !== right.entry)
      wrong.push({
        line: given.line,
        what: `${what}, what it holds`,
        hint: entryHint(given.read.entry, right),
      });
  }
  const beyond = answer.references.find(
    ({ number, read }) => number > references.length && read !== undefined,
  );
  if (beyond !== undefined)
    wrong.push({
      line: beyond.line,
      what: `reference ${beyond.number}`,
      hint: 'the walk does not come here: it has ended before',
    });
  return wrong;
};

const gradeOutcome = (view: WalkView, { outcome: { words, line } }: Answer): readonly Wrong[] => {
  const [kind, value] = outcomeWords(view);
  const same = words[0] === kind && (value === undefined || parseHex(words[1]) === value);
  return same ? [] : [{ line, what: 'the outcome', hint: OUTCOME_HINTS[kind] }];
};

/** Whether an edit makes the walk what it was meant to be. */
const gradeMend = ({ walkCase, meant }: LessonWalk, { mend }: Answer): readonly Wrong[] => {
  if (meant === undefined) return [];
  const what = 'the mending';
  if (mend === undefined)
    return [{ line: undefined, what, hint: 'it is not answered; write "mend ENTRY=VALUE"' }];
  const result = edited(
    walkCase,
    mend.edit.split(';').filter((one) => one !== ''),
  );
  if (!result.ok) return [{ line: mend.line, what, hint: result.fault.says }];
  const { outcome } = viewOf(result.value.walkCase);
  const wanted = viewOf(meant).outcome;
  if (outcome.ok && wanted.ok && outcome.value === wanted.value) return [];
  const hint = outcome.ok
    ? 'the walk succeeds then, but comes to another page than the one that was meant'
    : 'the walk still fails with it';
  return [{ line: mend.line, what, hint }];
};

const gradeInvalidation = ({ stale }: LessonWalk, { invalidation }: Answer): readonly Wrong[] => {
  if (stale === undefined) return [];
  const what = 'the invalidation';
  if (invalidation === undefined)
    return [{ line: undefined, what, hint: 'it is not answered; write "invalidate NAME"' }];
  const { name, line } = invalidation;
  if (name === stale.smallest) return [];
  const hint = stale.enough.includes(name)
    ? 'it would be enough, but it drops more than it has to; there is a smaller one'
    : 'it does not drop what was cached from the entry that changed';
  return [{ line, what, hint }];
};

/** Grades an answer to a lesson. */
export const grade = (lesson: LessonWalk, answer: Answer): Grade => {
  const view = viewOf(lesson.walkCase);
  const parts = [
    gradeReferences(view, answer),
    gradeOutcome(view, answer),
    gradeMend(lesson, answer),
    gradeInvalidation(lesson, answer),
  ];
  const wrong = parts.flat();
  const of =
    view.references.length + 1 + (lesson.meant === undefined ? 0 : 1) + (lesson.stale === undefined ? 0 : 1);
  return { right: Math.max(0, of - wrong.length), of, wrong };
};
