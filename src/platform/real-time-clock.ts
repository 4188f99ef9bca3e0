// Motorola MC146818A Real-Time Clock plus RAM data sheet: Address Map, Registers
import { freeze, produce } from 'immer';
import { fromBcd, toBcd } from './bcd';
import { clockAt, ISA_ACCESS, ticksAt } from './clock-rate';
import {
  type BoardConfig,
  type Device,
  type DeviceEffect,
  type DeviceTransition,
  NO_EFFECTS,
} from './device';

/** Ticks of the 32.768-kHz time base a second. */
const RTC_HZ = 32_768;
/** The update-in-progress bit is set so many ticks before each update. */
const UPDATE_TICKS = 8;

const REGISTER = {
  seconds: 0,
  secondsAlarm: 1,
  minutes: 2,
  minutesAlarm: 3,
  hours: 4,
  hoursAlarm: 5,
  weekday: 6,
  day: 7,
  month: 8,
  year: 9,
  a: 10,
  b: 11,
  c: 12,
  d: 13,
  shutdown: 0x0f,
  century: 0x32,
} as const;

const TIME: readonly number[] = [0, 2, 4, 6, 7, 8, 9, REGISTER.century];
const B = { set: 0x80, periodic: 0x40, alarm: 0x20, update: 0x10, binary: 4, hours24: 2 } as const;
const IRQF = 0x80;
const DO_NOT_CARE = 0xc0;

/** The clock with its battery-backed memory. */
export interface RtcState {
  /** The register that the data port reaches, 7 bits. */
  readonly index: number;
  /** 128 bytes; time registers count only while `set`. */
  readonly memory: readonly number[];
  /** Seconds since 1970 at tick `since`. */
  readonly seconds: number;
  readonly since: number;
  /** Interrupt flags of register C, and the tick up to which they follow the time. */
  readonly flags: number;
  readonly at: number;
}

/** 2024-01-01 00:00:00 UTC: a machine without a date of its own starts here. */
export const DEFAULT_DATE = 1_704_067_200;

const holds = ({ memory }: RtcState, bit: number): boolean => (memory[REGISTER.b] & bit) !== 0;

/** How a number stands in a register: binary, or BCD. */
const written = (state: RtcState, value: number): number => (holds(state, B.binary) ? value : toBcd(value));
const read = (state: RtcState, value: number): number => (holds(state, B.binary) ? value : fromBcd(value));

const writtenHours = (state: RtcState, hours: number): number =>
  holds(state, B.hours24)
    ? written(state, hours)
    : written(state, hours % 12 || 12) | (hours >= 12 ? 0x80 : 0);

const readHours = (state: RtcState, value: number): number =>
  holds(state, B.hours24) ? read(state, value) : (read(state, value & 0x7f) % 12) + (value >= 0x80 ? 12 : 0);

/** Seconds since 1970 now. */
const secondsAt = ({ seconds, since }: RtcState, tick: number): number =>
  seconds + Math.floor((tick - since) / RTC_HZ);

const timeRegister = (state: RtcState, register: number, seconds: number): number => {
  const date = new Date(seconds * 1000);
  switch (register) {
    case REGISTER.seconds:
      return written(state, date.getUTCSeconds());
    case REGISTER.minutes:
      return written(state, date.getUTCMinutes());
    case REGISTER.hours:
      return writtenHours(state, date.getUTCHours());
    case REGISTER.weekday:
      return written(state, date.getUTCDay() + 1);
    case REGISTER.day:
      return written(state, date.getUTCDate());
    case REGISTER.month:
      return written(state, date.getUTCMonth() + 1);
    case REGISTER.year:
      return written(state, date.getUTCFullYear() % 100);
    default:
      return written(state, Math.floor(date.getUTCFullYear() / 100) % 100);
  }
};

/** The seconds that the time registers hold. */
const secondsOf = (state: RtcState): number => {
  const at = (register: number): number => read(state, state.memory[register]);
  return (
    Date.UTC(
      at(REGISTER.century) * 100 + at(REGISTER.year),
      at(REGISTER.month) - 1,
      at(REGISTER.day),
      readHours(state, state.memory[REGISTER.hours]),
      at(REGISTER.minutes),
      at(REGISTER.seconds),
    ) / 1000
  );
};

