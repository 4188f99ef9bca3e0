import { type Command, Option } from 'commander';
import { changesText, edited, type Ink, LESSONS, type LessonWalk, viewOf, walkText } from '../walk';
import { BadInput, EXIT_STATUS } from './exit-status';
import type { CommandIo } from './io';
import { paint } from './paint';
import { table } from './table';
import { choice, wholeNumber } from './values';

/** What commander makes of the command line: texts, checked here. */
export interface WalkArguments {
  readonly lesson?: string;
  readonly seed?: string;
  readonly set?: readonly string[];
}

const EXAMPLES = `
Examples:
  vtmodel walk --lesson list
  vtmodel walk --lesson 4x4
  vtmodel walk --lesson 4x4 --set ept.l1@final=-read --set guest.l2=0

Exit status: 0 the walk is shown, whatever its outcome; 2 bad input.`;

/** The options of `vtmodel walk`. */
export const describeWalk = (command: Command): Command =>
  command
    .summary('show a page walk, step by step')
    .description(
      'Shows how an address is translated: each table entry that the processor reads, and what comes of it.',
    )
    .addOption(new Option('--lesson <name>', 'a walk to learn from; list shows all'))
    .option('--seed <n>', 'other numbers for the lesson, 32 bits (default: 1)')
    .option(
      '--set <entry=value>',
      'change an entry and walk again, as ept.l1@final=-read; may be repeated',
      (one: string, all: readonly string[] | undefined) => [...(all ?? []), one],
    )
    .addHelpText('after', EXAMPLES);

const DEFAULT_SEED = '1';

const lessonList = (io: CommandIo): string => {
  const { bold } = paint(io, io.stdout);
  return table(LESSONS.map(({ name, summary }) => [bold(name), summary]));
};

const lessonWalk = (name: string, seed: string): LessonWalk => {
  const names = LESSONS.map((one) => one.name);
  const chosen = choice('--lesson', name, [...names, 'list']);
  return LESSONS.find((one) => one.name === chosen)!.make(wholeNumber('--seed', seed, 0, 0xffff_ffff));
};

const inkOf = (io: CommandIo): Ink => {
  const { bold, dim, red, green } = paint(io, io.stdout);
  return { strong: bold, faint: dim, bad: red, good: green };
};

/** `vtmodel walk`: gives the exit status. */
export const walkCommand = (io: CommandIo, options: WalkArguments): number => {
  if (options.lesson === 'list') {
    io.stdout.write(lessonList(io));
    return EXIT_STATUS.success;
  }
  if (options.lesson === undefined)
    throw new BadInput('walk: nothing to walk; give --lesson NAME, as in vtmodel walk --lesson 4x4');
  const { walkCase } = lessonWalk(options.lesson, options.seed ?? DEFAULT_SEED);
  const before = viewOf(walkCase);
  const ink = inkOf(io);
  if (options.set === undefined) {
    io.stdout.write(walkText(before, ink));
    return EXIT_STATUS.success;
  }
  const result = edited(walkCase, options.set);
  if (!result.ok) throw new BadInput(`--set ${result.fault.says}`);
  io.stdout.write(changesText(before, viewOf(result.value.walkCase), result.value.edits, ink));
  return EXIT_STATUS.success;
};
