import { type Board, withState } from './board-value';
import { chipset } from './chipset';
import { debugExit } from './debug-exit';
import {
  type AddressRange,
  type BoardConfig,
  type BusAccess,
  type Device,
  type DeviceEffect,
  NO_EFFECTS,
} from './device';
import { DeviceSet } from './device-set';
import { timeOf, withExternalTime } from './device-time';
import { debugPort, postCode, shutdownPort, systemControlPort } from './firmware-ports';
import { fwCfg } from './fw-cfg';
import { picPair } from './interrupt-controller-8259';
import { intervalTimer } from './interval-timer-8254';
import { ioApic } from './io-apic';
import { keyboardController } from './keyboard-controller-8042';
import { localApicDevice } from './local-apic';
import { pcTestDevice } from './pc-testdev';
import { realTimeClock } from './real-time-clock';
import { uart16550 } from './uart-16550';
import { settle } from './wiring';

/** The devices of every board, unless `BoardConfig.omit` names them. */
export const STANDARD_DEVICES: readonly Device<unknown>[] = [
  uart16550,
  debugExit,
  picPair,
  intervalTimer,
  realTimeClock,
  ioApic,
  chipset,
  keyboardController,
  systemControlPort,
  postCode,
  debugPort,
  shutdownPort,
  pcTestDevice,
  fwCfg,
  localApicDevice as Device<unknown>,
];

/** The board after an access. `decoded` is false where no device answered: reads give all ones, writes are ignored. */
export interface BusRead {
  readonly board: Board;
  readonly value: number;
  readonly effects: readonly DeviceEffect[];
  readonly decoded: boolean;
  /** The value depends on the clock or on when interrupts arrived. */
  readonly timed: boolean;
  /** Units of the machine clock that the access takes. */
  readonly takes: number;
}

export type BusWrite = Omit<BusRead, 'value' | 'timed'>;

const NO_LINES = Object.freeze({});

/** A board after power-up. Throws `ModelError` when two devices share a name or an address. */
export const createBoard = (config: BoardConfig): Board => {
  const standard = STANDARD_DEVICES.filter((device) => !config.omit?.includes(device.name));
  const devices = new DeviceSet([...standard, ...(config.devices ?? [])]);
  const board: Board = Object.freeze({
    config,
    devices,
    states: Object.freeze(devices.devices.map((device) => device.reset(config))),
    lines: NO_LINES,
  });
  return config.timer === 'external' ? withExternalTime(board, 0) : board;
};

/** The board after a reset of the machine: what a battery keeps stays. */
export const resetBoard = (board: Board, now: number): Board => {
  const { config, devices } = board;
  const states = devices.devices.map(
    (device, index) => device.afterReset?.(board.states[index], config, now) ?? device.reset(config),
  );
  return Object.freeze({ ...board, states: Object.freeze(states), lines: NO_LINES });
};

/** Index of the device that owns all bytes of an access; -1 when none does. */
const owner = (board: Board, access: BusAccess): number => {
  const { devices, states } = board;
  const { space, address } = access;
  const last = address + access.bytes - 1;
  for (const claim of space === 'port' ? devices.ports : devices.memory) {
    if (claim.first > address) break;
    if (last <= claim.last) return claim.device;
  }
  for (const { index, windows } of devices.movable)
    for (const window of windows(states[index], access.processor ?? 0))
      if (window.space === space && window.first <= address && last <= window.last) return index;
  return -1;
};

/** Whether an access goes to the device byte by byte, because the device says so or because it crosses a range's end. */
const splits = (board: Board, index: number, access: BusAccess): boolean =>
  access.bytes !== 1 && (index < 0 || board.devices.devices[index].byteWide === true);

const at = (access: BusAccess, now: number): BusAccess => (access.now === now ? access : { ...access, now });

const byteOf = (access: BusAccess, offset: number): BusAccess => ({
  space: access.space,
  address: access.address + offset,
  bytes: 1,
  now: access.now,
  processor: access.processor ?? 0,
});