/** Ticks between two periodic interrupts by register A's rate; 0 for none. */
const period = ({ memory }: RtcState): number => {
  const rate = memory[REGISTER.a] & 15;
  return rate === 0 ? 0 : 1 << ((rate < 3 ? rate + 7 : rate) - 1);
};

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** Seconds from `seconds` until the next alarm, at least 1 and at most a day; `Infinity` for an alarm that no time is. */
const untilAlarm = (state: RtcState, seconds: number): number => {
  const wanted = (register: number, meaning = read): number =>
    state.memory[register] >= DO_NOT_CARE ? -1 : meaning(state, state.memory[register]);
  const second = wanted(REGISTER.secondsAlarm);
  const minute = wanted(REGISTER.minutesAlarm);
  const hour = wanted(REGISTER.hoursAlarm, readHours);
  for (let time = seconds + 1; time <= seconds + DAY; ) {
    if (hour >= 0 && Math.floor(time / HOUR) % 24 !== hour) time += HOUR - (time % HOUR);
    else if (minute >= 0 && Math.floor(time / MINUTE) % 60 !== minute) time += MINUTE - (time % MINUTE);
    else if (second >= 0 && time % MINUTE !== second) time++;
    else return time - seconds;
  }
  return Number.POSITIVE_INFINITY;
};

const isRequesting = (state: RtcState): boolean => (state.flags & state.memory[REGISTER.b] & 0x70) !== 0;

const transition = (before: RtcState, after: RtcState): DeviceTransition<RtcState> => {
  const level = isRequesting(after);
  const effects: readonly DeviceEffect[] =
    level === isRequesting(before) ? NO_EFFECTS : [{ kind: 'line', line: 8, level }];
  return { state: after, effects };
};

/** The flags up to a tick. The clock stands still while software sets it. */
const settled = (state: RtcState, tick: number): RtcState => {
  if (tick === state.at) return state;
  const every = period(state);
  let flags = state.flags;
  if (every > 0 && Math.floor(tick / every) > Math.floor(state.at / every)) flags |= B.periodic;
  if (!holds(state, B.set)) {
    const before = secondsAt(state, state.at);
    const passed = secondsAt(state, tick) - before;
    if (passed > 0) {
      flags |= B.update;
      if ((flags & B.alarm) === 0 && untilAlarm(state, before) <= passed) flags |= B.alarm;
    }
  }
  return freeze({ ...state, flags, at: tick });
};

const nextTick = (state: RtcState): number => {
  if (isRequesting(state)) return Number.POSITIVE_INFINITY;
  let next = Number.POSITIVE_INFINITY;
  const every = period(state);
  if (every > 0 && holds(state, B.periodic)) next = (Math.floor(state.at / every) + 1) * every;
  if (holds(state, B.set)) return next;
  const seconds = secondsAt(state, state.at);
  const update = (ahead: number): number => state.since + (seconds - state.seconds + ahead) * RTC_HZ;
  if (holds(state, B.update)) next = Math.min(next, update(1));
  if (holds(state, B.alarm)) next = Math.min(next, update(untilAlarm(state, seconds)));
  return next;
};

const withMemory = (state: RtcState, register: number, value: number): RtcState =>
  produce(state, (draft) => {
    draft.memory[register] = value;
  });

/** The time in the registers, as it is now. */
const withTimeRegisters = (state: RtcState, tick: number): RtcState => {
  const seconds = secondsAt(state, tick);
  return produce(state, (draft) => {
    for (const register of TIME) draft.memory[register] = timeRegister(state, register, seconds);
  });
};

const readRegister = (
  state: RtcState,
  tick: number,
): { readonly value: number; readonly after: RtcState } => {
  const { index, memory } = state;
  const stands = holds(state, B.set);
  if (TIME.includes(index))
    return {
      value: stands ? memory[index] : timeRegister(state, index, secondsAt(state, tick)),
      after: state,
    };
  switch (index) {
    case REGISTER.a: {
      const left = RTC_HZ - ((tick - state.since) % RTC_HZ);
      return { value: memory[index] | (!stands && left <= UPDATE_TICKS ? 0x80 : 0), after: state };
    }
    case REGISTER.c:
      return {
        value: state.flags | (isRequesting(state) ? IRQF : 0),
        after: state.flags === 0 ? state : freeze({ ...state, flags: 0 }),
      };
    case REGISTER.d:
      return { value: 0x80, after: state };
    default:
      return { value: memory[index], after: state };
  }
};

