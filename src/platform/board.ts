import { ModelError } from '../core';
import { debugExit } from './debug-exit';
import {
  type AddressRange,
  type BoardConfig,
  type BusAccess,
  type Device,
  type DeviceEffect,
  type DeviceTransition,
  NO_EFFECTS,
} from './device';
import { fwCfg } from './fw-cfg';
import { picPair } from './interrupt-controller-8259';
import {
  deliverMessage,
  type LocalApicState,
  type LocalApics,
  localApicDevice,
  takesExternal,
} from './local-apic';
import { uart16550 } from './uart-16550';

/** The devices of every board, unless `BoardConfig.omit` names them. */
export const STANDARD_DEVICES: readonly Device<unknown>[] = [
  uart16550,
  debugExit,
  picPair,
  fwCfg,
  localApicDevice as Device<unknown>,
];

interface Claim extends AddressRange {
  readonly device: number;
}

interface Movable {
  readonly index: number;
  readonly windows: (state: unknown, processor: number) => readonly AddressRange[];
}

interface Timed {
  readonly index: number;
  readonly nextDeadline: (state: unknown, now: number) => number;
  readonly advance: (state: unknown, now: number) => DeviceTransition<unknown>;
}

const byFirst = (a: Claim, b: Claim): number => a.first - b.first;

/** The devices of a board with their dispatch tables, built once; opaque to immer. */
class DeviceSet {
  readonly ports: readonly Claim[];
  readonly memory: readonly Claim[];
  readonly movable: readonly Movable[];
  readonly timed: readonly Timed[];
  /** Devices that hear of the end of level-triggered interrupts. */
  readonly listening: readonly number[];
  /** The interrupt controller at the LINT0 pins; -1: none. */
  readonly external: number;
  readonly localApic: number;

  constructor(readonly devices: readonly Device<unknown>[]) {
    const claims = devices.flatMap((device, index) =>
      device.ranges.map((range) => ({ ...range, device: index })),
    );
    this.ports = claims.filter((claim) => claim.space === 'port').sort(byFirst);
    this.memory = claims.filter((claim) => claim.space === 'memory').sort(byFirst);
    this.movable = devices.flatMap((device, index) =>
      device.windows === undefined ? [] : [{ index, windows: device.windows.bind(device) }],
    );
    this.timed = devices.flatMap((device, index) =>
      device.nextDeadline === undefined || device.advance === undefined
        ? []
        : [
            {
              index,
              nextDeadline: device.nextDeadline.bind(device),
              advance: device.advance.bind(device),
            },
          ],
    );
    this.listening = devices.flatMap(({ endOfInterrupt }, index) =>
      endOfInterrupt === undefined ? [] : [index],
    );
    this.external = devices.findIndex(({ requestsInterrupt }) => requestsInterrupt !== undefined);
    this.localApic = devices.indexOf(localApicDevice as Device<unknown>);
    this.checkNames();
    this.checkRanges(this.ports);
    this.checkRanges(this.memory);
  }

  private checkNames(): void {
    const seen = new Set<string>();
    for (const { name } of this.devices) {
      if (seen.has(name)) throw new ModelError(`two devices of the board are named ${name}`);
      seen.add(name);
    }
  }

  private checkRanges(claims: readonly Claim[]): void {
    const name = (claim: Claim): string => this.devices[claim.device].name;
    claims.forEach((claim, index) => {
      if (!(claim.first >= 0 && claim.last >= claim.first))
        throw new ModelError(`device ${name(claim)} has the empty range ${claim.first} to ${claim.last}`);
      const before = claims[index - 1];
      if (before !== undefined && before.last >= claim.first)
        throw new ModelError(
          `devices ${name(before)} and ${name(claim)} both claim ${claim.space} ${claim.first}`,
        );
    });
  }
}

/** All devices of a machine as a value: `states` holds each device's state, in the order of `devices`. */
export interface Board {
  readonly config: BoardConfig;
  readonly devices: DeviceSet;
  readonly states: readonly unknown[];
}

