import { gva } from '../core';
import { LESSONS, type LessonWalk, type WalkCase } from '../walk';
import { BadInput } from './exit-status';
import type { CommandIo } from './io';
import { readSnapshot } from './run-options';
import { choice, wholeNumber } from './values';
import { addressProblem, linearAddress } from './walk-address';
import { modeText, privilegeLevel, walkRequest } from './where';

/** Where a walk comes from: texts, checked here. */
export interface WalkSourceArguments {
  readonly snapshot?: string;
  readonly gva?: string;
  readonly cpu?: string;
  readonly access?: string;
  readonly user?: true;
  readonly lesson?: string;
  readonly seed?: string;
}

/** A walk to show, and the lesson that it belongs to. */
export interface WalkSource {
  readonly walkCase: WalkCase;
  readonly lesson?: LessonWalk;
}

const ACCESSES = ['read', 'write', 'fetch'] as const;
const DEFAULT_SEED = '1';

/** The lesson of a name, with the numbers of a seed. */
const lessonWalk = (name: string, seed: string): LessonWalk => {
  const names = LESSONS.map((one) => one.name);
  const chosen = choice('--lesson', name, [...names, 'list']);
  return LESSONS.find((one) => one.name === chosen)!.make(wholeNumber('--seed', seed, 0, 0xffff_ffff));
};

const fromSnapshot = (io: CommandIo, file: string, options: WalkSourceArguments): WalkCase => {
  if (options.gva === undefined)
    throw new BadInput(
      `--gva: missing; say which linear address to walk for, as in --snapshot ${file} --gva 0x401000`,
    );
  const address = linearAddress('--gva', options.gva);
  const access = choice('--access', options.access ?? 'read', ACCESSES);
  const state = readSnapshot(io, file, '--snapshot');
  const number =
    options.cpu === undefined
      ? state.turn.processor
      : wholeNumber('--cpu', options.cpu, 0, state.processors.length - 1);
  const processor = state.processors[number];
  const user = options.user === true || privilegeLevel(processor) === 3;
  const request = walkRequest(state, gva(address), access, user, processor);
  const problem = addressProblem(address, request.cr3 === undefined ? undefined : request.paging);
  if (problem !== undefined) throw new BadInput(`--gva ${options.gva}: ${problem.join('; ')}`);
  return {
    title: `${file}, processor ${number} in ${modeText(processor)}`,
    machine: 'x86',
    request,
  };
};

const OF_SNAPSHOTS = ['gva', 'cpu', 'access', 'user'] as const;

/** The walk of a JSON file; the validator of JSON takes a tenth of a second to load. */
const fromFile = async (
  io: CommandIo,
  file: string,
  { snapshot, lesson, seed }: WalkSourceArguments,
): Promise<WalkCase> => {
  const surplus = Object.entries({ snapshot, lesson, seed }).find(([, value]) => value !== undefined);
  if (surplus !== undefined)
    throw new BadInput(`--${surplus[0]}: ${file} is a walk of its own; leave one of them out`);
  const { readWalkFile } = await import('./walk-file');
  return readWalkFile(io, file);
};

/** The walk that the options name: from a file, a snapshot or a lesson. */
export const walkSource = async (
  io: CommandIo,
  file: string | undefined,
  options: WalkSourceArguments,
): Promise<WalkSource> => {
  const { snapshot, lesson, seed } = options;
  if (snapshot !== undefined && lesson !== undefined)
    throw new BadInput(
      `--lesson ${lesson}: --snapshot ${snapshot} is a walk of its own; leave one of them out`,
    );
  if (snapshot !== undefined) {
    if (seed !== undefined)
      throw new BadInput(`--seed ${seed}: it belongs to a lesson; leave it out with --snapshot`);
    return { walkCase: fromSnapshot(io, snapshot, options) };
  }
  const surplus = OF_SNAPSHOTS.find((name) => options[name] !== undefined);
  if (surplus !== undefined)
    throw new BadInput(`--${surplus}: it belongs to a snapshot; give --snapshot FILE too`);
  if (file !== undefined) return { walkCase: await fromFile(io, file, options) };
  if (lesson === undefined)
    throw new BadInput(
      'walk: nothing to walk; give a JSON file, --lesson NAME (--lesson list shows all), or --snapshot FILE --gva ADDRESS',
    );
  const made = lessonWalk(lesson, seed ?? DEFAULT_SEED);
  return { walkCase: made.walkCase, lesson: made };
};
