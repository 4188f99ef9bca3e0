import {
  answerOf,
  answersAt,
  type Choice,
  type ChoiceSite,
  EMPTY_MEMORY,
  MemoryDraft,
  preferred,
} from '../core';
import type { Tier } from '../cpu/engine/block-builder';
import { Engine, type EngineStop } from '../cpu/engine/engine';
import { LinearMemory } from '../cpu/engine/linear-memory';
import { ACTIVITY, ProcessorDraft } from '../cpu/processor-draft';
import { ProcessorPublisher, type ProcessorState } from '../cpu/processor-state';
import { FLAG } from '../cpu/slots';
import type { DeviceEffect } from '../platform';
import { MachineBus } from './machine-bus';
import type { MachineConfig, MachineState } from './machine-state';
import { MonitorPort } from './monitor-port';
import { instructionRows, type VirtualizedProcessor, virtualizedProcessor } from './virtualized-processor';

/** Why a run ended. */
export type StopReason =
  | { readonly kind: 'limit' }
  /** The guest wrote to the debug-exit port; `status` is (code << 1) | 1. */
  | { readonly kind: 'exit'; readonly code: number; readonly status: number }
  /** All processors wait for something that nothing will bring. */
  | { readonly kind: 'stuck' }
  /** A fault during the delivery of a double fault: the processor is in the shutdown state. */
  | { readonly kind: 'triple-fault' }
  /** Deliveries follow each other without end and without an instruction between them. */
  | { readonly kind: 'delivery-loop' }
  /** The monitor gave up its guest. */
  | { readonly kind: 'monitor-stopped'; readonly reason: string }
  /** A listener asked for it. */
  | { readonly kind: 'interrupted' };

/** Deadlines that may pass in vain while all processors sleep. */
const MOST_WAKELESS = 65_536;

/** A machine under way: the draft of a state with its engine. It belongs to nobody; `load` and `publish` move states in and out. */
export class RunningMachine {
  readonly bus: MachineBus;
  readonly memory: LinearMemory;
  readonly cpu: ProcessorDraft;
  readonly engine: Engine;
  readonly virtualized: VirtualizedProcessor | undefined;
  private draft: MemoryDraft;
  private choice: Choice = preferred;
  private occurrences: Partial<Record<ChoiceSite, number>> = {};
  private readonly publisher = new ProcessorPublisher();
  private readonly port: MonitorPort;
  private published: MachineState | undefined;
  private stop: StopReason | undefined;
  /** Deadlines that passed since the processor fell asleep, and how many instructions had retired then. */
  private wakeless = 0;
  private asleepAt = -1;
  onEffect: ((effect: DeviceEffect) => void) | undefined;

  constructor(
    readonly config: MachineConfig,
    tier: Tier,
  ) {
    const { processor } = config;
    this.draft = new MemoryDraft(EMPTY_MEMORY);
    this.memory = new LinearMemory(this.draft, processor);
    const clock = { now: (): number => this.engine.now() };
    this.bus = new MachineBus(
      () => this.engine.now(),
      () => this.deadlineChanged(),
      (value, bytes) => Number(this.decide('timer-count', 1n << BigInt(8 * bytes), BigInt(value))),
    );
    this.cpu = new ProcessorDraft(
      this.bus,
      this.memory,
      processor.cpuid,
      clock,
      (site, alternatives, value) => this.decide(site, alternatives, value),
    );
    this.virtualized = virtualizedProcessor(processor, this.cpu, this.memory);
    this.engine = new Engine(this.cpu, this.memory, instructionRows(), tier);
    this.port = new MonitorPort(this);
    this.bus.onEffect = (effect) => this.effect(effect);
  }

  get tier(): Tier {
    return this.engine.tier;
  }

  /** Whether this machine still holds exactly this state. */
  holds(state: MachineState): boolean {
    return this.published === state;
  }

  load(state: MachineState): void {
    if (this.holds(state)) return;
    const { engine, cpu } = this;
    this.draft = new MemoryDraft(state.memory);
    engine.reset(this.draft);
    engine.clockStart = state.clock - engine.retired;
    this.bus.load(state.board, state.ram);
    this.publisher.load(cpu, state.processors[0], this.virtualized);
    this.occurrences = { ...state.occurrences };
    this.port.load(state.monitor);
    cpu.boundaryWork = true;
    cpu.mmu.contextChanged();
    this.published = state;
  }

