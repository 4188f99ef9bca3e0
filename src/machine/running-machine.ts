import { answersAt, type Choice, EMPTY_MEMORY, MemoryDraft } from '../core';
import { NO_CACHES } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import type { Engine, EngineStop } from '../cpu/engine/engine';
import type { LinearMemory } from '../cpu/engine/linear-memory';
import { resetProcessor } from '../cpu/presets';
import { ACTIVITY, type ProcessorDraft } from '../cpu/processor-draft';
import type { ProcessorState } from '../cpu/processor-state';
import { type DeviceEffect, type ResetCause, resetBoard } from '../platform';
import { Decisions } from './decisions';
import { MachineBus } from './machine-bus';
import { type MachineConfig, type MachineState, processorCount } from './machine-state';
import { MonitorPort } from './monitor-port';
import { showRom } from './physical-map';
import { RunningProcessor, type Surroundings } from './running-processor';
import type { StopReason } from './stop-reason';
import { Turns } from './turns';
import type { VirtualizedProcessor } from './virtualized-processor';
import { startInRealMode, startWithoutFirmware } from './wake';

/** A machine under way: the draft of a state with its engines. It belongs to nobody; `load` and `publish` move states in and out. */
export class RunningMachine {
  readonly bus: MachineBus;
  readonly processors: readonly RunningProcessor[];
  // Of the processor whose turn it is
  cpu!: ProcessorDraft;
  engine!: Engine;
  memory!: LinearMemory;
  virtualized: VirtualizedProcessor | undefined;
  current!: RunningProcessor;
  private draft: MemoryDraft;
  private readonly decisions = new Decisions();
  private readonly port: MonitorPort;
  private published: MachineState | undefined;
  private stop: StopReason | undefined;
  private readonly turns: Turns;
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
      (value, bytes) => Number(this.decisions.decide('timer-count', 1n << BigInt(8 * bytes), BigInt(value))),
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
      caches: config.caches ?? NO_CACHES,
      kept: new Map(),
      clock: { now: (): number => this.engine.now() },
      decide: (site, alternatives, value) => this.decisions.decide(site, alternatives, value),
    };
    const count = processorCount(config);
    this.processors = Array.from(
      { length: count },
      (_, number) => new RunningProcessor(number, count, surroundings),
    );
    for (const { memory } of this.processors)
      memory.peers = this.processors.map((one) => one.memory).filter((one) => one !== memory);
    this.select(this.processors[0]);
    this.turns = new Turns(this);
    this.port = new MonitorPort(this);
    this.bus.onEffect = (effect) => this.effect(effect);
    this.bus.onA20m = () => {
      for (const { memory } of this.processors) memory.flush();
    };
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
    this.draft = new MemoryDraft(state.memory);
    this.select(this.processors[state.turn.processor]);
    for (const one of this.processors) one.load(state.processors[one.number], this.draft);
    this.engine.clockStart = state.clock - this.engine.retired;
    this.bus.load(state.board, state.ram);
    this.turns.load(state.turn, state.config.seed ?? 0);
    this.decisions.load(state.occurrences);
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
      turn: this.turns.publish(before.turn),
      memory: this.publishMemory(),
      board: this.bus.board,
      processors: this.publishProcessors(),
      occurrences: this.decisions.publish(before.occurrences),
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

  /** The present contents of memory as a value. */
  publishMemory(): MachineState['memory'] {
    if (this.draft.isWritten) this.memory.published();
    return this.draft.publish();
  }

  /** Runs until `instructions` have retired or something ends the run. */
  run(instructions: number, choice: Choice): StopReason {
    const { bus, turns } = this;
    this.decisions.choice = choice;
    const asks = answersAt(choice, 'undefined-flags');
    const { processors } = this;
    for (let i = 0; i < processors.length; i++) {
      const { engine } = processors[i];
      engine.askUndefinedFlags(asks);
      engine.stopRequested = false;
    }
    this.stop = undefined;
    this.resets = undefined;
    turns.begin();
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
      if (now >= turns.until) {
        const stop = turns.next(now);
        if (stop !== undefined) return stop;
        continue;
      }
      const before = engine.retired;
      const reason = engine.run(Math.min(left, bus.deadline - now, turns.until - now));
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
        return this.turns.inactive();
      case 'host-port':
        return this.port.stop;
      case 'triple-fault':
        return { kind: 'triple-fault' };
      case 'delivery-loop':
        return { kind: 'delivery-loop' };
    }
  }

  /** Another processor goes on at this machine clock. */
  switchTo(next: RunningProcessor, now: number): void {
    this.current.changed();
    next.changed();
    next.engine.clockStart = now - next.engine.retired;
    next.cpu.boundaryWork = true;
    this.select(next);
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
    this.turns.restart(now);
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
        for (const one of this.processors) {
          one.cpu.activity = ACTIVITY.waitForSipi;
          one.changed();
        }
        return;
      case 'reset':
        this.resets = effect.cause;
        this.engine.stopRequested = true;
        this.engine.goal = 0;
        return;
      case 'signal':
        this.processors[effect.processor].signal(effect);
        if (effect.processor !== this.current.number) this.turns.endSlice();
    }
  }
}
