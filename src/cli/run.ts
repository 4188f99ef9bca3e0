import { ModelError } from '../core';
import type { UndefinedUse } from '../cpu/undefined-use';
import {
  describeStale,
  describeUndefinedUse,
  type MachineState,
  type StopReason,
  serialize,
} from '../machine';
import { BadInput, EXIT_STATUS } from './exit-status';
import { openOutput, requireDistinct, requireWritable, writeOutput } from './files';
import type { CommandIo } from './io';
import { type RunArguments, runLimits, startState } from './run-options';
import { debugLine, STDERR, STDIO, serialLine } from './serial';
import { lastStateBefore, runSlice, type SliceOptions } from './slice';
import { place, report } from './where';

/** How a run ended for the command: by the machine, by Ctrl-C, or because the model lacks something. */
type Ending =
  | StopReason
  | { readonly kind: 'ctrl-c' }
  | { readonly kind: 'stdout-closed' }
  | { readonly kind: 'model-error'; readonly error: Error };

interface Ended {
  readonly state: MachineState;
  readonly retired: number;
  readonly ending: Ending;
}

/** Slices take about this long, so that signals are seen. */
const SLICE_SECONDS = 0.25;
const LONGEST_SLICE = 20_000_000;
const SHORTEST_SLICE = 1_000;
const FIRST_SLICE = 200_000;

const nextSlice = (slice: number, seconds: number): number =>
  Math.round(
    Math.min(LONGEST_SLICE, Math.max(SHORTEST_SLICE, (slice * SLICE_SECONDS) / Math.max(seconds, 0.01))),
  );

const runToEnd = async (
  io: CommandIo,
  start: MachineState,
  maxInstructions: number,
  options: SliceOptions,
  afterSlice: () => void,
): Promise<Ended> => {
  let interrupted = false;
  const release = io.onInterrupt(() => {
    interrupted = true;
  });
  let state = start;
  let retired = 0;
  let slice = FIRST_SLICE;
  try {
    while (!interrupted) {
      if (io.stdout.failure !== undefined) return { state, retired, ending: { kind: 'stdout-closed' } };
      const budget = Math.min(slice, maxInstructions - retired);
      const began = io.seconds();
      try {
        const result = runSlice(state, { ...options, maxInstructions: budget });
        state = result.state;
        retired += result.retired;
        if (result.stop.kind !== 'limit' || retired >= maxInstructions)
          return { state, retired, ending: result.stop };
      } catch (error) {
        if (error instanceof BadInput) throw error;
        const last = lastStateBefore(state, budget, options.tier === undefined ? {} : { tier: options.tier });
        return {
          state: last.state,
          retired: retired + last.retired,
          ending: { kind: 'model-error', error: error as Error },
        };
      } finally {
        afterSlice();
      }
      slice = nextSlice(slice, io.seconds() - began);
      await io.pause();
    }
    return { state, retired, ending: { kind: 'ctrl-c' } };
  } finally {
    release();
  }
};

/** The exit status of an ending, and what it says beyond the line of figures. */
const conclusion = ({ state, ending }: Ended): { readonly status: number; readonly says?: string } => {
  const stopped = (says: string) => ({ status: EXIT_STATUS.guestStopped, says });
  switch (ending.kind) {
    case 'exit':
      return { status: ending.status };
    case 'limit':
      return { status: EXIT_STATUS.success, says: `limit of instructions reached at ${place(state)}` };
    case 'stuck':
      return stopped(
        `stuck: every processor waits for something that nothing will bring, the next instruction is at ${place(state)}`,
      );
    case 'triple-fault':
      return stopped(
        `triple fault: a fault while a double fault was delivered, at ${place(state)}; trace it with --trace events`,
      );
    case 'vmx-abort':
      return stopped(
        `VMX abort: a VM exit could not be completed, the indicator is ${ending.indicator} (SDM Vol. 3C, 28.7)`,
      );
    case 'delivery-loop':
      return stopped(
        `delivery loop: deliveries follow each other without end at ${place(state)}; trace it with --trace events`,
      );
    case 'power-off':
      return { status: EXIT_STATUS.success, says: 'the guest switched the machine off' };
    case 'reset':
      return stopped('the guest reset the machine, which has no firmware to start again');
    case 'monitor-stopped':
      return stopped(`the monitor ended its guest: ${ending.reason}`);
    case 'stdout-closed':
      return { status: EXIT_STATUS.success };
    case 'interrupted':
    case 'ctrl-c':
      return { status: EXIT_STATUS.interrupted, says: `interrupted\n${report(state)}` };
    case 'model-error': {
      const { error } = ending;
      const what = error.message.replace(/^not built: /, '');
      const says = error instanceof ModelError && what !== error.message ? 'not built' : 'bug of the model';
      return { status: EXIT_STATUS.notBuilt, says: `${says}: ${what} at ${place(state)}` };
    }
  }
};

