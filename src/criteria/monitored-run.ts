import { answerOf, type Choice, type ChoiceQuestion, choiceAt, type MemoryRoot, ModelError } from '../core';
import type { InterruptionEvent } from '../cpu/event';
import { ACTIVITY, type ProcessorDraft } from '../cpu/processor-draft';
import type { BusEvent } from '../machine/machine-bus';
import type { MachineState } from '../machine/machine-state';
import { RunningMachine } from '../machine/running-machine';
import type { StopReason } from '../machine/stop-reason';
import type { DeviceEffect } from '../platform';
import type { VmExit } from '../vmx';
import { deliveredEvent } from './guest-events';
import { GuestCode } from './guest-instruction';
import { GuestMemory } from './guest-memory';
import { type GuestRegisters, readGuestRegisters } from './guest-registers';
import { interruptState, passedBy, withoutDelivered, withSource } from './interrupt-state';
import { makeObservation } from './make-observation';
import {
  audience,
  copied,
  countStall,
  type MonitoredRunListener,
  type MonitoredRunOptions,
  NOTHING_YET,
  type PendingExit,
  type Progress,
  type SavedRun,
} from './monitored-progress';
import { type DeliveredEvent, endOf, type GuestEnd, type Observation } from './observation';
import {
  isOpenToInterrupts,
  isStuck,
  iterationsSince,
  pendingExit,
  recordTime,
  timeStampRead,
} from './pending-exit';
import { withTimeSites } from './time-sources';

/** Observations kept before a slice of the run ends. */
const MOST_OBSERVATIONS = 256;
/** Host instructions after a guest's end in which the monitor must come back to it or stop. */
const AFTER_END = 200_000;
/** A monitor that executes so many between two VM entries has lost its guest. */
const MOST_HOST_INSTRUCTIONS = 2_000_000;

const CONTROL = { kind: 'interrupted' } as const;

/** A guest on the processor of a monitor: its observations, and what happens between them. */
export class MonitoredRun {
  readonly machine: RunningMachine;
  readonly memory: GuestMemory;
  readonly code: GuestCode;
  private readonly choice: Choice;
  private readonly audience: Required<MonitoredRunListener>;
  private progress: Progress;
  /** `engine.retired` when the guest was entered. */
  private enteredAt: number;
  /** Instructions retired when the host had the processor again. */
  private leftAt: number;
  private queue: Observation[] = [];
  private stopsAtEntry = false;
  /** The guest's registers are being read, by nobody in the machine. */
  private looking = false;

  constructor(
    from: SavedRun | MachineState,
    private readonly options: MonitoredRunOptions,
  ) {
    const state = 'progress' in from ? from.state : from;
    if (state.monitor === undefined) throw new ModelError('a monitored run needs a machine with a monitor');
    const machine = new RunningMachine(state.config, options.tier);
    this.machine = machine;
    this.memory = GuestMemory.of(state.monitor.layout);
    this.code = new GuestCode(
      machine.cpu,
      (frame) => machine.memory.memory.page(frame),
      this.memory,
      state.config.processor,
    );
    this.choice = choiceAt(withTimeSites(options.choice), (question) => this.answer(question));
    machine.cpu.watcher = {
      delivered: (cpu, event) => this.delivered(cpu, event),
      enteredNonRoot: (cpu) => this.entered(cpu),
      leftNonRoot: (cpu, exit, during) => this.left(cpu, exit as VmExit, during),
      staleTranslation: (_, report) => this.audience.stale(this, report),
      reachedMsr: (_, index, access) => {
        if (this.inGuest) this.audience.reachedMsr(this, index, access);
      },
    };
    machine.bus.onAccess = (event) => this.accessed(event);
    machine.bus.onAcknowledge = (vector) => {
      this.progress.held = [...this.progress.held, { vector, passed: false }];
    };
    machine.bus.onInternal = (what) => {
      if (!this.looking) this.reached(what);
    };
    machine.onEffect = (effect) => this.effect(effect);
    const listeners = options.listeners ?? [];
    this.audience = audience(listeners);
    if (listeners.some((listener) => listener.touched !== undefined))
      machine.memory.observer = {
        frame: (frame, use, write) => this.audience.touched(this, frame, use, write),
      };
    machine.load(state);
    this.enteredAt = machine.engine.retired;
    this.leftAt = machine.engine.retired;
    this.progress =
      'progress' in from
        ? copied(from.progress)
        : {
            ...NOTHING_YET,
            accesses: [],
            root: state.memory,
          };
    if ('progress' in from) this.enteredAt -= from.position - from.progress.completed;
  }

