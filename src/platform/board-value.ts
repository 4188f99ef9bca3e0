import { ModelError } from '../core';
import type { BoardConfig, InterruptLine } from './device';
import type { DeviceSet } from './device-set';
import type { LocalApicState, LocalApics } from './local-apic';

/** Which devices drive each line high, by name in ascending order; a line that is low is not here. */
export type Lines = Readonly<Record<string, readonly string[]>>;

/** All devices of a machine as a value: `states` holds each device's state, in the order of `devices`. */
export interface Board {
  readonly config: BoardConfig;
  readonly devices: DeviceSet;
  readonly states: readonly unknown[];
  readonly lines: Lines;
  /** The clock as each device knows it, where time is external (`BoardConfig.timer`); absent where all follow the machine's. */
  readonly times?: readonly number[];
}

export const withState = (board: Board, index: number, state: unknown): Board => {
  if (board.states[index] === state) return board;
  const states = board.states.slice();
  states[index] = state;
  return Object.freeze({ ...board, states: Object.freeze(states) });
};

/** Whether a line is high. */
export const isHigh = (board: Board, line: InterruptLine): boolean => board.lines[line] !== undefined;

/** The board with a line as one device drives it. */
export const withLine = (board: Board, line: InterruptLine, device: string, level: boolean): Board => {
  const drivers = board.lines[line] ?? [];
  if (drivers.includes(device) === level) return board;
  const { [line]: _, ...others } = board.lines as Record<InterruptLine, readonly string[]>;
  const now = level ? [...drivers, device].sort() : drivers.filter((name) => name !== device);
  const lines = now.length === 0 ? others : { ...others, [line]: Object.freeze(now) };
  return Object.freeze({ ...board, lines: Object.freeze(lines) });
};

/** The state of a device by name; `undefined` when the board does not have it. */
export const deviceState = (board: Board, name: string): unknown => board.states[board.devices.indexOf(name)];

/** The board with another state of the named device. Throws `ModelError` when the board does not have it. */
export const withDeviceState = (board: Board, name: string, state: unknown): Board => {
  const index = board.devices.indexOf(name);
  if (index < 0) throw new ModelError(`the board has no device ${name}`);
  return withState(board, index, state);
};

/**
 * Whether the chipset asserts A20M#: port 92H and the keyboard controller are ORed, so that line 20 of physical addresses is held low only while
 * both hold it. 82371SB data sheet, A20M#
 */
export const assertsA20m = ({ devices: { gateParts }, states }: Board): boolean => {
  for (let i = 0; i < gateParts.length; i++) {
    const { index, passes } = gateParts[i];
    if (passes(states[index])) return false;
  }
  return gateParts.length > 0;
};

const NO_APICS: LocalApics = Object.freeze([]);

export const localApicsOf = (board: Board): LocalApics =>
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
