import {
  answerOf,
  answersAt,
  type Choice,
  type ChoiceSite,
  EMPTY_MEMORY,
  MemoryDraft,
  preferred,
  randomWord,
} from '../core';
import type { Tier } from '../cpu/engine/block-builder';
import type { Engine, EngineStop } from '../cpu/engine/engine';
import type { LinearMemory } from '../cpu/engine/linear-memory';
import { resetProcessor } from '../cpu/presets';
import { ACTIVITY, type ProcessorDraft } from '../cpu/processor-draft';
import type { ProcessorState } from '../cpu/processor-state';
import { FLAG } from '../cpu/slots';
import { type DeviceEffect, isAsleep, type ResetCause, resetBoard } from '../platform';
import { chosen, sliceLength, type Turn } from './interleaving';
import { MachineBus } from './machine-bus';
import { type MachineConfig, type MachineState, processorCount } from './machine-state';
import { MonitorPort } from './monitor-port';
import { showRom } from './physical-map';
import { RunningProcessor, type Surroundings } from './running-processor';
import type { VirtualizedProcessor } from './virtualized-processor';
import { startInRealMode, startWithoutFirmware } from './wake';

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
  /** Software switched the machine off. */
  | { readonly kind: 'power-off' }
  /** Software reset the machine, and there is no firmware to go on with. */
  | { readonly kind: 'reset' }
  /** A listener asked for it. */
  | { readonly kind: 'interrupted' };

/** Interrupts of devices cannot wake it. */
const isDeaf = (cpu: ProcessorDraft): boolean =>
  !cpu.nonRoot && (!cpu.flag(FLAG.if) || cpu.activity === ACTIVITY.waitForSipi);

/** Deadlines that may pass in vain while all processors sleep. */
const MOST_WAKELESS = 65_536;

/** A machine under way: the draft of a state with its engines. It belongs to nobody; `load` and `publish` move states in and out. */
export class RunningMachine {
  readonly bus: MachineBus;
  readonly processors: readonly RunningProcessor[];
  // Of the processor whose turn it is
  cpu!: ProcessorDraft;
  engine!: Engine;
  memory!: LinearMemory;
  virtualized: VirtualizedProcessor | undefined;
  private current!: RunningProcessor;
  private draft: MemoryDraft;
  private choice: Choice = preferred;
  private occurrences: Partial<Record<ChoiceSite, number>> = {};
  private readonly port: MonitorPort;
  private published: MachineState | undefined;
  private stop: StopReason | undefined;
  private seed = 0;
  /** Machine clock at which the slice of the current processor ends. */
  private until = Number.POSITIVE_INFINITY;
  /** Processors that had nothing to do at machine clock `idleAt`, by number. */
  private readonly idle = new Set<number>();
  private idleAt = -1;
  /** Deadlines that passed since all processors fell asleep, and how many instructions had retired then. */
  private wakeless = 0;
  private asleepAt = -1;
  /** A reset that software asked for: it comes after the instruction in execution. */
  private resets: ResetCause | undefined;
  onEffect: ((effect: DeviceEffect) => void) | undefined;

  constructor(
    readonly config: MachineConfig,
    readonly tier: Tier,
  ) {
    const { processor } = config;
    this.draft = new MemoryDraft(EMPTY_MEMORY);
    this.bus = new MachineBus(
      () => this.engine.now(),
      () => this.deadlineChanged(),
      (value, bytes) => Number(this.decide('timer-count', 1n << BigInt(8 * bytes), BigInt(value))),
      (units) => {
        this.engine.clockStart += units;
        this.deadlineChanged();
      },
    );
    const surroundings: Surroundings = {
      processor,
      tier,
      bus: this.bus,
      draft: this.draft,
      clock: { now: (): number => this.engine.now() },
      decide: (site, alternatives, value) => this.decide(site, alternatives, value),
    };
    const count = processorCount(config);
    this.processors = Array.from(
      { length: count },
      (_, number) => new RunningProcessor(number, count, surroundings),
    );
    for (const { memory } of this.processors)
      memory.peers = this.processors.map((one) => one.memory).filter((one) => one !== memory);
    this.select(this.processors[0]);
    this.port = new MonitorPort(this);
    this.bus.onEffect = (effect) => this.effect(effect);
    this.bus.onRemapped = (rom) => {
      showRom(this.draft, rom);
      for (const { memory, engine } of this.processors) {
        memory.flush();
        engine.code.clear();
      }
    };
  }

  /** Instructions and iterations that all processors retired. */
  get retired(): number {
    const { processors } = this;
    let sum = 0;
    for (let i = 0; i < processors.length; i++) sum += processors[i].engine.retired;
    return sum;
  }

