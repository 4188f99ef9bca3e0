// SDM Vol. 3A, 11.5.4 APIC Timer
import { produce } from 'immer';
import { raiseLocal } from './priority';
import { type LocalApicState, LVT_MASKED } from './state';

export type TimerMode = 'one-shot' | 'periodic' | 'tsc-deadline' | 'reserved';

const MODES: readonly TimerMode[] = ['one-shot', 'periodic', 'tsc-deadline', 'reserved'];
const DIVISORS = [2, 4, 8, 16, 32, 64, 128, 1] as const;

/** Bits 18:17 of the LVT timer entry. */
export const timerMode = (lvtTimer: number): TimerMode => MODES[(lvtTimer >>> 17) & 3];

/** Clock units for one tick: bits 3, 1 and 0 of the divide configuration register. */
export const timerDivisor = (divideConfiguration: number): number =>
  DIVISORS[((divideConfiguration >>> 1) & 4) | (divideConfiguration & 3)];

const isCounting = (state: LocalApicState): boolean => {
  const mode = timerMode(state.lvt.timer);
  return state.count !== 0 && (mode === 'one-shot' || mode === 'periodic');
};

/** Clock value of the next expiry, whether or not it is masked. */
const expiry = (state: LocalApicState): number => {
  if (timerMode(state.lvt.timer) === 'tsc-deadline') return state.tscDeadlineClock;
  return isCounting(state)
    ? state.since + state.count * timerDivisor(state.divideConfiguration)
    : Number.POSITIVE_INFINITY;
};

/** The clock value at which the timer interrupts; `Infinity` when it is masked, stopped or the APIC is disabled. */
export const timerDeadline = (state: LocalApicState): number =>
  !state.enabled || (state.lvt.timer & LVT_MASKED) !== 0 ? Number.POSITIVE_INFINITY : expiry(state);

/** The current-count register at clock `now`, 32 bits. */
export const currentCount = (state: LocalApicState, now: number): number => {
  if (!isCounting(state)) return 0;
  const ticks = Math.floor((now - state.since) / timerDivisor(state.divideConfiguration));
  if (ticks < state.count) return state.count - ticks;
  if (timerMode(state.lvt.timer) === 'one-shot') return 0;
  return state.initialCount - ((ticks - state.count) % state.initialCount);
};

/** The counter after an expiry at clock `at`, without the interrupt. */
const afterExpiry = (state: LocalApicState, at: number): LocalApicState =>
  produce(state, (draft) => {
    switch (timerMode(state.lvt.timer)) {
      case 'periodic':
        draft.count = draft.initialCount;
        draft.since = at;
        return;
      case 'tsc-deadline':
        draft.tscDeadline = 0n;
        draft.tscDeadlineClock = Number.POSITIVE_INFINITY;
        return;
      default:
        draft.count = 0;
        draft.since = at;
    }
  });

/** Expiries up to `now` take effect; several in one period are one request. The same state when nothing was due. */
export const settleTimer = (state: LocalApicState, now: number): LocalApicState => {
  const first = expiry(state);
  if (first > now) return state;
  const period = state.initialCount * timerDivisor(state.divideConfiguration);
  const last =
    timerMode(state.lvt.timer) === 'periodic' ? first + Math.floor((now - first) / period) * period : first;
  return raiseLocal(afterExpiry(state, last), 'timer');
};

/** A write to the initial-count register: starts the count at `now`, or stops it with 0; ignored in TSC-deadline mode. */
export const writeInitialCount = (state: LocalApicState, value: number, now: number): LocalApicState => {
  const mode = timerMode(state.lvt.timer);
  if (mode === 'tsc-deadline' || mode === 'reserved') return state;
  return produce(settleTimer(state, now), (draft) => {
    draft.initialCount = value;
    draft.count = value;
    draft.since = now;
  });
};

/** A write to the divide configuration register: the count goes on from where it is. */
export const writeDivideConfiguration = (
  state: LocalApicState,
  value: number,
  now: number,
): LocalApicState => {
  const settled = settleTimer(state, now);
  return produce(settled, (draft) => {
    draft.count = currentCount(settled, now);
    draft.since = now;
    draft.divideConfiguration = value & 0xb;
  });
};

/** A write to the LVT timer entry. Entering or leaving the TSC-deadline mode disarms the timer. */
export const writeLvtTimer = (state: LocalApicState, value: number, now: number): LocalApicState => {
  const settled = settleTimer(state, now);
  const counts = (mode: TimerMode): boolean => mode === 'one-shot' || mode === 'periodic';
  const before = timerMode(state.lvt.timer);
  const after = timerMode(value);
  const disarms = before !== after && !(counts(before) && counts(after));
  return produce(settled, (draft) => {
    if (disarms) {
      draft.initialCount = 0;
      draft.count = 0;
      draft.tscDeadline = 0n;
      draft.tscDeadlineClock = Number.POSITIVE_INFINITY;
    } else {
      draft.count = currentCount(settled, now);
    }
    draft.since = now;
    draft.lvt.timer = value;
  });
};

/** IA32_TSC_DEADLINE as RDMSR reads it, 0 when the timer is not armed. SDM Vol. 3A, 11.5.4.1 TSC-Deadline Mode */
export const tscDeadlineOf = (state: LocalApicState): bigint => state.tscDeadline;

/** WRMSR to IA32_TSC_DEADLINE: `clock` is the clock value at which the TSC reaches `value`; 0 disarms; ignored in other modes. */
export const writeTscDeadline = (state: LocalApicState, value: bigint, clock: number): LocalApicState =>
  timerMode(state.lvt.timer) !== 'tsc-deadline'
    ? state
    : produce(state, (draft) => {
        draft.tscDeadline = value;
        draft.tscDeadlineClock = value === 0n ? Number.POSITIVE_INFINITY : clock;
      });
