import { BareRun, type BareRunOptions, type SavedBareRun } from './bare-run';
import { compareObservations } from './compare';
import type { GuestInstruction } from './guest-instruction';
import type { MonitoredRunOptions, SavedRun } from './monitored-progress';
import { MonitoredRun } from './monitored-run';
import type { Observation } from './observation';

/** Two runs that were equal once and are not any more. */
export interface Parting {
  /** A point of the monitored run not after the last equal observation. */
  readonly monitored: SavedRun;
  readonly monitoredOptions: MonitoredRunOptions;
  /** The bare run at the last equal observation. */
  readonly bare: SavedBareRun;
  readonly bareOptions: BareRunOptions;
  /** The observations that differ. */
  readonly left: Observation;
  readonly right: Observation;
}

/** RF depends on how the monitor came to be asked, until the instruction has executed. */
const RESUME = 1n << 16n;
export const withoutResumeFlag = (observation: Observation): Observation => ({
  ...observation,
  registers: { ...observation.registers, rflags: observation.registers.rflags & ~RESUME },
});

const silent = <O extends object>(options: O): O => ({ ...options, listeners: [], onEffect: () => {} });

/** Both runs at a position between observations when their states are equal there; undefined when not, or when the monitored run cannot stand there. */
const equalAt = (parting: Parting, position: number): Pick<Parting, 'monitored' | 'bare'> | undefined => {
  const { time: _, ...options } = silent(parting.monitoredOptions);
  const monitored = new MonitoredRun(parting.monitored, options);
  monitored.seek(position);
  if (monitored.position !== position || !monitored.inGuest) return undefined;
  const bare = new BareRun(parting.bare, parting.bareOptions);
  bare.seek(position);
  const a = { ...withoutResumeFlag(bare.look()), accesses: [] };
  const b = { ...withoutResumeFlag(monitored.look()), accesses: [] };
  return compareObservations(a, b) === 'equal'
    ? { monitored: monitored.save(), bare: bare.save() }
    : undefined;
};

/**
 * The guest instruction with which two runs part: the states before it are equal, those after it are not. Found by running both again, to
 * positions between the last equal observation and the first differing one, from the last that was found equal.
 */
export const locate = (parting: Parting): GuestInstruction => {
  let last = parting;
  let different =
    Math.max(parting.bare.progress.position, Math.min(parting.left.position, parting.right.position)) + 1;
  for (;;) {
    const equal = last.bare.progress.position;
    if (different - equal <= 1) break;
    const middle = Math.floor((equal + different) / 2);
    const found = equalAt(last, middle);
    if (found === undefined) different = middle;
    else last = { ...last, ...found };
  }
  const { code, machine } = new BareRun(last.bare, last.bareOptions);
  return code.describe(machine.cpu.rip);
};
