import {
  drawWalk,
  exerciseSheet,
  grade,
  type LessonWalk,
  parseAnswer,
  solvedSheet,
  staleNotes,
  viewOf,
} from '../walk';
import { BadInput, EXIT_STATUS } from './exit-status';
import { readInput } from './files';
import type { CommandIo } from './io';
import { paint } from './paint';

/** What is to be done with a lesson beside showing it. */
export interface ExerciseArguments {
  readonly hide?: true;
  readonly reveal?: true;
  readonly answer?: string;
}

const EXERCISES = ['hide', 'reveal', 'answer'] as const;

/** The exercise option that is given. */
export const exerciseOf = (options: ExerciseArguments): (typeof EXERCISES)[number] | undefined => {
  const given = EXERCISES.filter((name) => options[name] !== undefined);
  if (given.length > 1)
    throw new BadInput(`--${given[1]}: --${given[0]} is given too; leave one of them out`);
  return given[0];
};

const MOST_BYTES = 1 << 20;

const readAnswer = (io: CommandIo, file: string) => {
  const bytes = readInput(io, file, '--answer');
  if (bytes.length > MOST_BYTES)
    throw new BadInput(`${file}: --answer: larger than 1 MiB; give what --hide prints, filled in`);
  const answer = parseAnswer(new TextDecoder().decode(bytes));
  if (!answer.ok) throw new BadInput(`${file}: line ${answer.fault.line}: ${answer.fault.says}`);
  return answer.value;
};

/** Which lesson and seed an answer file is for. */
export const answeredLesson = (
  io: CommandIo,
  file: string,
): { readonly lesson: string; readonly seed: string } => {
  const { lesson, seed } = readAnswer(io, file);
  return { lesson, seed: `${seed}` };
};

/** Grades an answer file: 0 when all is right, 1 with what is wrong. */
const graded = (io: CommandIo, lesson: LessonWalk, file: string, format: string): number => {
  const answer = readAnswer(io, file);
  if (answer.lesson !== lesson.lesson || answer.seed !== lesson.seed)
    throw new BadInput(
      `${file}: it answers lesson ${answer.lesson}, seed ${answer.seed}; leave out --lesson and --seed, or give those`,
    );
  const result = grade(lesson, answer);
  const { right, of, wrong } = result;
  const { red, green } = paint(io, io.stdout);
  if (format === 'json') io.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else {
    for (const { line, what, hint } of wrong)
      io.stdout.write(`${red(`wrong: ${line === undefined ? '' : `line ${line}, `}${what}`)}: ${hint}\n`);
    const sum = `${right} of ${of} right: lesson ${lesson.lesson}, seed ${lesson.seed}`;
    io.stdout.write(`${wrong.length === 0 ? green(sum) : sum}\n`);
  }
  return wrong.length === 0 ? EXIT_STATUS.success : EXIT_STATUS.doesNotHold;
};

/** `--hide`, `--reveal` and `--answer`: gives the exit status. */
export const exerciseCommand = (
  io: CommandIo,
  lesson: LessonWalk,
  kind: (typeof EXERCISES)[number],
  options: ExerciseArguments,
  format: string,
): number => {
  if (kind === 'answer') {
    if (format === 'svg') throw new BadInput('--answer: it has no picture; leave out --format svg');
    return graded(io, lesson, options.answer!, format);
  }
  if (format === 'json') throw new BadInput(`--${kind}: it is text or a picture; leave out --format json`);
  const hidden = kind === 'hide';
  if (format === 'svg') {
    const { title } = lesson.walkCase;
    const planned = hidden ? { ...(lesson.meant ?? lesson.walkCase), title } : lesson.walkCase;
    io.stdout.write(drawWalk(viewOf(planned), { hidden, notes: staleNotes(lesson, hidden) }));
  } else io.stdout.write(hidden ? exerciseSheet(lesson) : solvedSheet(lesson));
  return EXIT_STATUS.success;
};
