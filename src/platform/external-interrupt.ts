import { type Board, deviceState, localApicOf, withState } from './board-value';
import type { DeviceEffect } from './device';
import { type IoApicState, ioApic, passesExternal } from './io-apic';
import { pendingVector, takesExternal } from './local-apic';
import { settle } from './wiring';

/** Whether the interrupt controller at LINT0 and at the first input of the I/O APIC asks for an interrupt that a processor would take. */
export const requestsExternal = (board: Board, processor = 0): boolean => {
  const { external, devices } = board.devices;
  if (external < 0 || !devices[external].requestsInterrupt!(board.states[external])) return false;
  const apic = localApicOf(board, processor);
  if (apic === undefined) return processor === 0;
  const io = deviceState(board, ioApic.name) as IoApicState | undefined;
  return takesExternal(apic) || (io !== undefined && passesExternal(io, apic));
};

/** The vector that a processor would take now: of its local APIC, else of that controller; -1 for none. */
export const takenVector = (board: Board, processor = 0): number => {
  const apic = localApicOf(board, processor);
  const own = apic === undefined ? -1 : pendingVector(apic);
  return own < 0 && requestsExternal(board, processor) ? acknowledgeExternal(board).vector : own;
};

/** What an interrupt-acknowledge cycle did: the vector that it gave, and what followed. */
export interface ExternalInterrupt {
  readonly board: Board;
  readonly vector: number;
  readonly effects: readonly DeviceEffect[];
}

/** The interrupt-acknowledge cycle of that controller. */
export const acknowledgeExternal = (board: Board, now = 0): ExternalInterrupt => {
  const { external, devices } = board.devices;
  const { state, vector, effects = [] } = devices[external].acknowledgeInterrupt!(board.states[external]);
  return { ...settle(withState(board, external, state), external, effects, now), vector };
};