  /** Whether this machine still holds exactly this state. */
  holds(state: MachineState): boolean {
    return this.published === state;
  }

  private select(next: RunningProcessor): void {
    this.current = next;
    this.cpu = next.cpu;
    this.engine = next.engine;
    this.memory = next.memory;
    this.virtualized = next.virtualized;
    this.bus.processor = next.number;
  }

  /** All processors as they are after power-up; the machine holds no state then. */
  reset(): readonly ProcessorState[] {
    this.published = undefined;
    for (const one of this.processors) {
      resetProcessor(one.cpu, one.number === 0);
      one.changed();
    }
    return this.publishProcessors();
  }

  load(state: MachineState): void {
    if (this.holds(state)) return;
    const { processor, until } = state.turn;
    this.draft = new MemoryDraft(state.memory);
    this.select(this.processors[processor]);
    for (const one of this.processors) one.load(state.processors[one.number], this.draft);
    this.engine.clockStart = state.clock - this.engine.retired;
    this.bus.load(state.board, state.ram);
    this.seed = state.config.seed ?? 0;
    this.until = until;
    this.occurrences = { ...state.occurrences };
    this.port.load(state.monitor);
    this.published = state;
  }

  /** The present state as a value. */
  publish(): MachineState {
    const before = this.published!;
    this.current.changed();
    const state: MachineState = Object.freeze({
      config: before.config,
      ram: before.ram,
      clock: this.engine.now(),
      turn: this.publishTurn(before.turn),
      memory: this.publishMemory(),
      board: this.bus.board,
      processors: this.publishProcessors(),
      occurrences: sameCounts(before.occurrences, this.occurrences)
        ? before.occurrences
        : Object.freeze({ ...this.occurrences }),
      monitor: this.port.publish(),
    });
    this.published = state;
    return state;
  }

  private publishProcessors(): readonly ProcessorState[] {
    const { processors } = this;
    const states = [processors[0].publish()];
    for (let i = 1; i < processors.length; i++) states.push(processors[i].publish());
    return Object.freeze(states);
  }

  private publishTurn(before: Turn): Turn {
    const { until } = this;
    const processor = this.current.number;
    return before.processor === processor && before.until === until
      ? before
      : Object.freeze({ processor, until });
  }

  /** The present contents of memory as a value. */
  publishMemory(): MachineState['memory'] {
    this.memory.published();
    return this.draft.publish();
  }

  /** Runs until `instructions` have retired or something ends the run. */
  run(instructions: number, choice: Choice): StopReason {
    const { bus } = this;
    this.choice = choice;
    const asks = answersAt(choice, 'undefined-flags');
    const { processors } = this;
    for (let i = 0; i < processors.length; i++) {
      const { engine } = processors[i];
      engine.askUndefinedFlags(asks);
      engine.stopRequested = false;
    }
    this.stop = undefined;
    this.asleepAt = -1;
    this.idleAt = -1;
    let left = instructions;
    while (this.stop === undefined) {
      if (this.resets !== undefined) {
        const stop = this.restart(this.resets);
        if (stop !== undefined) return stop;
      }
      if (left <= 0) return { kind: 'limit' };
      const { engine } = this;
      const now = engine.now();
      if (now >= bus.deadline) {
        bus.advance(now);
        this.cpu.boundaryWork = true;
        continue;
      }
      if (now >= this.until) {
        const stop = this.nextTurn(now);
        if (stop !== undefined) return stop;
        continue;
      }
      const before = engine.retired;
      const reason = engine.run(Math.min(left, bus.deadline - now, this.until - now));
      const stop = this.afterRun(reason);
      left -= engine.retired - before;
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
        return this.inactive();
      case 'host-port':
        return this.port.turn();
      case 'triple-fault':
        return { kind: 'triple-fault' };
      case 'delivery-loop':
        return { kind: 'delivery-loop' };
    }
  }

  /** The current processor has nothing to do: its slice ends. */
  private inactive(): StopReason | undefined {
    const { engine, cpu } = this;
    if (cpu.activity === ACTIVITY.shutdown) return { kind: 'triple-fault' };
    if (this.processors.length === 1) return this.waitForDeadline();
    const now = engine.now();
    this.until = now;
    this.idleNow(now).add(this.current.number);
    return undefined;
  }

  /** The current processor is interrupted after its instruction. */
  private endSlice(): void {
    const { engine } = this;
    this.until = Math.min(this.until, engine.now() + 1);
    engine.goal = Math.min(engine.goal, engine.retired + 1);
  }