const writeRegister = (state: RtcState, value: number, tick: number): RtcState => {
  const { index } = state;
  const stands = holds(state, B.set);
  if (TIME.includes(index)) {
    if (stands) return withMemory(state, index, value);
    const changed = withMemory(withTimeRegisters(state, tick), index, value);
    const since = tick - ((tick - state.since) % RTC_HZ);
    return freeze({ ...changed, seconds: secondsOf(changed), since });
  }
  switch (index) {
    case REGISTER.a:
      return withMemory(state, index, value & 0x7f);
    case REGISTER.b: {
      const sets = (value & B.set) !== 0;
      if (sets && !stands) return withMemory(withTimeRegisters(state, tick), index, value & ~B.update);
      const after = withMemory(state, index, value);
      return stands && !sets ? freeze({ ...after, seconds: secondsOf(after), since: tick }) : after;
    }
    case REGISTER.c:
    case REGISTER.d:
      return state;
    default:
      return withMemory(state, index, value);
  }
};

const MIB = 2 ** 20;
const FOUR_GIB = 2 ** 32;

/** What a set-up program leaves in the memory: sizes of RAM, no floppy disks, a hard-disk-free start. */
const memoryAtPowerUp = ({ memoryBytes, processors = 1 }: BoardConfig): number[] => {
  const memory = new Array<number>(128).fill(0);
  const word = (at: number, value: number): void => {
    memory[at] = value & 0xff;
    memory[at + 1] = (value >>> 8) & 0xff;
  };
  const low = Math.min(memoryBytes, 0xc000_0000);
  const high = memoryBytes - low;
  memory[REGISTER.a] = 0x26;
  memory[REGISTER.b] = B.hours24;
  memory[0x14] = 2;
  word(0x15, 640);
  const extended = Math.max(0, Math.floor((low - MIB) / 1024));
  word(0x17, Math.min(extended, 0xffff));
  word(0x30, Math.min(extended, 0xffff));
  word(0x34, Math.max(0, Math.floor((low - 16 * MIB) / 65_536)));
  const above = Math.floor(Math.min(high, 0xff_ffff * 65_536, FOUR_GIB * 256) / 65_536);
  word(0x5b, above & 0xffff);
  memory[0x5d] = above >>> 16;
  memory[0x5f] = processors - 1;
  return memory;
};

/**
 * The real-time clock at 0x70 with 128 bytes of memory; its interrupt is IRQ8. The time is that of the configuration at clock 0 and goes on with the machine
 * clock; an update takes no time, the update-in-progress bit comes 244 microseconds before it. A reset of the machine leaves time and memory.
 */
export const realTimeClock: Device<RtcState> = {
  name: 'rtc',
  accessTime: ISA_ACCESS,
  ranges: [{ space: 'port', first: 0x70, last: 0x71 }],
  byteWide: true,
  reset: (config) =>
    freeze(
      {
        index: 0,
        memory: memoryAtPowerUp(config),
        seconds: config.date ?? DEFAULT_DATE,
        since: 0,
        flags: 0,
        at: 0,
      },
      true,
    ),
  // RESET clears the interrupt enables and flags, and nothing else.
  afterReset: (state) =>
    freeze({ ...withMemory(state, REGISTER.b, state.memory[REGISTER.b] & 0x87), flags: 0 }),
  read: (state, { address, now }) => {
    if (address === 0x70) return { state, value: 0xff };
    const tick = ticksAt(now, RTC_HZ);
    const current = settled(state, tick);
    const { value, after } = readRegister(current, tick);
    const timed = TIME.includes(state.index) || state.index === REGISTER.a || state.index === REGISTER.c;
    return { ...transition(state, timed ? after : state), value, timed };
  },
  write: (state, { address, now }, value) => {
    if (address === 0x70)
      return {
        state: state.index === (value & 0x7f) ? state : freeze({ ...state, index: value & 0x7f }),
        effects: NO_EFFECTS,
      };
    const tick = ticksAt(now, RTC_HZ);
    return transition(state, writeRegister(settled(state, tick), value, tick));
  },
  nextDeadline: (state) => clockAt(nextTick(state), RTC_HZ),
  advance: (state, now) => transition(state, settled(state, ticksAt(now, RTC_HZ))),
};

/** The shutdown status byte: what firmware does at a reset. IBM PC/AT Technical Reference, CMOS RAM */
export const shutdownStatus = ({ memory }: RtcState): number => memory[REGISTER.shutdown];
