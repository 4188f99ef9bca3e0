// Intel 8254 Programmable Interval Timer data sheet (231164): Operational Description, Mode Definitions
import { fromBcd, toBcd } from '../bcd';

/** One of the three counters. Ticks are those of the 1.193182-MHz clock input since power-up. */
export interface Counter {
  readonly mode: 0 | 1 | 2 | 3 | 4 | 5;
  readonly bcd: boolean;
  /** Which bytes of the count are read and written: 1 the low, 2 the high, 3 low then high. */
  readonly access: 1 | 2 | 3;
  readonly gate: boolean;
  /** The count in use, 1 to 65536; 0 before one was written. */
  readonly count: number;
  /** Tick at which counting began; -1: not begun (no count, or no trigger yet). */
  readonly start: number;
  /** Ticks counted when the gate stopped it; -1 while it counts. */
  readonly stopped: number;
  /** A count that takes effect at the end of the period (modes 2 and 3), 0 for none. */
  readonly next: number;
  /** The low byte of a count of two bytes that waits for its high byte; -1 for none. */
  readonly low: number;
  /** A latched count, or -1; and a latched status, or -1. */
  readonly latched: number;
  readonly latchedStatus: number;
  /** The next byte read is the high one. */
  readonly readsHigh: boolean;
}

export const COUNTER_AT_POWER_UP: Counter = Object.freeze({
  mode: 0,
  bcd: false,
  access: 3,
  gate: true,
  count: 0,
  start: -1,
  stopped: -1,
  next: 0,
  low: -1,
  latched: -1,
  latchedStatus: -1,
  readsHigh: false,
});

export const NEVER = Number.POSITIVE_INFINITY;

const isTriggered = ({ mode }: Counter): boolean => mode === 1 || mode === 5;
const isPeriodic = ({ mode }: Counter): boolean => mode === 2 || mode === 3;

/** The counter with a new count in use, if one waited for a period that has ended. */
export const settled = (counter: Counter, tick: number): Counter => {
  const { next, start, count } = counter;
  if (next === 0 || start < 0 || counter.stopped >= 0 || tick < start + count) return counter;
  const ends = start + Math.floor((tick - start) / count) * count;
  // The new count came in the period that ended first after it: that is the only one since, for every access settles.
  const at = Math.min(ends, start + count);
  return { ...counter, count: next, start: at, next: 0 };
};

const elapsed = ({ stopped, start }: Counter, tick: number): number =>
  stopped >= 0 ? stopped : Math.max(0, tick - start);

/** The output of a settled counter. */
export const outputAt = (counter: Counter, tick: number): boolean => {
  const { mode, count, start, gate } = counter;
  if (start < 0) return mode !== 0;
  const passed = elapsed(counter, tick);
  switch (mode) {
    case 0:
      return passed >= count;
    case 1:
      return passed >= count;
    case 2:
      return !gate || passed % count !== count - 1;
    case 3:
      return !gate || passed % count < Math.ceil(count / 2);
    default:
      return passed !== count;
  }
};

/** The first tick after `tick` at which the output changes; `NEVER` when it does not. */
export const nextEdge = (counter: Counter, tick: number): number => {
  const { mode, count, start, stopped } = counter;
  if (start < 0 || stopped >= 0) return NEVER;
  const passed = elapsed(counter, tick);
  switch (mode) {
    case 0:
    case 1:
      return passed < count ? start + count : NEVER;
    case 2:
    case 3: {
      const low = mode === 2 ? count - 1 : Math.ceil(count / 2);
      const within = passed % count;
      return start + passed - within + (within < low ? low : count);
    }
    default:
      return passed < count ? start + count : passed === count ? start + count + 1 : NEVER;
  }
};

const modulusOf = ({ bcd }: Counter): number => (bcd ? 10_000 : 0x1_0000);

/** The counting element, from 0 to the modulus less one. */
const element = (counter: Counter, tick: number): number => {
  const { mode, count, start } = counter;
  const modulus = modulusOf(counter);
  const passed = start < 0 ? 0 : elapsed(counter, tick);
  let value = count - passed;
  if (mode === 2) value = count - (passed % count);
  if (mode === 3) {
    const half = Math.ceil(count / 2);
    const within = passed % count;
    value = count - (count % 2) - 2 * (within < half ? within : within - half);
  }
  return count === 0 ? 0 : ((value % modulus) + modulus) % modulus;
};