  private idleNow(now: number): Set<number> {
    if (now !== this.idleAt) {
      this.idle.clear();
      this.idleAt = now;
    }
    return this.idle;
  }

  /**
   * The slice has ended: another processor that may run has the next one, or time passes. An NMI is taken before other processors go on, as it would be
   * if they ran at once: a second one is then latched, and not lost.
   */
  private nextTurn(now: number): StopReason | undefined {
    const { processors, bus, current } = this;
    const idle = this.idleNow(now);
    const able = processors.filter((one) => !idle.has(one.number) && one.mayRun(bus));
    const urgent = able.filter((one) => one.takesNmi);
    const others = urgent.length > 0 ? urgent : able.filter((one) => one !== current);
    if (others.length > 0) {
      const number = chosen(
        this.seed,
        now,
        others.map((one) => one.number),
      );
      if (number !== current.number) this.switchTo(processors[number], now);
    } else if (idle.has(current.number)) return this.waitForDeadline();
    this.until = now + sliceLength(this.seed, now);
    return undefined;
  }

  private switchTo(next: RunningProcessor, now: number): void {
    this.current.changed();
    next.changed();
    next.engine.clockStart = now - next.engine.retired;
    next.cpu.boundaryWork = true;
    this.select(next);
  }

  /** All processors are inactive: the clock jumps to the next deadline. */
  private waitForDeadline(): StopReason | undefined {
    const { engine, bus } = this;
    const deadline = Math.min(bus.deadline, ...this.processors.map((one) => one.deadline));
    const sleeps = !isAsleep(bus.board) && this.sleepsForEver();
    if (deadline === Number.POSITIVE_INFINITY || sleeps) return { kind: 'stuck' };
    const wait = deadline - engine.now();
    if (wait > 0) engine.clockStart += wait;
    this.idle.clear();
    return undefined;
  }

  /** Deadlines come, but none can wake a processor: interrupts are off, or those that come are of too low a priority. */
  private sleepsForEver(): boolean {
    if (this.processors.every(({ cpu }) => isDeaf(cpu))) return true;
    const { retired } = this;
    if (retired !== this.asleepAt) {
      this.asleepAt = retired;
      this.wakeless = 0;
    }
    return ++this.wakeless > MOST_WAKELESS;
  }

  /** A reset: processors and devices are as after power-up, memory stays. SDM Vol. 3A, 10.1.1 Processor State After Reset */
  private restart(cause: ResetCause): StopReason | undefined {
    const { bus, processors } = this;
    const now = this.engine.now();
    this.resets = undefined;
    const hasFirmware = bus.board.config.firmware !== undefined;
    const start = startWithoutFirmware(cause, bus.board, (address, bytes) =>
      this.memory.readPhysical(address, bytes),
    );
    if (this.port.isAttached || (!hasFirmware && start === undefined)) return { kind: 'reset' };
    for (const one of processors) {
      one.engine.stopRequested = false;
      resetProcessor(one.cpu, one.number === 0);
      one.virtualized?.load(undefined);
      one.changed();
    }
    const [first] = processors;
    if (this.current !== first) this.switchTo(first, now);
    this.until = processors.length === 1 ? Number.POSITIVE_INFINITY : now + sliceLength(this.seed, now);
    bus.arrive(resetBoard(bus.board, now), []);
    if (!hasFirmware && start !== undefined) startInRealMode(first.cpu, start);
    return undefined;
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
      case 'power-off':
        this.end({ kind: 'power-off' });
        return;
      case 'sleep':
        for (const { cpu } of this.processors) cpu.activity = ACTIVITY.waitForSipi;
        return;
      case 'reset':
        this.resets = effect.cause;
        this.engine.stopRequested = true;
        this.engine.goal = 0;
        return;
      case 'signal':
        this.processors[effect.processor].signal(effect);
        if (effect.processor !== this.current.number) this.endSlice();
    }
  }

  private decide(site: ChoiceSite, alternatives: bigint, value: bigint): bigint {
    const occurrence = this.occurrences[site] ?? 0;
    this.occurrences[site] = occurrence + 1;
    const usual = site === 'rdrand' ? randomWord(occurrence) % (alternatives - 1n) : value;
    return answerOf(this.choice, { site, occurrence, alternatives, preferred: usual });
  }
}

const sameCounts = (
  a: Partial<Record<ChoiceSite, number>>,
  b: Partial<Record<ChoiceSite, number>>,
): boolean => {
  for (const site of Object.keys(b) as ChoiceSite[]) if (a[site] !== b[site]) return false;
  return true;
};
