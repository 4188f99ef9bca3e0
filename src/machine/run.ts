import { type Choice, preferred } from '../core';
import type { StaleTranslation } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import { HEAT } from '../cpu/engine/engine';
import type { ProcessorWatcher } from '../cpu/processor-draft';
import type { UndefinedUse } from '../cpu/undefined-use';
import type { DeviceEffect } from '../platform';
import { giveBack, takeIdleMachine } from './machine-pool';
import type { MachineState } from './machine-state';
import type { StopReason } from './stop-reason';

/** How a run goes; every option has a default. */
export interface RunOptions {
  /** Instructions (and iterations of repeated string instructions) to retire at most; default no limit. */
  readonly maxInstructions?: number;
  /** Answers where the manual leaves something open; default what real processors do. */
  readonly choice?: Choice;
  /** How instructions run; the result is the same. Default `generated`. */
  readonly tier?: Tier;
  /** In the generated tier: runs of a block after which it is generated; default 2,000. The result is the same. */
  readonly heat?: number;
  /** Bytes sent to the serial port, and whatever else leaves the machine. */
  readonly onEffect?: (effect: DeviceEffect) => void;
  /** A remembered translation was used that memory contradicts, on the processor of that number. */
  readonly onStaleTranslation?: (report: StaleTranslation, processor: number) => void;
  /** Software did what the manual leaves undefined, on the processor of that number. */
  readonly onUndefinedUse?: (use: UndefinedUse, processor: number) => void;
}

/** Where a run ended, and why. */
export interface RunResult {
  readonly state: MachineState;
  readonly stop: StopReason;
  /** Instructions retired in this run. */
  readonly retired: number;
}

/** What tells of what the options ask for. */
export const watcherOf = ({
  onStaleTranslation,
  onUndefinedUse,
}: RunOptions): ProcessorWatcher | undefined =>
  onStaleTranslation === undefined && onUndefinedUse === undefined
    ? undefined
    : {
        staleTranslation: ({ number }, report) => onStaleTranslation?.(report, number),
        undefinedUse: ({ number }, use) => onUndefinedUse?.(use, number),
      };

/**
 * Runs a machine until `stop` says why it ended; the given state does not change. Throws `Unbuilt` when the guest needs what the model lacks, and
 * `ModelError` for a bug of the model.
 */
export const run = (state: MachineState, options: RunOptions = {}): RunResult => {
  const machine = takeIdleMachine(state.config, options.tier ?? 'generated', state);
  machine.load(state);
  machine.onEffect = options.onEffect;
  const { processors } = machine;
  for (let i = 0; i < processors.length; i++) processors[i].engine.heat = options.heat ?? HEAT;
  const watcher = watcherOf(options);
  for (let i = 0; i < processors.length; i++) processors[i].cpu.watcher = watcher;
  const before = machine.retired;
  const stop = machine.run(options.maxInstructions ?? Number.MAX_SAFE_INTEGER, options.choice ?? preferred);
  const result = { state: machine.publish(), stop, retired: machine.retired - before };
  machine.onEffect = undefined;
  for (let i = 0; i < processors.length; i++) processors[i].cpu.watcher = undefined;
  giveBack(machine);
  return result;
};