const join = (a: readonly DeviceEffect[], b: readonly DeviceEffect[] | undefined): readonly DeviceEffect[] =>
  b === undefined || b.length === 0 ? a : a.length === 0 ? b : [...a, ...b];

/** A read by a processor: the board after it, the value (unsigned, as wide as the access) and the effects. */
export const readBus = (board: Board, access: BusAccess): BusRead => {
  const index = owner(board, access);
  if (splits(board, index, access)) {
    let after = board;
    let value = 0;
    let effects = NO_EFFECTS;
    let decoded = false;
    let timed = false;
    let takes = 0;
    for (let offset = 0; offset < access.bytes; offset++) {
      const part = readBus(after, byteOf(access, offset));
      after = part.board;
      value += part.value * 2 ** (8 * offset);
      effects = join(effects, part.effects);
      decoded ||= part.decoded;
      timed ||= part.timed;
      takes += part.takes;
    }
    return { board: after, value, effects, decoded, timed, takes };
  }
  if (index < 0) return { board, value: 0xff, effects: NO_EFFECTS, decoded: false, timed: false, takes: 0 };
  const now = timeOf(board, index, access.now);
  const device = board.devices.devices[index];
  const {
    state,
    value,
    effects = NO_EFFECTS,
    timed = false,
  } = device.read(board.states[index], at(access, now));
  return {
    ...settle(withState(board, index, state), index, effects, now),
    value,
    decoded: true,
    timed,
    takes: device.accessTime ?? 0,
  };
};

/** A write by a processor; `value` is unsigned and as wide as the access. */
export const writeBus = (board: Board, access: BusAccess, value: number): BusWrite => {
  const index = owner(board, access);
  if (splits(board, index, access)) {
    let after = board;
    let effects = NO_EFFECTS;
    let decoded = false;
    let takes = 0;
    for (let offset = 0; offset < access.bytes; offset++) {
      const part = writeBus(after, byteOf(access, offset), (value >>> (8 * offset)) & 0xff);
      after = part.board;
      effects = join(effects, part.effects);
      decoded ||= part.decoded;
      takes += part.takes;
    }
    return { board: after, effects, decoded, takes };
  }
  if (index < 0) return { board, effects: NO_EFFECTS, decoded: false, takes: 0 };
  const now = timeOf(board, index, access.now);
  const device = board.devices.devices[index];
  const answer = device.write(board.states[index], at(access, now), value);
  const after = withState(board, index, answer.state);
  return {
    ...settle(after, index, answer.effects, now),
    decoded: true,
    takes: device.accessTime ?? 0,
  };
};

/** The clock value at which a device has something to do; `Infinity` for never; may lie in the past. */
export const nextDeadline = (board: Board, now: number): number => {
  if (board.config.timer === 'external') return Number.POSITIVE_INFINITY;
  let soonest = Number.POSITIVE_INFINITY;
  for (const timed of board.devices.timed) {
    const deadline = timed.nextDeadline(board.states[timed.index], now);
    if (deadline < soonest) soonest = deadline;
  }
  return soonest;
};

/** What time does to the devices up to `now`; the same board when nothing was due. */
export const advanceBoard = (
  board: Board,
  now: number,
): { readonly board: Board; readonly effects: readonly DeviceEffect[] } => {
  let after = board;
  let effects = NO_EFFECTS;
  if (board.config.timer === 'external') return { board, effects };
  for (const timed of board.devices.timed) {
    const state = after.states[timed.index];
    if (timed.nextDeadline(state, now) > now) continue;
    const step = timed.advance(state, now);
    const settled = settle(withState(after, timed.index, step.state), timed.index, step.effects, now);
    after = settled.board;
    effects = join(effects, settled.effects);
  }
  return { board: after, effects };
};

/** The physical memory that devices decode at present for a processor: accesses to it are bus accesses, not RAM. */
export const deviceMemory = (board: Board, processor = 0): readonly AddressRange[] => [
  ...board.devices.memory,
  ...board.devices.movable.flatMap(({ index, windows }) =>
    windows(board.states[index], processor).filter((window) => window.space === 'memory'),
  ),
];
