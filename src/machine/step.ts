import { type Choice, preferred } from '../core';
import type { StaleTranslation } from '../cpu/caching';
import type { InterruptionEvent } from '../cpu/event';
import type { ProcessorDraft, ProcessorWatcher } from '../cpu/processor-draft';
import type { UndefinedUse } from '../cpu/undefined-use';
import type { DeviceEffect } from '../platform';
import type { VmExit } from '../vmx';
import { giveBack, takeIdleMachine } from './machine-pool';
import type { MachineState } from './machine-state';
import type { RunningMachine } from './running-machine';
import type { StopReason } from './stop-reason';

/** Where an event happened. */
export interface OnProcessor {
  /** Number of the processor, where the machine has several. */
  readonly processor?: number;
}

/** What happened in a step that the next state alone does not tell. */
export type ArchitecturalEvent =
  /** An exception or interrupt reached its handler through the IDT. */
  | (OnProcessor & { readonly kind: 'delivered'; readonly event: InterruptionEvent })
  /** VM entry loaded the guest state; an event that it injects follows as `delivered`. */
  | (OnProcessor & { readonly kind: 'vm-entry' })
  | (OnProcessor & { readonly kind: 'vm-exit'; readonly exit: VmExit })
  /** A remembered translation was used that memory contradicts; told once for a store to a table. */
  | (OnProcessor & { readonly kind: 'stale-translation'; readonly report: StaleTranslation })
  /** Software did what the manual leaves undefined. */
  | (OnProcessor & { readonly kind: 'undefined-use'; readonly use: UndefinedUse })
  /** A device did something outside the machine: a byte on the serial line, the end of an interrupt... */
  | { readonly kind: 'device'; readonly effect: DeviceEffect }
  /** No instruction retired, or none will after this one. */
  | { readonly kind: 'stopped'; readonly stop: StopReason };

/** The state after a step, and what happened in it. */
export interface StepResult {
  readonly state: MachineState;
  /** In the order in which they happened; empty for most instructions. */
  readonly events: readonly ArchitecturalEvent[];
}

const NO_EVENTS: readonly ArchitecturalEvent[] = Object.freeze([]);

const on = ({ number, count }: ProcessorDraft): OnProcessor => (count === 1 ? {} : { processor: number });

/** Writes down what happens during one step. */
class EventList implements ProcessorWatcher {
  private events: ArchitecturalEvent[] | undefined;

  private add(event: ArchitecturalEvent): void {
    this.events ??= [];
    this.events.push(Object.freeze(event));
  }

  delivered(cpu: ProcessorDraft, event: InterruptionEvent): void {
    this.add({ kind: 'delivered', ...on(cpu), event });
  }
  enteredNonRoot(cpu: ProcessorDraft): void {
    this.add({ kind: 'vm-entry', ...on(cpu) });
  }
  leftNonRoot(cpu: ProcessorDraft, exit: unknown): void {
    this.add({ kind: 'vm-exit', ...on(cpu), exit: exit as VmExit });
  }
  staleTranslation(cpu: ProcessorDraft, report: StaleTranslation): void {
    this.add({ kind: 'stale-translation', ...on(cpu), report });
  }
  undefinedUse(cpu: ProcessorDraft, use: UndefinedUse): void {
    this.add({ kind: 'undefined-use', ...on(cpu), use });
  }
  readonly device = (effect: DeviceEffect): void => this.add({ kind: 'device', effect });
  stopped(stop: StopReason): void {
    if (stop.kind !== 'limit') this.add({ kind: 'stopped', stop });
  }

  take(): readonly ArchitecturalEvent[] {
    const { events } = this;
    if (events === undefined) return NO_EVENTS;
    this.events = undefined;
    return Object.freeze(events);
  }
}

/** Instructions run one at a time while somebody looks at each. */
const alone = (): void => {};

const watch = (
  { processors }: RunningMachine,
  watcher: ProcessorWatcher | undefined,
  beforeInstruction: (() => void) | undefined,
): void => {
  for (let i = 0; i < processors.length; i++) {
    const { cpu, engine } = processors[i];
    cpu.watcher = watcher;
    engine.beforeInstruction = beforeInstruction;
  }
};

/**
 * The next state: one instruction of the processor whose turn it is retires (or one iteration of a repeated string instruction), after the events that come before it. `choice` answers where
 * the manual leaves something open; default what real processors do. When nothing can retire, the last event is `stopped` and says why. `run(state,
 * { maxInstructions: n })` gives the state of n steps.
 */
export const step = (state: MachineState, choice: Choice = preferred): StepResult => {
  const machine = takeIdleMachine(state.config, 'closures', state);
  const events = new EventList();
  machine.load(state);
  machine.onEffect = events.device;
  watch(machine, events, alone);
  const stop = machine.run(1, choice);
  watch(machine, undefined, undefined);
  machine.onEffect = undefined;
  events.stopped(stop);
  const next = machine.publish();
  giveBack(machine);
  return { state: next, events: events.take() };
};