/** The board after an access. `decoded` is false where no device answered: reads give all ones, writes are ignored. */
export interface BusRead {
  readonly board: Board;
  readonly value: number;
  readonly effects: readonly DeviceEffect[];
  readonly decoded: boolean;
}

export type BusWrite = Omit<BusRead, 'value'>;

/** A board after power-up. Throws `ModelError` when two devices share a name or an address. */
export const createBoard = (config: BoardConfig): Board => {
  const standard = STANDARD_DEVICES.filter((device) => !config.omit?.includes(device.name));
  const devices = new DeviceSet([...standard, ...(config.devices ?? [])]);
  return Object.freeze({
    config,
    devices,
    states: Object.freeze(devices.devices.map((device) => device.reset(config))),
  });
};

const withState = (board: Board, index: number, state: unknown): Board => {
  if (board.states[index] === state) return board;
  const states = board.states.slice();
  states[index] = state;
  return Object.freeze({ config: board.config, devices: board.devices, states: Object.freeze(states) });
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

const byteOf = (access: BusAccess, offset: number): BusAccess => ({
  space: access.space,
  address: access.address + offset,
  bytes: 1,
  now: access.now,
  processor: access.processor ?? 0,
});

const join = (a: readonly DeviceEffect[], b: readonly DeviceEffect[] | undefined): readonly DeviceEffect[] =>
  b === undefined || b.length === 0 ? a : a.length === 0 ? b : [...a, ...b];

/** A board with what happened on the way to it. */
interface Changed {
  readonly board: Board;
  readonly effects: readonly DeviceEffect[];
}

const sent = (board: Board, effect: DeviceEffect, now: number): Changed => {
  switch (effect.kind) {
    case 'message':
    case 'ipi': {
      const before = localApicsOf(board);
      const { apics, signals } = deliverMessage(before, effect);
      return {
        board: apics === before ? board : withState(board, board.devices.localApic, apics),
        effects: signals,
      };
    }
    case 'end-of-interrupt': {
      let after: Changed = { board, effects: NO_EFFECTS };
      for (const index of board.devices.listening) {
        const answer = board.devices.devices[index].endOfInterrupt!(
          after.board.states[index],
          effect.vector,
          now,
        );
        after = {
          board: withState(after.board, index, answer.state),
          effects: join(after.effects, answer.effects),
        };
      }
      return after;
    }
    default:
      return { board, effects: NO_EFFECTS };
  }
};

/** Brings messages to the local APICs and ends of interrupts to the devices; `effects` with what follows from them. */
const delivered = (board: Board, effects: readonly DeviceEffect[], now: number): Changed => {
  let after: Changed = { board, effects };
  for (let at = 0; at < after.effects.length; at++) {
    const { board: next, effects: more } = sent(after.board, after.effects[at], now);
    after = { board: next, effects: join(after.effects, more) };
  }
  return after;
};

/** A read by a processor: the board after it, the value (unsigned, as wide as the access) and the effects. */
export const readBus = (board: Board, access: BusAccess): BusRead => {
  const index = owner(board, access);
  if (splits(board, index, access)) {
    let after = board;
    let value = 0;
    let effects = NO_EFFECTS;
    let decoded = false;
    for (let offset = 0; offset < access.bytes; offset++) {
      const part = readBus(after, byteOf(access, offset));
      after = part.board;
      value += part.value * 2 ** (8 * offset);
      effects = join(effects, part.effects);
      decoded ||= part.decoded;
    }
    return { board: after, value, effects, decoded };
  }
  if (index < 0) return { board, value: 0xff, effects: NO_EFFECTS, decoded: false };
  const answer = board.devices.devices[index].read(board.states[index], access);
  const after = delivered(withState(board, index, answer.state), answer.effects ?? NO_EFFECTS, access.now);
  return { ...after, value: answer.value, decoded: true };
};

/** A write by a processor; `value` is unsigned and as wide as the access. */
export const writeBus = (board: Board, access: BusAccess, value: number): BusWrite => {
  const index = owner(board, access);
  if (splits(board, index, access)) {
    let after = board;
    let effects = NO_EFFECTS;
    let decoded = false;
    for (let offset = 0; offset < access.bytes; offset++) {
      const part = writeBus(after, byteOf(access, offset), (value >>> (8 * offset)) & 0xff);
      after = part.board;
      effects = join(effects, part.effects);
      decoded ||= part.decoded;
    }
    return { board: after, effects, decoded };
  }
  if (index < 0) return { board, effects: NO_EFFECTS, decoded: false };
  const answer = board.devices.devices[index].write(board.states[index], access, value);
  return {
    ...delivered(withState(board, index, answer.state), answer.effects, access.now),
    decoded: true,
  };
};

/** The clock value at which a device has something to do; `Infinity` for never; may lie in the past. */
export const nextDeadline = (board: Board, now: number): number => {
  let soonest = Number.POSITIVE_INFINITY;
  for (const timed of board.devices.timed) {
    const deadline = timed.nextDeadline(board.states[timed.index], now);
    if (deadline < soonest) soonest = deadline;
  }
  return soonest;
};

/** What time does to the devices up to `now`; the same board when nothing was due. */
export const advanceBoard = (board: Board, now: number): Changed => {
  let after = board;
  let effects = NO_EFFECTS;
  for (const timed of board.devices.timed) {
    const state = after.states[timed.index];
    if (timed.nextDeadline(state, now) > now) continue;
    const step = timed.advance(state, now);
    after = withState(after, timed.index, step.state);
    effects = join(effects, step.effects);
  }
  return delivered(after, effects, now);
};

/** The physical memory that devices decode at present for a processor: accesses to it are bus accesses, not RAM. */
export const deviceMemory = (board: Board, processor = 0): readonly AddressRange[] => [
  ...board.devices.memory,
  ...board.devices.movable.flatMap(({ index, windows }) =>
    windows(board.states[index], processor).filter((window) => window.space === 'memory'),
  ),
];

/** The state of a device by name; `undefined` when the board does not have it. */
export const deviceState = (board: Board, name: string): unknown =>
  board.states[board.devices.devices.findIndex((device) => device.name === name)];

/** The board with another state of the named device. Throws `ModelError` when the board does not have it. */
export const withDeviceState = (board: Board, name: string, state: unknown): Board => {
  const index = board.devices.devices.findIndex((device) => device.name === name);
  if (index < 0) throw new ModelError(`the board has no device ${name}`);
  return withState(board, index, state);
};

const NO_APICS: LocalApics = Object.freeze([]);

const localApicsOf = (board: Board): LocalApics =>
  (board.states[board.devices.localApic] as LocalApics | undefined) ?? NO_APICS;

/** The local APIC of a processor; `undefined` when the board has none. */
export const localApicOf = (board: Board, processor = 0): LocalApicState | undefined =>
  localApicsOf(board)[processor];

/** The board with another state of a processor's local APIC. */
export const withLocalApic = (board: Board, state: LocalApicState, processor = 0): Board => {
  const apics = localApicsOf(board);
  return apics[processor] === undefined || apics[processor] === state
    ? board
    : withState(board, board.devices.localApic, Object.freeze(apics.with(processor, state)));
};

/** Whether the interrupt controller at LINT0 asks for an interrupt that a processor would take. */
export const requestsExternal = (board: Board, processor = 0): boolean => {
  const { external, devices } = board.devices;
  if (external < 0 || !devices[external].requestsInterrupt!(board.states[external])) return false;
  const apic = localApicOf(board, processor);
  return apic === undefined ? processor === 0 : takesExternal(apic);
};

/** The interrupt-acknowledge cycle of that controller, and the vector that it gives. */
export const acknowledgeExternal = (board: Board): { readonly board: Board; readonly vector: number } => {
  const { external, devices } = board.devices;
  const { state, vector } = devices[external].acknowledgeInterrupt!(board.states[external]);
  return { board: withState(board, external, state), vector };
};