/** The same as software reads it, 16 bits. */
const reading = (counter: Counter, tick: number): number =>
  counter.bcd ? toBcd(element(counter, tick)) : element(counter, tick);

/** Mode 0 between the bytes of a count: the counting element stays, the output is low. */
const halted = (counter: Counter, tick: number): Counter =>
  counter.start < 0
    ? counter
    : { ...counter, count: element(counter, tick) || modulusOf(counter), start: tick, stopped: 0 };

const status = (counter: Counter, tick: number): number =>
  (outputAt(counter, tick) ? 0x80 : 0) |
  (counter.count === 0 || counter.next !== 0 ? 0x40 : 0) |
  (counter.access << 4) |
  (counter.mode << 1) |
  (counter.bcd ? 1 : 0);

const load = (counter: Counter, value: number, tick: number): Counter => {
  const { bcd } = counter;
  const count = (bcd ? fromBcd(value) : value) || (bcd ? 10_000 : 0x1_0000);
  if (isPeriodic(counter) && counter.start >= 0) return { ...counter, next: count };
  if (isTriggered(counter)) return { ...counter, count };
  const stopped = counter.gate ? -1 : 0;
  return { ...counter, count, start: tick + 1, stopped };
};

/** A byte written to the counter's port. */
export const writeCount = (counter: Counter, value: number, tick: number): Counter => {
  if (counter.access === 1) return load(counter, value, tick);
  if (counter.access === 2) return load(counter, value << 8, tick);
  if (counter.low < 0) return { ...(counter.mode === 0 ? halted(counter, tick) : counter), low: value };
  return load({ ...counter, low: -1 }, (value << 8) | counter.low, tick);
};

/** A control word that sets the counter up: its output goes to the mode's first level, and it waits for a count. */
export const program = (counter: Counter, control: number): Counter => {
  const mode = (control >>> 1) & 7;
  return {
    ...COUNTER_AT_POWER_UP,
    gate: counter.gate,
    mode: (mode > 5 ? mode - 4 : mode) as Counter['mode'],
    bcd: (control & 1) !== 0,
    access: ((control >>> 4) & 3) as Counter['access'],
  };
};

export const latchCount = (counter: Counter, tick: number): Counter =>
  counter.latched >= 0 ? counter : { ...counter, latched: reading(counter, tick) };

export const latchStatus = (counter: Counter, tick: number): Counter =>
  counter.latchedStatus >= 0 ? counter : { ...counter, latchedStatus: status(counter, tick) };

/** A byte read from the counter's port: the status first, then a latched count, then the count as it is. */
export const readCount = (
  counter: Counter,
  tick: number,
): { readonly counter: Counter; readonly value: number } => {
  if (counter.latchedStatus >= 0)
    return { counter: { ...counter, latchedStatus: -1 }, value: counter.latchedStatus };
  const count = counter.latched >= 0 ? counter.latched : reading(counter, tick);
  if (counter.access !== 3)
    return {
      counter: counter.latched >= 0 ? { ...counter, latched: -1 } : counter,
      value: counter.access === 1 ? count & 0xff : count >>> 8,
    };
  return counter.readsHigh
    ? { counter: { ...counter, readsHigh: false, latched: -1 }, value: count >>> 8 }
    : { counter: { ...counter, readsHigh: true }, value: count & 0xff };
};

/** The gate changes: low stops modes 0, 2, 3 and 4; rising starts modes 1, 2, 3 and 5 anew. */
export const withGate = (counter: Counter, gate: boolean, tick: number): Counter => {
  if (gate === counter.gate) return counter;
  if (isTriggered(counter))
    return { ...counter, gate, start: gate && counter.count > 0 ? tick + 1 : counter.start };
  const waits = counter.mode === 0 && counter.low >= 0;
  if (counter.start < 0 || waits) return { ...counter, gate };
  if (!gate) return { ...counter, gate, stopped: Math.max(0, tick - counter.start) };
  const restarted = isPeriodic(counter) ? tick + 1 : tick - counter.stopped;
  return { ...counter, gate, start: restarted, stopped: -1 };
};
