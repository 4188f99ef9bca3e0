import { gva } from '../core';
import { LESSONS, type LessonWalk, parseNumber, type WalkCase } from '../walk';
import { BadInput } from './exit-status';
import type { CommandIo } from './io';
import { readSnapshot } from './run-options';
import { choice, wholeNumber } from './values';
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

const linearAddress = (option: string, text: string): bigint => {
  const value = parseNumber(text);
  if (value === undefined)
    throw new BadInput(
      `${option} ${text}: not an address of at most 64 bits; write it as in ${option} 0x7fff1000`,
    );
  return value;
};

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
  return {
    title: `${file}, processor ${number} in ${modeText(processor)}`,
    machine: 'x86',
    request: walkRequest(state, gva(address), access, user, processor),
  };
};

const OF_SNAPSHOTS = ['gva', 'cpu', 'access', 'user'] as const;

/** The walk that the options name: from a snapshot or a lesson. */
export const walkSource = (io: CommandIo, options: WalkSourceArguments): WalkSource => {
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
  if (lesson === undefined)
    throw new BadInput(
      'walk: nothing to walk; give --lesson NAME (--lesson list shows all), or --snapshot FILE --gva ADDRESS',
    );
  const made = lessonWalk(lesson, seed ?? DEFAULT_SEED);
  return { walkCase: made.walkCase, lesson: made };
};