  get inGuest(): boolean {
    return this.machine.cpu.nonRoot;
  }
  get ended(): boolean {
    return this.progress.ended;
  }
  /** Guest instructions (and iterations of repeated ones) retired, by the processor or by the monitor. */
  get position(): number {
    const { progress, machine } = this;
    return this.inGuest
      ? progress.completed + Math.max(0, machine.engine.retired - this.enteredAt)
      : progress.completed;
  }
  /** Guest instructions that the processor retired since the last VM entry. */
  get stay(): number {
    return this.inGuest ? Math.max(0, this.machine.engine.retired - this.enteredAt) : 0;
  }
  get registers(): GuestRegisters {
    this.looking = true;
    const registers = readGuestRegisters(this.machine.cpu);
    this.looking = false;
    return registers;
  }

  save(): SavedRun {
    return { state: this.machine.publish(), progress: copied(this.progress), position: this.position };
  }

  /** The observations made since the last call. */
  take(): readonly Observation[] {
    const taken = this.queue;
    this.queue = [];
    return taken;
  }

  // ---- running

  /** Runs `instructions` of host and guest together, or until enough observations have been made or the guest has ended. */
  runSlice(instructions: number): void {
    if (this.ended) return;
    const stop = this.machine.run(instructions, this.choice);
    this.afterStop(stop);
  }

  /** Runs the guest to a position (or a little beyond, where the monitor completes several iterations at once), or to its end. */
  seek(position: number): void {
    this.stopsAtEntry = true;
    let host = 0;
    while (!this.ended && !(this.inGuest && this.position >= position)) {
      const before = this.machine.engine.now();
      const most = this.inGuest ? position - this.position : AFTER_END;
      const stop = this.machine.run(most, this.choice);
      this.afterStop(stop);
      host = this.inGuest ? 0 : host + 1;
      if (host > 3 && this.machine.engine.now() === before) break;
    }
    this.stopsAtEntry = false;
  }

  /** An observation of where the guest is now, against the last one; none is made. */
  look(): Observation {
    const root = this.machine.publishMemory();
    return this.observation(root);
  }

  /** Ends the run where the guest is. */
  end(end: GuestEnd): void {
    this.observe(undefined, end);
  }

  private answer(question: ChoiceQuestion): bigint {
    const { choice, time } = this.options;
    const answer = answerOf(choice, question);
    if (time !== undefined)
      recordTime(time, question, answer, this.machine.cpu, this.code, this.progress.exit?.rip);
    return answer;
  }

  private afterStop(stop: StopReason): void {
    switch (stop.kind) {
      case 'limit':
      case 'interrupted':
      case 'exit':
      case 'power-off':
      case 'reset':
        if (this.inGuest) this.completedAccesses();
        else if (this.machine.engine.retired - this.leftAt > MOST_HOST_INSTRUCTIONS)
          this.monitorStopped(`it executed ${MOST_HOST_INSTRUCTIONS} host instructions without a VM entry`);
        return;
      case 'stuck':
      case 'triple-fault':
      case 'delivery-loop':
        if (this.inGuest) {
          this.audience.stopped(this, stop);
          this.observe(undefined, stop.kind === 'delivery-loop' ? { kind: 'endless-delivery' } : stop);
        } else this.monitorStopped(`the monitor's processor: ${stop.kind}`);
        return;
      case 'monitor-stopped':
        this.monitorStopped(stop.reason);
        return;
      case 'vmx-abort':
        this.monitorStopped(`VMX abort ${stop.indicator}`);
        return;
    }
  }

  /** The guest reached a device by itself: its instruction has completed. */
  private completedAccesses(): void {
    const { accesses, accessedAt, end } = this.progress;
    if (accesses.length === 0 || accessedAt === this.machine.cpu.rip) return;
    this.observe();
    if (end !== undefined) this.observe(undefined, end);
  }

  private monitorStopped(reason: string): void {
    const { progress } = this;
    if (progress.ended) return;
    const { lost } = progress;
    if (lost !== undefined) {
      progress.ended = true;
      this.queue.push(lost);
    } else this.observe(undefined, { kind: 'monitor-stopped', reason });
  }

  // ---- what the processor tells

