import { ModelError } from '../core';
import { type Board, isHigh, localApicsOf, withLine, withState } from './board-value';
import { type DeviceEffect, NO_EFFECTS } from './device';
import { deliverMessage } from './local-apic';

/** Effects that one access may cause before the devices are said to chase each other. */
const MOST_EFFECTS = 10_000;

/** The board after effects of a device have reached the other devices; `effects` are those that leave the board. */
export interface Settled {
  readonly board: Board;
  readonly effects: readonly DeviceEffect[];
}

interface Underway {
  /** Index of the device that the effect comes from. */
  readonly from: number;
  readonly effect: DeviceEffect;
}

const INSIDE: ReadonlySet<DeviceEffect['kind']> = new Set(['line', 'message', 'ipi', 'end-of-interrupt']);

/**
 * Brings effects of a device to where they lead inside the board: lines to their listeners in the order of the devices, messages to the local
 * APICs, ends of interrupts to the I/O APICs; what those do follows after all that came before it.
 */
export const settle = (
  board: Board,
  from: number,
  effects: readonly DeviceEffect[],
  now: number,
): Settled => {
  if (!effects.some(({ kind }) => INSIDE.has(kind))) return { board, effects };
  const { devices } = board.devices;
  const queue: Underway[] = effects.map((effect) => ({ from, effect }));
  const leaving: DeviceEffect[] = [];
  let after = board;
  const take = (index: number, state: unknown, caused: readonly DeviceEffect[]): void => {
    after = withState(after, index, state);
    for (const effect of caused) queue.push({ from: index, effect });
  };
  for (let at = 0; at < queue.length; at++) {
    if (at > MOST_EFFECTS) throw new ModelError('devices of the board change lines without end');
    const { from: source, effect } = queue[at];
    switch (effect.kind) {
      case 'line': {
        const { line, level } = effect;
        const before = isHigh(after, line);
        after = withLine(after, line, devices[source].name, level);
        if (isHigh(after, line) === before) break;
        for (const index of board.devices.listenersOf(line)) {
          const step = devices[index].setLine!(after.states[index], line, level, now);
          take(index, step.state, step.effects);
        }
        break;
      }
      case 'message':
      case 'ipi': {
        leaving.push(effect);
        const { apics, signals } = deliverMessage(localApicsOf(after), effect);
        after = withState(after, board.devices.localApic, apics);
        leaving.push(...signals);
        break;
      }
      case 'end-of-interrupt':
        leaving.push(effect);
        for (const index of board.devices.hearEnds) {
          const step = devices[index].endOfInterrupt!(after.states[index], effect.vector, now);
          take(index, step.state, step.effects);
        }
        break;
      default:
        leaving.push(effect);
    }
  }
  return { board: after, effects: leaving.length === 0 ? NO_EFFECTS : leaving };
};
