import { preferred } from '../core';
import { type MachineState, type RunOptions, type RunResult, run } from '../machine';
import { giveBack, takeIdleMachine } from '../machine/machine-pool';
import { watcherOf } from '../machine/run';
import { effectLine, type TraceKind, watch } from './trace';

/** How a slice of a run is executed: as `run` does, and with a trace when one is wanted. */
export interface SliceOptions extends RunOptions {
  readonly trace?: { readonly kinds: ReadonlySet<TraceKind>; readonly write: (line: string) => void };
}

/** Like `run`, with a trace. */
const runTraced = (state: MachineState, options: SliceOptions): RunResult => {
  const { trace, tier, maxInstructions = 0, choice = preferred, onEffect } = options;
  const { kinds, write } = trace!;
  const machine = takeIdleMachine(state.config, tier, state);
  const unwatch = watch(machine, kinds, write, watcherOf(options));
  try {
    machine.load(state);
    machine.onEffect = (effect) => {
      const line = kinds.has('events') ? effectLine(effect, machine.engine.now()) : undefined;
      if (line !== undefined) write(line);
      onEffect?.(effect);
    };
    const before = machine.retired;
    const stop = machine.run(maxInstructions, choice);
    const result = { state: machine.publish(), stop, retired: machine.retired - before };
    machine.onEffect = undefined;
    giveBack(machine);
    return result;
  } finally {
    unwatch();
  }
};

export const runSlice = (state: MachineState, options: SliceOptions): RunResult =>
  options.trace === undefined ? run(state, options) : runTraced(state, options);

/** The last state before the instruction at which running from `state` throws; `limit` instructions are known to be too many. */
export const lastStateBefore = (
  state: MachineState,
  limit: number,
  options: RunOptions,
): { readonly state: MachineState; readonly retired: number } => {
  let here = state;
  let retired = 0;
  let failsAt = limit + 1;
  let stride = 1;
  while (retired + 1 < failsAt) {
    const maxInstructions = Math.min(stride, failsAt - 1 - retired);
    try {
      const result = run(here, { ...options, maxInstructions });
      here = result.state;
      retired += result.retired;
      if (result.retired < maxInstructions) break;
      stride *= 2;
    } catch {
      failsAt = retired + maxInstructions;
      stride = Math.max(1, Math.floor(maxInstructions / 2));
    }
  }
  return stepToFailure(here, retired, options);
};

/** Instructions that the engine may have had in view when it stopped. */
const LOOKAHEAD = 64;
const NO_TRACE = { kinds: new Set<TraceKind>(['instructions']), write: () => {} };

/** One instruction at a time, each alone, up to the one that throws. */
const stepToFailure = (state: MachineState, retired: number, options: RunOptions) => {
  let here = state;
  let done = retired;
  try {
    for (let step = 0; step < LOOKAHEAD; step++) {
      const result = runSlice(here, { ...options, maxInstructions: 1, trace: NO_TRACE });
      here = result.state;
      done += result.retired;
    }
  } catch {
    // The instruction that is not built: `here` is the state before it.
  }
  return { state: here, retired: done };
};
