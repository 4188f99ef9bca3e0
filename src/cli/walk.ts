import type { Command } from 'commander';
import {
  changesText,
  compare,
  comparisonNotes,
  comparisonRows,
  drawComparison,
  drawWalk,
  edited,
  type Ink,
  LESSONS,
  staleNotes,
  TECHNIQUES,
  viewOf,
  type WalkCase,
  walkJson,
  walkText,
} from '../walk';
import { BadInput, EXIT_STATUS } from './exit-status';
import type { CommandIo } from './io';
import { paint } from './paint';
import { table } from './table';
import { choice, choices } from './values';
import { answeredLesson, type ExerciseArguments, exerciseCommand, exerciseOf } from './walk-exercise';
import { type WalkSourceArguments, walkSource } from './walk-source';

/** What commander makes of the command line: texts, checked here. */
export interface WalkArguments extends WalkSourceArguments, ExerciseArguments {
  readonly format?: string;
  readonly set?: readonly string[];
  readonly compare?: string;
}

const FORMATS = ['text', 'json', 'svg'] as const;
type Format = (typeof FORMATS)[number];

const EXAMPLES = `
Examples:
  vtmodel walk --lesson list
  vtmodel walk --lesson 4x4
  vtmodel walk --lesson 4x4 --format svg > walk.svg
  vtmodel walk --lesson 4x4 --set ept.l1@final=-read --set guest.l2=0
  vtmodel walk --lesson 4x4 --compare native,shadow,ept
  vtmodel walk tables.json --set guest.l1=+write
  vtmodel walk --lesson tiny --seed 7 --hide > sheet.txt
  vtmodel walk --answer sheet.txt
  vtmodel walk --snapshot saved.vtm --gva 0x401000 --access write

Exit status: 0 the walk is shown, whatever its outcome, or the answer is all right; 1 some of the answer is wrong; 2 bad input.`;

/** The options of `vtmodel walk`. */
export const describeWalk = (command: Command): Command =>
  command
    .summary('show a page walk, step by step')
    .description(
      'Shows how an address is translated: each table entry that the processor reads, and what comes of it.',
    )
    .argument('[file]', 'a walk of yours: registers and table entries as JSON (schemas/walk.schema.json)')
    .option('--snapshot <file>', 'walk in a machine that vtmodel run --save saved')
    .option('--gva <address>', 'linear address to walk for, in the snapshot')
    .option('--access <kind>', 'read, write or fetch (default: read)')
    .option('--user', 'as user mode; else as the processor of the snapshot is')
    .option('--cpu <n>', 'which processor of the snapshot (default: the one whose turn it is)')
    .option('--lesson <name>', 'a walk to learn from; list shows all')
    .option('--seed <n>', 'other numbers for the lesson, 32 bits (default: 1)')
    .option('--hide', 'the lesson as an exercise: a sheet to fill in, or with --format svg its picture')
    .option('--answer <file>', 'grade a sheet; it names its lesson and seed')
    .option('--reveal', 'the lesson solved, as a sheet that is all right')
    .option('--format <name>', `${FORMATS.join(', ')} (default: text)`)
    .option(
      '--set <entry=value>',
      'change an entry and walk again, as ept.l1@final=-read; may be repeated',
      (one: string, all: readonly string[] | undefined) => [...(all ?? []), one],
    )
    .option('--compare <techniques>', `side by side, with reference counts: ${TECHNIQUES.join(',')}`)
    .addHelpText('after', EXAMPLES);

const lessonList = (io: CommandIo): string => {
  const { bold } = paint(io, io.stdout);
  return table(LESSONS.map(({ name, summary }) => [bold(name), summary]));
};

const inkOf = (io: CommandIo): Ink => {
  const { bold, dim, red, green } = paint(io, io.stdout);
  return { strong: bold, faint: dim, bad: red, good: green };
};

const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const comparison = (io: CommandIo, walkCase: WalkCase, techniques: string, format: Format): string => {
  const columns = compare(walkCase, choices('--compare', techniques, TECHNIQUES));
  if (format === 'svg') return drawComparison(columns);
  if (format === 'json')
    return jsonText(Object.fromEntries(columns.map(({ technique, view }) => [technique, walkJson(view)])));
  const { bold } = paint(io, io.stdout);
  const [head, counts, outcome, ...rows] = comparisonRows(columns);
  const lines = [head.map((cell) => bold(cell)), counts, outcome, head.map(() => ''), ...rows];
  return `${bold(walkCase.title)}\n\n${table(lines, [])}\n${comparisonNotes(columns).join('\n')}\n`;
};

const shown = (
  io: CommandIo,
  walkCase: WalkCase,
  { set }: WalkArguments,
  format: Format,
  notes: readonly string[],
): string => {
  const before = viewOf(walkCase);
  const result = edited(walkCase, set ?? []);
  if (!result.ok) throw new BadInput(`--set ${result.fault.says}`);
  const { edits } = result.value;
  const after = viewOf(result.value.walkCase);
  if (format === 'svg') return drawWalk(after, { notes });
  if (format === 'json')
    return jsonText(edits.length === 0 ? walkJson(after) : { ...walkJson(after), before: walkJson(before) });
  return edits.length === 0 ? walkText(after, inkOf(io)) : changesText(before, after, edits, inkOf(io));
};

/** Options that make no exercise. */
const WITHOUT_EXERCISE = ['set', 'compare', 'snapshot'] as const;

const exerciseOn = async (
  io: CommandIo,
  file: string | undefined,
  options: WalkArguments,
  exercise: NonNullable<ReturnType<typeof exerciseOf>>,
  format: Format,
): Promise<number> => {
  if (file !== undefined)
    throw new BadInput(`${file}: --${exercise} is about a lesson; leave one of them out`);
  const surplus = WITHOUT_EXERCISE.find((name) => options[name] !== undefined);
  if (surplus !== undefined)
    throw new BadInput(`--${surplus}: --${exercise} is about a lesson as it is; leave one of them out`);
  const named =
    exercise === 'answer' && options.lesson === undefined ? answeredLesson(io, options.answer!) : {};
  const { lesson } = await walkSource(io, undefined, { ...options, ...named });
  return exerciseCommand(io, lesson!, exercise, options, format);
};

/** `vtmodel walk`: gives the exit status. */
export const walkCommand = async (
  io: CommandIo,
  file: string | undefined,
  options: WalkArguments,
): Promise<number> => {
  const format = choice('--format', options.format ?? 'text', FORMATS);
  if (options.lesson === 'list') {
    io.stdout.write(lessonList(io));
    return EXIT_STATUS.success;
  }
  const exercise = exerciseOf(options);
  if (exercise !== undefined) return exerciseOn(io, file, options, exercise, format);
  const { walkCase, lesson } = await walkSource(io, file, options);
  if (options.compare === undefined) {
    const notes = lesson === undefined || options.set !== undefined ? [] : staleNotes(lesson);
    io.stdout.write(shown(io, walkCase, options, format, notes));
    if (format === 'text' && notes.length > 0) io.stdout.write(`\n${notes.join('\n')}\n`);
  } else {
    const result = edited(walkCase, options.set ?? []);
    if (!result.ok) throw new BadInput(`--set ${result.fault.says}`);
    io.stdout.write(comparison(io, result.value.walkCase, options.compare, format));
  }
  return EXIT_STATUS.success;
};
