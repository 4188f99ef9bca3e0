import { readFileSync } from 'node:fs';
import { ModelError } from '../../src/core';
import type { CachePolicy } from '../../src/cpu/caching';
import { type PresetName, processor } from '../../src/cpu/presets';
import { type CriteriaReport, checkCriteria } from '../../src/criteria';
import {
  createMachine,
  describeStale,
  loadImage,
  type MachineState,
  type RunOptions,
  run,
} from '../../src/machine';
import { hardwareAssistedMonitor } from '../../src/vmm/hardware-assisted';
import { BadInput, type Expectation } from './expectations';
import { type Result, tally } from './outcome';

/** Told how far an image is, in instructions. */
export type Progress = (instructions: number) => void;

/** What a command found out; the text that the guest printed is counted elsewhere. */
type Ended = Pick<Result, 'ended' | 'instructions' | 'broken'> & { readonly stale: readonly string[] };

const encoder = new TextEncoder();
const MIB = 2 ** 20;
const SLICE = 200_000_000;
/** The guest of a check runs on a bare machine without VMX. */
const EDITS = { run: [], check: ['-vmx'] } as const;

const statusOf = (code: number): number => ((code << 1) | 1) & 0xff;

/** The image in memory, as `vtmodel run` loads it. */
export const loadedImage = (path: string, expectation: Expectation): MachineState => {
  const { command, append, memoryMib, cpus, environment } = expectation;
  const [preset, ...edits] = expectation.processor.split(',');
  const machine = createMachine({
    processor: processor(preset as PresetName, [...edits, ...EDITS[command]]),
    memoryBytes: memoryMib * MIB,
    board: { processors: cpus, ...(append === '' ? {} : { commandLine: { address: 0, text: append } }) },
  });
  const options = {
    fileName: path,
    ...(append === '' ? {} : { commandLine: append }),
    ...(environment === '' ? {} : { modules: [{ name: 'environment', bytes: encoder.encode(environment) }] }),
  };
  const loaded = loadImage(machine, readFileSync(path), options);
  if (!loaded.ok) throw new BadInput(loaded.fault.says);
  return loaded.value;
};

type Listener = NonNullable<RunOptions['onEffect']>;

const bare = (start: MachineState, limit: number, onEffect: Listener, progress: Progress): Ended => {
  let state = start;
  const stale: string[] = [];
  const onStaleTranslation: RunOptions['onStaleTranslation'] = (report) => stale.push(describeStale(report));
  let instructions = 0;
  for (;;) {
    const maxInstructions = Math.min(SLICE, limit - instructions);
    const {
      state: next,
      stop,
      retired,
    } = run(state, {
      tier: 'generated',
      maxInstructions,
      onEffect,
      onStaleTranslation,
    });
    state = next;
    instructions += retired;
    if (stop.kind === 'exit') return { ended: stop.status, instructions, broken: [], stale };
    if (stop.kind !== 'limit' || instructions >= limit)
      return { ended: stop.kind, instructions, broken: [], stale };
    progress(instructions);
  }
};

const CRITERIA = ['equivalence', 'resourceControl', 'efficiency'] as const;
const WORDS = { equivalence: 'equivalence', resourceControl: 'resource control', efficiency: 'efficiency' };

const monitored = async (
  start: MachineState,
  maxInstructions: number,
  onEffect: Listener,
  progress: Progress,
): Promise<Ended> => {
  let report: CriteriaReport | undefined;
  for await (const step of checkCriteria(start, hardwareAssistedMonitor(), { maxInstructions, onEffect }))
    if (step.kind === 'report') report = step;
    else progress(step.instructions);
  const { end, instructions } = report!;
  const broken = CRITERIA.filter((name) => !report![name].holds).map((name) => `${WORDS[name]} fails`);
  const ended = end.kind === 'exit' ? statusOf(end.code) : end.kind;
  return { ended, instructions, broken, stale: report!.staleTranslations };
};

/** Runs an image as its expectation says. What the model lacks ends it, and is said in `ended`. `onText` is told what the guest printed. With `caches` stale translations are told. */
export const runImage = async (
  path: string,
  expectation: Expectation,
  progress: Progress,
  onText: (text: string) => void,
  caches: CachePolicy | undefined,
): Promise<Result> => {
  const loaded = loadedImage(path, expectation);
  const start = caches === undefined ? loaded : { ...loaded, config: { ...loaded.config, caches } };
  const { command, maxInstructions } = expectation;
  let output = '';
  let reached = 0;
  const onEffect: Listener = (effect) => {
    if (effect.kind === 'serial') output += String.fromCharCode(effect.byte);
  };
  const onward: Progress = (instructions) => {
    reached = instructions;
    progress(instructions);
  };
  const began = performance.now();
  let ended: Ended;
  try {
    ended =
      command === 'run'
        ? bare(start, maxInstructions, onEffect, onward)
        : await monitored(start, maxInstructions, onEffect, onward);
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    ended = { ended: error.message, instructions: reached, broken: [], stale: [] };
  }
  onText(output);
  const { stale, ...told } = ended;
  return {
    ...tally(output),
    ...told,
    stale: caches === undefined ? undefined : stale,
    seconds: (performance.now() - began) / 1000,
  };
};
