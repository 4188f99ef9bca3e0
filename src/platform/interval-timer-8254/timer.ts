import { clockAt, ISA_ACCESS, ticksAt } from '../clock-rate';
import { type Device, type DeviceEffect, type DeviceTransition, NO_EFFECTS } from '../device';
import {
  COUNTER_AT_POWER_UP,
  type Counter,
  latchCount,
  latchStatus,
  nextEdge,
  outputAt,
  program,
  readCount,
  settled,
  withGate,
  writeCount,
} from './counter';

/** Rate of the counters' clock input. */
export const PIT_HZ = 1_193_182;

/** The three counters, and what of counter 0's output the line IRQ0 has seen. */
export interface PitState {
  readonly counters: readonly [Counter, Counter, Counter];
  /** Bits 1 and 0 of port 0x61: speaker data, and the gate of counter 2. */
  readonly speaker: number;
  /** The level of IRQ0, and the tick up to which it follows counter 0. */
  readonly level: boolean;
  readonly at: number;
}

const FIRST = 0x40;
const CONTROL = 0x43;
const SPEAKER = 0x61;
/** Ticks between two memory refreshes, by which bit 4 of port 0x61 toggles. */
const REFRESH = 18;

const line = (level: boolean): DeviceEffect => ({ kind: 'line', line: 0, level });

/** Brings IRQ0 up to a tick. Of several periods that passed at once the line shows the last level, and one edge if there was any. */
const followed = (state: PitState, tick: number): DeviceTransition<PitState> => {
  const counter = settled(state.counters[0], tick);
  const level = outputAt(counter, tick);
  const pulsed = level && state.level && nextEdge(settled(state.counters[0], state.at), state.at) < tick;
  const effects = level !== state.level ? [line(level)] : pulsed ? [line(false), line(true)] : NO_EFFECTS;
  const same = counter === state.counters[0] && effects.length === 0;
  if (same && state.at === tick) return { state, effects };
  const [, second, third] = state.counters;
  return {
    state: Object.freeze({
      ...state,
      counters: Object.freeze([counter, second, third] as const),
      level,
      at: tick,
    }),
    effects,
  };
};

const withCounter = (
  state: PitState,
  index: number,
  counter: Counter,
  tick: number,
): DeviceTransition<PitState> => {
  if (counter === state.counters[index]) return { state, effects: NO_EFFECTS };
  const { state: before, effects } = index === 0 ? followed(state, tick) : { state, effects: NO_EFFECTS };
  const counters = before.counters.with(index, Object.freeze(counter)) as [Counter, Counter, Counter];
  const level = outputAt(counters[0], tick);
  const changes = index === 0 && level !== before.level;
  return {
    state: Object.freeze({
      ...before,
      counters: Object.freeze(counters),
      level: changes ? level : before.level,
    }),
    effects: changes ? [...effects, line(level)] : effects,
  };
};

/** A counter as it is now. */
const counterAt = ({ counters }: PitState, index: number, tick: number): Counter =>
  settled(counters[index], tick);

/** Control word: a counter's mode, a latch of its count, or the read-back of several counters. */
const control = (state: PitState, value: number, tick: number): DeviceTransition<PitState> => {
  const index = value >>> 6;
  if (index < 3) {
    const counter = counterAt(state, index, tick);
    const latches = (value & 0x30) === 0;
    return withCounter(state, index, latches ? latchCount(counter, tick) : program(counter, value), tick);
  }
  let after: DeviceTransition<PitState> = { state, effects: NO_EFFECTS };
  for (let at = 0; at < 3; at++) {
    if ((value & (2 << at)) === 0) continue;
    let counter = counterAt(after.state, at, tick);
    if ((value & 0x20) === 0) counter = latchCount(counter, tick);
    if ((value & 0x10) === 0) counter = latchStatus(counter, tick);
    after = withCounter(after.state, at, counter, tick);
  }
  return after;
};

/** System control port B: what of it the timer is wired to. */
const readSpeaker = (state: PitState, tick: number): number =>
  state.speaker |
  (Math.floor(tick / REFRESH) % 2 === 1 ? 0x10 : 0) |
  (outputAt(counterAt(state, 2, tick), tick) ? 0x20 : 0);

/**
 * The 8254 at 0x40, its input at 1.193182 MHz of the guest's time (`CLOCK_HZ`): counter 0 drives IRQ0, counter 2 has its gate and its output in port 0x61.
 * A new count of a period already under way takes effect at the period's end, in mode 3 too.
 */
export const intervalTimer: Device<PitState> = {
  name: '8254',
  accessTime: ISA_ACCESS,
  ranges: [
    { space: 'port', first: FIRST, last: CONTROL },
    { space: 'port', first: SPEAKER, last: SPEAKER },
  ],
  byteWide: true,
  reset: () =>
    Object.freeze({
      counters: Object.freeze([
        COUNTER_AT_POWER_UP,
        COUNTER_AT_POWER_UP,
        Object.freeze({ ...COUNTER_AT_POWER_UP, gate: false }),
      ] as const),
      speaker: 0,
      level: false,
      at: 0,
    }),
  read: (state, { address, now }) => {
    const tick = ticksAt(now, PIT_HZ);
    if (address === SPEAKER) return { state, value: readSpeaker(state, tick), timed: true };
    if (address === CONTROL) return { state, value: 0xff };
    const { counter, value } = readCount(counterAt(state, address - FIRST, tick), tick);
    return { ...withCounter(state, address - FIRST, counter, tick), value, timed: true };
  },
  write: (state, { address, now }, value) => {
    const tick = ticksAt(now, PIT_HZ);
    if (address === CONTROL) return control(state, value, tick);
    if (address === SPEAKER) {
      const counter = withGate(counterAt(state, 2, tick), (value & 1) !== 0, tick);
      const { state: after, effects } = withCounter(state, 2, counter, tick);
      return { state: Object.freeze({ ...after, speaker: value & 3 }), effects };
    }
    const index = address - FIRST;
    return withCounter(state, index, writeCount(counterAt(state, index, tick), value, tick), tick);
  },
  nextDeadline: ({ counters: [counter], at }) => clockAt(nextEdge(settled(counter, at), at), PIT_HZ),
  advance: (state, now) => followed(state, ticksAt(now, PIT_HZ)),
};
