// How the theorems here are stated and tried: over executions, so that each can also be tried on a broken one.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Unbuilt } from '../src/core';
import { processor } from '../src/cpu/presets';
import {
  createMachine,
  createMonitoredMachine,
  difference,
  isEqual,
  loadImage,
  type MachineState,
  run,
  type StepResult,
  step,
} from '../src/machine';
import { type HardwareAssistedOptions, hardwareAssistedMonitor } from '../src/vmm/hardware-assisted';

/** What a theorem is about: the transitions of the product, or a mutant of them. */
export interface Execution {
  readonly run: typeof run;
  readonly step: typeof step;
}

export const product: Execution = { run, step };

/** Tries a theorem; a failure prints seed, path and the shrunk counterexample as assembly. */
export const holds = <T extends [unknown, ...unknown[]]>(theorem: fc.IProperty<T>, numRuns: number): void => {
  fc.assert(theorem, { numRuns });
};

/** Whether some case refutes the theorem: it must when the theorem is about a mutant. Throws when the mutant itself breaks down. */
export const isRefuted = <T extends [unknown, ...unknown[]]>(
  theorem: fc.IProperty<T>,
  numRuns: number,
): boolean => {
  const found = fc.check(theorem, { numRuns, endOnFailure: true });
  return refuted(found.failed, found.errorInstance);
};

const refuted = (failed: boolean, error: unknown): boolean => {
  if (failed && !(error instanceof Refutation)) throw error;
  return failed;
};

/** Shrinking ends here too, so that what was found until then is printed. */
const MOST_MILLISECONDS = 240_000;

/** The same for theorems about what takes turns. */
export const holdsAsync = <T extends [unknown, ...unknown[]]>(
  theorem: fc.IAsyncProperty<T>,
  numRuns: number,
): Promise<void> =>
  fc.assert(theorem, {
    numRuns,
    interruptAfterTimeLimit: MOST_MILLISECONDS,
    markInterruptAsFailure: true,
  });

export const isRefutedAsync = async <T extends [unknown, ...unknown[]]>(
  theorem: fc.IAsyncProperty<T>,
  numRuns: number,
): Promise<boolean> => {
  const found = await fc.check(theorem, { numRuns, endOnFailure: true });
  return refuted(found.failed, found.errorInstance);
};

/** Two things that should be the same are not. */
export class Refutation extends Error {
  override readonly name = 'Refutation';
}

const shown = (_: string, value: unknown): unknown =>
  typeof value === 'bigint'
    ? `0x${value.toString(16)}`
    : value instanceof Uint8Array
      ? [...value].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
      : value;

const MOST_SHOWN = 2000;

/** Throws a `Refutation` that shows what differs. */
export const mustAgree = (what: string, a: MachineState, b: MachineState): void => {
  const found = difference(a, b);
  if (!isEqual(found)) throw new Refutation(`${what}: ${JSON.stringify(found, shown).slice(0, MOST_SHOWN)}`);
};

export const mustBeEqual = (what: string, a: unknown, b: unknown): void => {
  const left = JSON.stringify(a, shown);
  const right = JSON.stringify(b, shown);
  if (left !== right) throw new Refutation(`${what}: ${left} and ${right}`.slice(0, MOST_SHOWN));
};

/** Leaves a case out when it meets what the model does not have. */
export const whereBuilt = <A>(action: () => A): A => {
  try {
    return action();
  } catch (error) {
    fc.pre(!(error instanceof Unbuilt));
    throw error;
  }
};

export const whereBuiltAsync = async <A>(action: () => Promise<A>): Promise<A> => {
  try {
    return await action();
  } catch (error) {
    fc.pre(!(error instanceof Unbuilt));
    throw error;
  }
};

const GUEST_BYTES = 128 << 20;
/** The processor of a guest. */
export const bare = processor('skylake', ['-vmx']);

/** A bundled guest on the bare machine. */
export const bundledGuest = (name: string): MachineState => {
  const bytes = readFileSync(new URL(`../guests/images/${name}.elf`, import.meta.url));
  const loaded = loadImage(createMachine({ processor: bare, memoryBytes: GUEST_BYTES }), bytes);
  if (!loaded.ok) throw new Error(loaded.fault.says);
  return loaded.value;
};

/** The monitor has the processor again often. */
export const MONITORED: HardwareAssistedOptions = { preemptionTimerPeriod: 64 };

/** The machine under the hardware-assisted monitor. */
export const monitored = (guest: MachineState): MachineState =>
  createMonitoredMachine(guest, hardwareAssistedMonitor(MONITORED));

/** The state after at most `count` steps; none follows one that stopped. */
export const afterSteps = ({ step: next }: Execution, state: MachineState, count: number): MachineState => {
  let now = state;
  for (let i = 0; i < count; i++) {
    const result: StepResult = next(now);
    now = result.state;
    if (result.events.some(({ kind }) => kind === 'stopped')) break;
  }
  return now;
};