  /** The present state as a value. */
  publish(): MachineState {
    const before = this.published!;
    const state: MachineState = Object.freeze({
      config: before.config,
      ram: before.ram,
      clock: this.engine.now(),
      memory: this.publishMemory(),
      board: this.bus.board,
      processors: Object.freeze([this.publishProcessor()]),
      occurrences: sameCounts(before.occurrences, this.occurrences)
        ? before.occurrences
        : Object.freeze({ ...this.occurrences }),
      monitor: this.port.publish(),
    });
    this.published = state;
    return state;
  }

  publishProcessor(): ProcessorState {
    return this.publisher.publish(this.cpu, this.virtualized);
  }

  /** The present contents of memory as a value. */
  publishMemory(): MachineState['memory'] {
    this.memory.published();
    return this.draft.publish();
  }

  /** Runs until `instructions` have retired or something ends the run. */
  run(instructions: number, choice: Choice): StopReason {
    const { engine, bus, cpu } = this;
    this.choice = choice;
    engine.askUndefinedFlags(answersAt(choice, 'undefined-flags'));
    this.stop = undefined;
    this.asleepAt = -1;
    engine.stopRequested = false;
    const end = engine.retired + instructions;
    while (this.stop === undefined) {
      if (engine.retired >= end) return { kind: 'limit' };
      const now = engine.now();
      if (now >= bus.deadline) {
        bus.advance(now);
        cpu.boundaryWork = true;
        continue;
      }
      const reason = engine.run(Math.min(end - engine.retired, bus.deadline - now));
      const stop = this.afterRun(reason);
      if (stop !== undefined) return stop;
    }
    return this.stop;
  }

  private afterRun(reason: EngineStop): StopReason | undefined {
    switch (reason) {
      case 'budget':
      case 'stopped':
        return undefined;
      case 'inactive':
        return this.waitForDeadline();
      case 'host-port':
        return this.port.turn();
      case 'triple-fault':
        return { kind: 'triple-fault' };
      case 'delivery-loop':
        return { kind: 'delivery-loop' };
    }
  }

  /** All processors are inactive: the clock jumps to the next deadline. */
  private waitForDeadline(): StopReason | undefined {
    const { engine, cpu, bus } = this;
    if (cpu.activity === ACTIVITY.shutdown) return { kind: 'triple-fault' };
    const own = cpu.nonRoot
      ? (cpu.virtualization?.nextDeadline(cpu) ?? Number.POSITIVE_INFINITY)
      : Number.POSITIVE_INFINITY;
    const deadline = Math.min(bus.deadline, own);
    if (deadline === Number.POSITIVE_INFINITY || this.sleepsForEver()) return { kind: 'stuck' };
    const wait = deadline - engine.now();
    if (wait > 0) engine.clockStart += wait;
    return undefined;
  }

  /** Deadlines come, but none can wake it: interrupts are off, or those that come are of too low a priority. */
  private sleepsForEver(): boolean {
    const { engine, cpu } = this;
    if (!cpu.nonRoot && !cpu.flag(FLAG.if)) return true;
    if (engine.retired !== this.asleepAt) {
      this.asleepAt = engine.retired;
      this.wakeless = 0;
    }
    return ++this.wakeless > MOST_WAKELESS;
  }

  /** Ends the run after the instruction in execution. */
  end(reason: StopReason): void {
    this.stop ??= reason;
    this.engine.stopRequested = true;
    this.engine.goal = 0;
  }

  private deadlineChanged(): void {
    const { engine, bus } = this;
    this.cpu.boundaryWork = true;
    engine.goal = Math.min(engine.goal, engine.retired + Math.max(0, bus.deadline - engine.now()));
  }

  private effect(effect: DeviceEffect): void {
    this.onEffect?.(effect);
    switch (effect.kind) {
      case 'exit':
        this.end({ kind: 'exit', code: effect.code, status: ((effect.code << 1) | 1) & 0xff });
        return;
      case 'signal':
        if (effect.signal !== 'nmi') this.cpu.unbuilt(`${effect.signal.toUpperCase()} of a device`);
        this.cpu.nmiPending = true;
        this.cpu.boundaryWork = true;
    }
  }

  private decide(site: ChoiceSite, alternatives: bigint, value: bigint): bigint {
    const occurrence = this.occurrences[site] ?? 0;
    this.occurrences[site] = occurrence + 1;
    return answerOf(this.choice, { site, occurrence, alternatives, preferred: value });
  }
}

const sameCounts = (
  a: Partial<Record<ChoiceSite, number>>,
  b: Partial<Record<ChoiceSite, number>>,
): boolean => {
  for (const site of Object.keys(b) as ChoiceSite[]) if (a[site] !== b[site]) return false;
  return true;
};
