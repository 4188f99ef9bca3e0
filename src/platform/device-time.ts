import { type Board, withState } from './board-value';
import type { DeviceEffect } from './device';
import { settle } from './wiring';

/** Expiries of one device that are tried for one that does what is looked for: its output may change several times before an interrupt comes. */
const MOST_EXPIRIES = 4;

/** The clock as a device knows it. */
export const timeOf = (board: Board, index: number, now: number): number => board.times?.[index] ?? now;

/** The board whose devices have no time of their own: it stands still for each of them until `expiries` brings it forward. */
export const withExternalTime = (board: Board, now: number): Board =>
  Object.freeze({
    ...board,
    config: Object.freeze({ ...board.config, timer: 'external' as const }),
    times: Object.freeze(board.states.map(() => now)),
  });

/** A board after time came to one of its devices. */
export interface Expiry {
  readonly board: Board;
  readonly effects: readonly DeviceEffect[];
}

/** The board after the next thing that time does to a device; undefined when it does nothing more. */
const expired = (board: Board, at: number): Expiry | undefined => {
  const timed = board.devices.timed[at];
  const { index } = timed;
  const state = board.states[index];
  const deadline = timed.nextDeadline(state, timeOf(board, index, 0));
  if (deadline === Number.POSITIVE_INFINITY) return undefined;
  const step = timed.advance(state, deadline);
  const after = withState(board, index, step.state);
  const later = Object.freeze({ ...after, times: Object.freeze(after.times!.with(index, deadline)) });
  return settle(later, index, step.effects, deadline);
};

/** What time may do next on a board with external time: device by device, its first expiries. */
export function* expiries(board: Board): Generator<Expiry> {
  for (let at = 0; at < board.devices.timed.length; at++) {
    let effects: readonly DeviceEffect[] = [];
    let after = board;
    for (let count = 0; count < MOST_EXPIRIES; count++) {
      const next = expired(after, at);
      if (next === undefined) break;
      after = next.board;
      effects = [...effects, ...next.effects];
      yield { board: after, effects };
    }
  }
}
