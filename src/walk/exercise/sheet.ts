import { hex, ModelError } from '../../core';
import { INVALIDATIONS, LESSONS, type LessonWalk, type StaleTranslation } from '../lessons';
import { requestLines, walkText } from '../text';
import { type ShownReference, viewOf } from '../view';
import type { WalkCase } from '../walk-case';
import { outcomeWords } from './grade';
import { memoryDump } from './memory-dump';

const remark = (line: string): string => `# ${line}`.trimEnd();

const storyOf = ({ lesson }: LessonWalk): readonly string[] => {
  const found = LESSONS.find(({ name }) => name === lesson);
  if (found === undefined) throw new ModelError(`no lesson is named ${lesson}`);
  return found.story;
};

/** What was changed behind the processor's back; the exercise does not tell whose entry it is. */
const staleLines = (
  { edit, cached }: StaleTranslation,
  { request: { address } }: WalkCase,
  hidden: boolean,
): readonly string[] => [
  `Cached: linear ${hex(address)} is host-physical ${hex(cached)}.`,
  `Then the entry at host-physical ${hex(edit.address)}${hidden ? '' : ` (${edit.entry})`} was changed from ${hex(edit.before)} to ${hex(edit.after)}.`,
];

/** What a processor may answer in a lesson about a stale translation, in lines; none in any other. The exercise does not tell the answer. */
export const staleNotes = ({ stale, walkCase }: LessonWalk, hidden = false): readonly string[] =>
  stale === undefined
    ? []
    : [
        ...staleLines(stale, walkCase, hidden),
        ...(hidden
          ? []
          : [
              `The processor may answer ${hex(stale.cached)} or ${hex(stale.fresh)}; only ${hex(stale.fresh)} after ${stale.enough.join(' or ')}.`,
            ]),
      ];

const HOW = [
  'Fill in, after each number, the host-physical address of the entry that is read and what it holds: 1 0x1000 0x2007',
  'Numbers are hexadecimal, with or without 0x',
  'Where nothing is read any more, write: 7 - -',
  'The outcome is one of: address 0x1234, page-fault 0x9 (error code), ept-violation 0x81 (qualification), ept-misconfiguration',
];
const HOW_MEND =
  'mend ENTRY=VALUE says which entry has to hold what: mend ept.l1@final=+read, or a whole value as in guest.l2=0x1027';
const HOW_INVALIDATE = `invalidate NAME is the smallest that would have been enough: ${INVALIDATIONS.join(', ')}`;

const howLines = ({ meant, stale }: LessonWalk): readonly string[] => [
  ...HOW,
  ...(meant === undefined ? [] : [HOW_MEND]),
  ...(stale === undefined ? [] : [HOW_INVALIDATE]),
];

/** References that the walk would make if nothing were broken, so that the sheet does not tell where it ends. */
const planned = ({ meant, walkCase }: LessonWalk): readonly ShownReference[] =>
  viewOf(meant ?? walkCase).references;

const WIDE = 48;

/** The exercise of a lesson: what is given, and an answer file to fill in. */
export const exerciseSheet = (lesson: LessonWalk): string => {
  const { walkCase, stale, meant } = lesson;
  const given = [
    walkCase.title,
    '',
    ...storyOf(lesson),
    '',
    ...requestLines(viewOf(walkCase)),
    ...(stale === undefined ? [] : staleLines(stale, walkCase, true)),
    '',
    'Memory, by host-physical address; the rest is zero:',
    ...memoryDump(walkCase).map((line) => `  ${line}`),
    '',
    ...howLines(lesson),
  ];
  const blanks = planned(lesson).map(
    ({ number, name }) => `${`${number}`.padStart(2)}`.padEnd(WIDE) + remark(name),
  );
  return [
    ...given.map(remark),
    '',
    `lesson ${lesson.lesson}`,
    `seed ${lesson.seed}`,
    ...blanks,
    'outcome',
    ...(meant === undefined ? [] : ['mend']),
    ...(stale === undefined ? [] : ['invalidate']),
    '',
  ].join('\n');
};

/** The entry that a broken walk has wrong, with the value that it ought to have. */
const mendLine = ({ walkCase, meant }: LessonWalk): readonly string[] => {
  if (meant === undefined) return [];
  const now = new Map(viewOf(walkCase).references.map((one) => [one.address, one.entry]));
  const wrong = viewOf(meant).references.find(({ address, entry }) => (now.get(address) ?? entry) !== entry);
  return wrong === undefined ? [] : [`mend ${wrong.id}=${hex(wrong.entry)}`];
};

/** The solution: the walk as remarks, then an answer file that is all right. */
export const solvedSheet = (lesson: LessonWalk): string => {
  const { walkCase, stale } = lesson;
  const view = viewOf(walkCase);
  const told = [
    ...walkText(view).trimEnd().split('\n'),
    ...(stale === undefined ? [] : ['', ...staleNotes(lesson), 'What follows is what a walk finds now.']),
  ];
  const outcome = outcomeWords(view)
    .map((word) => (typeof word === 'bigint' ? hex(word) : word))
    .join(' ');
  return [
    ...told.map(remark),
    '',
    `lesson ${lesson.lesson}`,
    `seed ${lesson.seed}`,
    ...view.references.map(({ number, address, entry }) => `${number} ${hex(address)} ${hex(entry)}`),
    `outcome ${outcome}`,
    ...mendLine(lesson),
    ...(stale === undefined ? [] : [`invalidate ${stale.smallest}`]),
    '',
  ].join('\n');
};