  private entered(cpu: ProcessorDraft): void {
    const { progress } = this;
    this.enteredAt = this.machine.engine.retired + 1;
    const { exit } = progress;
    progress.lost = undefined;
    if (!progress.started) {
      progress.started = true;
      progress.accesses = [];
      progress.accessedAt = undefined;
      this.observe();
    } else if (exit?.taskOf !== undefined) this.observeDelivery(exit.taskOf);
    else if (exit !== undefined) this.completedByMonitor(cpu, exit);
    progress.exit = undefined;
    progress.open = isOpenToInterrupts(cpu);
    this.audience.entered(this);
    if (progress.end !== undefined) this.observe(undefined, progress.end);
    else if (isStuck(this.machine)) this.observe(undefined, { kind: 'stuck' });
    if (this.stopsAtEntry) this.machine.end(CONTROL);
  }

  private completedByMonitor(cpu: ProcessorDraft, exit: PendingExit): void {
    const { progress } = this;
    const moved = cpu.rip !== exit.rip;
    progress.completed += iterationsSince(exit, cpu) || (moved ? 1 : 0);
    if (!moved) return;
    this.audience.completed(this, exit);
    if (exit.readsTime !== undefined)
      this.options.time?.record('time-stamp', timeStampRead(cpu), exit.readsTime, exit.rip);
    if (progress.accesses.length > 0) this.observe();
  }

  private left(cpu: ProcessorDraft, exit: VmExit, during: InterruptionEvent | undefined): void {
    const { progress } = this;
    const { position } = this;
    this.audience.left(this, exit);
    if (this.passesInterrupts) progress.held = passedBy(progress.held);
    progress.completed = position;
    this.enteredAt = Number.POSITIVE_INFINITY;
    this.leftAt = this.machine.engine.retired;
    progress.exit = pendingExit(cpu, { exit, during }, this.code, this.memory, this.registers);
    if (exit.reason === 'tripleFault')
      progress.lost = this.observation(this.machine.publishMemory(), undefined, { kind: 'triple-fault' });
    if (cpu.activity !== ACTIVITY.hlt) this.stall(position, false);
  }

  private delivered(cpu: ProcessorDraft, event: InterruptionEvent): void {
    if (cpu.nonRoot) this.observeDelivery(deliveredEvent(cpu, event));
  }

  /** An event has reached its handler: delivered by the processor, or by the monitor to a task. */
  private observeDelivery(event: DeliveredEvent): void {
    const { progress } = this;
    const observed = withSource(event, progress.held);
    if (observed.kind === 'interrupt') progress.held = withoutDelivered(progress.held, observed.vector);
    this.observe(observed);
    this.stall(this.position, true);
  }

  private stall(position: number, delivered: boolean): void {
    if (countStall(this.progress, position, delivered, this.options.endlessAfter))
      this.observe(undefined, { kind: 'endless-delivery' });
  }

  private accessed({ space, direction, address, bytes, value }: BusEvent): void {
    const { progress, machine } = this;
    const { cpu } = machine;
    if (cpu.nonRoot) this.reached(`${space} ${direction} at ${address.toString(16)}H`);
    else if (progress.exit === undefined) return;
    progress.accesses.push({ space, direction, address, bytes, value });
    progress.accessedAt = cpu.nonRoot ? cpu.rip : progress.exit?.rip;
    if (cpu.nonRoot) machine.end(CONTROL);
  }

  private reached(what: string): void {
    if (this.inGuest) this.audience.reached(this, what);
  }

  private effect(effect: DeviceEffect): void {
    this.progress.end ??= endOf(effect);
    this.options.onEffect?.(effect);
  }

  // ---- observations

  private observe(event?: DeliveredEvent, end?: GuestEnd): void {
    const { progress } = this;
    if (progress.ended) return;
    const root = this.machine.publishMemory();
    this.queue.push(this.observation(root, event, end));
    progress.root = root;
    progress.observations++;
    progress.accesses = [];
    progress.accessedAt = undefined;
    if (end !== undefined) progress.ended = true;
    if (progress.ended || this.queue.length >= MOST_OBSERVATIONS) this.machine.end(CONTROL);
  }

  /** The guest has run since it was entered open to interrupts. */
  private get passesInterrupts(): boolean {
    const { cpu } = this.machine;
    return this.progress.open && (this.stay > 0 || cpu.activity === ACTIVITY.hlt);
  }

  private observation(root: MemoryRoot, event?: DeliveredEvent, end?: GuestEnd): Observation {
    const { machine, progress, position } = this;
    const { held } = progress;
    const passed = this.inGuest && this.passesInterrupts ? passedBy(held) : held;
    return makeObservation(machine, {
      progress,
      position,
      event,
      end,
      registers: this.inGuest ? this.registers : (progress.exit?.registers ?? this.registers),
      pages: this.memory.changedPages(progress.root, root),
      interrupts: end === undefined ? undefined : interruptState(machine.bus, passed),
    });
  }
}
