import { readFileSync } from 'node:fs';

/** A figure that a row measures, with what is promised for it. */
export interface Measure {
  readonly row: string;
  /** Which variant of the row. */
  readonly variant: string;
  readonly unit: string;
  /** The promise; `undefined` for figures that are only shown. */
  readonly target: Target | undefined;
  /** The figures of the single runs, in the order in which they ran. */
  readonly runs: readonly number[];
}

export interface Target {
  readonly kind: 'at-least' | 'at-most';
  readonly value: number;
}

export const atLeast = (value: number): Target => ({ kind: 'at-least', value });
export const atMost = (value: number): Target => ({ kind: 'at-most', value });

/** How much work each row does. */
export interface Effort {
  /** A short look at each row: what it computes counts, not how fast. */
  readonly smoke: boolean;
  /** Runs of which the median is taken. */
  readonly runs: number;
}

/** A row of the table: measures, and throws when what was measured gave a wrong result. */
export type Row = (effort: Effort) => Promise<readonly Measure[]>;

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export const meets = ({ target, runs }: Measure): boolean | undefined => {
  if (target === undefined) return undefined;
  const reached = median(runs);
  return target.kind === 'at-least' ? reached >= target.value : reached <= target.value;
};

/** What a measured piece of work must have given. */
export const expect = (holds: boolean, says: string): void => {
  if (!holds) throw new Error(`wrong result: ${says}`);
};

const SCHEDULED = '/proc/thread-self/schedstat';
let clock = (): number => performance.now() / 1000;

/** From here on counts the time that the main thread had a processor, so that other work on the machine does not count. Linux alone; false elsewhere. */
export const useThreadTime = (): boolean => {
  try {
    readFileSync(SCHEDULED);
  } catch {
    return false;
  }
  clock = () => Number(readFileSync(SCHEDULED, 'latin1').split(' ')[0]) / 1e9;
  return true;
};

/** Seconds that `work` takes, and its result. */
export const timed = <A>(work: () => A): { readonly seconds: number; readonly result: A } => {
  const start = clock();
  const result = work();
  return { seconds: clock() - start, result };
};

/** `count` times what `work` gives. */
export const repeated = <A>(count: number, work: (index: number) => A): A[] =>
  Array.from({ length: count }, (_, index) => work(index));