const figures = ({ ending, retired }: Ended, seconds: number): string => {
  const what =
    ending.kind === 'exit'
      ? `the guest exited with status ${ending.status} (code ${ending.code})`
      : `stopped (${ending.kind})`;
  const speed = seconds > 0 ? retired / seconds / 1e6 : 0;
  return `${what}: ${retired.toLocaleString('en-US')} instructions in ${seconds.toFixed(2)} s, ${speed.toFixed(1)} M instr/s`;
};

/** So many uses are told in a run. */
const MOST_TOLD = 100;

/** Tells once what an instruction does to a page, and each area once. */
const undefinedUses = (say: (line: string) => void): ((use: UndefinedUse) => void) => {
  const told = new Set<string>();
  return (use) => {
    const text = describeUndefinedUse(use);
    const key =
      use.kind === 'kept-memory' ? `${use.access} ${use.rip} ${Math.floor(use.address / 4096)}` : text;
    if (told.has(key) || told.size === MOST_TOLD) return;
    told.add(key);
    say(`undefined: ${text}`);
    if (told.size === MOST_TOLD) say('undefined: what else comes of this kind is not told');
  };
};

/** `vtmodel run`: gives the exit status. */
export const runCommand = async (
  io: CommandIo,
  image: string | undefined,
  options: RunArguments,
): Promise<number> => {
  const { maxInstructions, tier, trace } = runLimits(options);
  requireDistinct([
    ['image', image],
    ['--firmware', options.firmware],
    ['--serial', options.serial === STDIO ? undefined : options.serial],
    ['--debug-port', options.debugPort === STDERR ? undefined : options.debugPort],
    ['--trace-file', trace === undefined ? undefined : options.traceFile],
    ['--save', options.save],
  ]);
  const start = startState(io, image, options);
  if (options.save !== undefined) requireWritable(io, options.save, '--save');
  const serial = serialLine(io, options.serial);
  const debug = debugLine(io, options.debugPort);
  const traceFile = trace === undefined ? undefined : openOutput(io, options.traceFile, '--trace-file');
  const say = (line: string): void => io.stderr.write(`vtmodel: ${line}\n`);
  const began = io.seconds();
  const ended = await runToEnd(
    io,
    start,
    maxInstructions,
    {
      onEffect: (effect) => {
        serial.effect(effect);
        debug.effect(effect);
      },
      onStaleTranslation: (report) => say(`stale translation: ${describeStale(report)}`),
      onUndefinedUse: undefinedUses(say),
      ...(tier === undefined ? {} : { tier }),
      ...(trace === undefined ? {} : { trace: { kinds: trace, write: traceFile!.write } }),
    },
    () => {
      serial.flush();
      debug.flush();
    },
  );
  const seconds = io.seconds() - began;
  serial.close();
  debug.close();
  traceFile?.close();
  const { status, says } = conclusion(ended);
  if (says !== undefined) say(says);
  if (options.save !== undefined) writeOutput(io, options.save, '--save', serialize(ended.state));
  if (options.quiet !== true) {
    if (trace !== undefined) say(`trace written to ${options.traceFile}`);
    if (options.save !== undefined) say(`snapshot written to ${options.save}`);
    if (ended.ending.kind !== 'stdout-closed') say(figures(ended, seconds));
  }
  return status;
};
