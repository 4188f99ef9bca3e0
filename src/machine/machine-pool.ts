import { NO_CACHES, samePolicy } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import { type MachineConfig, type MachineState, processorCount } from './machine-state';
import { RunningMachine } from './running-machine';

/** Idle machines by processor: an engine costs more to make than to reuse. It never shows which one ran a state. */
const idle: RunningMachine[] = [];
const KEPT = 4;

/** A machine that nobody uses, fit for this configuration; the one that still holds `state` when there is one. */
export const takeIdleMachine = (
  config: MachineConfig,
  tier: Tier = 'generated',
  state?: MachineState,
): RunningMachine => {
  // Nearly always the one that was given back last.
  const newest = idle[idle.length - 1];
  if (state !== undefined && newest?.holds(state) && newest.tier === tier) return idle.pop()!;
  let found = -1;
  for (let i = idle.length - 1; i >= 0; i--) {
    const machine = idle[i];
    const { processors, tier: own } = machine;
    if (machine.config.processor !== config.processor || own !== tier) continue;
    if (!samePolicy(machine.config.caches ?? NO_CACHES, config.caches ?? NO_CACHES)) continue;
    if (processors.length !== processorCount(config)) continue;
    found = i;
    if (state !== undefined && machine.holds(state)) break;
  }
  return found >= 0 ? idle.splice(found, 1)[0] : new RunningMachine(config, tier);
};

export const giveBack = (machine: RunningMachine): void => {
  if (idle.length === KEPT) idle.shift();
  idle.push(machine);
};
