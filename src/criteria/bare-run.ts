import { answerOf, type Choice, type ChoiceQuestion, choiceAt, type MemoryRoot, ModelError } from '../core';
import type { StaleTranslation } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import type { InterruptionEvent } from '../cpu/event';
import type { ProcessorDraft } from '../cpu/processor-draft';
import type { BusEvent } from '../machine/machine-bus';
import type { MachineState } from '../machine/machine-state';
import { RunningMachine } from '../machine/running-machine';
import type { StopReason } from '../machine/stop-reason';
import {
  acceptInterrupt,
  type Board,
  expiries,
  type LocalApicState,
  localApicOf,
  takenVector,
  withExternalTime,
  withLocalApic,
} from '../platform';
import { deliveredEvent } from './guest-events';
import { GuestCode } from './guest-instruction';
import { GuestMemory } from './guest-memory';
import { readGuestRegisters } from './guest-registers';
import { type InterruptState, interruptState } from './interrupt-state';
import { makeObservation } from './make-observation';
import {
  type DeliveredEvent,
  type DeviceAccess,
  endOf,
  type GuestEnd,
  type Observation,
} from './observation';
import { isTimeSite, type TimePlace, TimeRecord, withTimeSites } from './time-sources';

/** The machine for whose devices time passes only when it is told to. */
const withoutTime = (state: MachineState): MachineState =>
  Object.freeze({ ...state, board: withExternalTime(state.board, state.clock) });

export interface BareRunOptions {
  readonly tier: Tier;
  readonly choice: Choice;
  readonly endlessAfter: number;
  /** What the other run read from its time sources; the processor's own time when left out. */
  readonly time?: TimeRecord;
  readonly onStaleTranslation?: (report: StaleTranslation) => void;
}

interface Progress {
  position: number;
  accesses: DeviceAccess[];
  accessedAt: bigint | undefined;
  /** The end that the last access was. */
  end: GuestEnd | undefined;
  observations: number;
  root: MemoryRoot;
  deliveries: number;
  deliveredAt: number;
  /** Vectors that the local APIC timer was set to request. */
  timerVectors: readonly number[];
}

/** A run at one point, to go on from. */
export interface SavedBareRun {
  readonly state: MachineState;
  readonly progress: Readonly<Progress>;
  readonly time: TimePlace;
}

const copied = (progress: Readonly<Progress>): Progress => ({
  ...progress,
  accesses: [...progress.accesses],
});

/** Mask bit of an entry of the local vector table. SDM Vol. 3A, 11.5.1 Local Vector Table */
const MASKED = 1 << 16;

const isRequested = ({ requested }: LocalApicState, vector: number): boolean =>
  ((requested[vector >>> 5] >>> (vector & 31)) & 1) === 1;

const CONTROL = { kind: 'interrupted' } as const;
const MOST = Number.MAX_SAFE_INTEGER / 2;

/** A guest on the bare machine, led by the observations of another run: interrupts of devices arrive where they arrived there, and time reads give the same. */
export class BareRun {
  readonly machine: RunningMachine;
  readonly memory: GuestMemory;
  readonly code: GuestCode;
  private progress: Progress;
  private event: DeliveredEvent | undefined;
  /** The observation of the other run that this run is on the way to. */
  private led: Observation | undefined;
  private readonly time: TimeRecord;
  private readonly choice: Choice;

  constructor(
    from: SavedBareRun | MachineState,
    private readonly options: BareRunOptions,
  ) {
    const state = 'progress' in from ? from.state : withoutTime(from);
    if (state.monitor !== undefined) throw new ModelError('a bare run has no monitor');
    const machine = new RunningMachine(state.config, options.tier);
    this.machine = machine;
    this.memory = GuestMemory.bare(state.ram);
    this.code = new GuestCode(
      machine.cpu,
      (frame) => machine.memory.memory.page(frame),
      this.memory,
      state.config.processor,
    );
    this.time = options.time ?? new TimeRecord();
    this.choice = choiceAt(withTimeSites(options.choice), (question) => this.answer(question));
    machine.cpu.watcher = {
      delivered: (cpu, event) => this.delivered(cpu, event),
      staleTranslation: (_, report) => options.onStaleTranslation?.(report),
    };
    machine.bus.onAccess = (event) => this.accessed(event);
    machine.onEffect = (effect) => {
      this.progress.end ??= endOf(effect);
    };
    machine.load(state);
    if ('progress' in from) {
      this.progress = copied(from.progress);
      this.time.returnTo(from.time);
    } else
      this.progress = {
        position: 0,
        accesses: [],
        accessedAt: undefined,
        end: undefined,
        observations: 0,
        root: state.memory,
        deliveries: 0,
        deliveredAt: -1,
        timerVectors: [],
      };
  }

  /** Guest instructions and iterations retired. */
  get position(): number {
    return this.progress.position;
  }

  save(): SavedBareRun {
    return { state: this.machine.publish(), progress: copied(this.progress), time: this.time.place };
  }

  /** The next observation. The other run's next one tells where interrupts arrive, and how far to go at most. */
  next(led: Observation): Observation {
    this.led = led;
    if (led.index === 0) return this.observe();
    const { end } = this.progress;
    if (end !== undefined) return this.observe(end);
    if (led.end?.kind === 'limit') {
      this.seek(led.position);
      return this.observe({ kind: 'limit' });
    }
    if (led.end?.kind === 'endless-delivery' && this.progress.deliveries > this.options.endlessAfter)
      return this.observe({ kind: 'endless-delivery' });
    if (led.event?.kind === 'interrupt') {
      const early = this.toPosition(led.position);
      if (early !== undefined) return early;
      this.arrive(led.event.vector);
    }
    return this.toPosition(led.position + 1) ?? this.observe({ kind: 'running' });
  }

  /** Runs to a position at which no observation comes before. */
  seek(position: number): void {
    while (this.progress.position < position) {
      const { kind } = this.run(position - this.progress.position);
      if (kind !== 'limit' && kind !== 'interrupted') return;
    }
  }

  /** An observation of where the run is now, against the last one; none is made. */
  look(): Observation {
    return this.observation(this.machine.publishMemory());
  }

  /** The observation on the way to a position; undefined when there is none. */
  private toPosition(position: number): Observation | undefined {
    while (this.progress.position < position) {
      const stop = this.run(position - this.progress.position);
      if (this.event !== undefined) return this.observe();
      switch (stop.kind) {
        case 'stuck':
        case 'triple-fault':
          // At the end of the way it may be an interrupt that goes on.
          if (stop.kind === 'stuck' && this.progress.position === position) return undefined;
          return this.observe(stop);
        case 'delivery-loop':
          return this.observe({ kind: 'endless-delivery' });
        case 'limit':
        case 'interrupted':
        case 'exit':
        case 'power-off':
        case 'reset':
          if (this.accessesCompleted()) return this.observe();
          break;
        default:
          throw new ModelError(`a bare run stopped: ${stop.kind}`);
      }
    }
    return undefined;
  }

  private accessesCompleted(): boolean {
    const { accesses, accessedAt } = this.progress;
    return accesses.length > 0 && accessedAt !== this.machine.cpu.rip;
  }

  private run(instructions: number): StopReason {
    const { engine } = this.machine;
    const before = engine.retired;
    const stop = this.machine.run(Math.min(instructions, MOST), this.choice);
    this.progress.position += engine.retired - before;
    this.noteTimer();
    return stop;
  }

  /** Time comes to a device now, if that is how the interrupt comes. */
  private arrive(vector: number): void {
    if (takenVector(this.machine.bus.board) !== vector)
      this.letTimeCome((board) => takenVector(board) === vector);
  }

  /** The first expiry of a device after which the board is as wanted happens now; false when there is none. */
  private letTimeCome(isWanted: (board: Board) => boolean): boolean {
    const { bus, cpu } = this.machine;
    for (const { board, effects } of expiries(bus.board)) {
      if (!isWanted(board)) continue;
      bus.arrive(board, effects);
      cpu.boundaryWork = true;
      return true;
    }
    return false;
  }

  /** Every access to a device ends a run of the machine, so that no setting of the timer is missed. */
  private noteTimer(): void {
    const { timerVectors } = this.progress;
    const timer = localApicOf(this.machine.bus.board)?.lvt.timer ?? MASKED;
    if ((timer & MASKED) === 0 && !timerVectors.includes(timer & 0xff))
      this.progress.timerVectors = [...timerVectors, timer & 0xff];
  }

  private answer(question: ChoiceQuestion): bigint {
    const { site } = question;
    const replayed = isTimeSite(site) ? this.time.replay(site) : undefined;
    return replayed ?? answerOf(this.options.choice, question);
  }

  private delivered(cpu: ProcessorDraft, event: InterruptionEvent): void {
    this.event = deliveredEvent(cpu, event);
    this.machine.end(CONTROL);
  }

  private accessed({ space, direction, address, bytes, value }: BusEvent): void {
    const { progress, machine } = this;
    progress.accesses.push({ space, direction, address, bytes, value });
    progress.accessedAt = machine.cpu.rip;
    machine.end(CONTROL);
  }

  /**
   * An interrupt that waits in the other run waits here too: when it would have come is free, that of the local APIC timer also before the guest masked it.
   */
  private interrupts(): InterruptState | undefined {
    const { bus } = this.machine;
    for (const vector of this.led?.interrupts?.requested ?? []) {
      const waits = (board: Board): boolean => {
        const apic = localApicOf(board);
        return apic !== undefined && isRequested(apic, vector);
      };
      if (waits(bus.board) || this.letTimeCome(waits)) continue;
      const apic = localApicOf(bus.board);
      if (apic !== undefined && this.progress.timerVectors.includes(vector))
        bus.board = withLocalApic(bus.board, acceptInterrupt(apic, vector));
    }
    return interruptState(bus);
  }

  private observe(end?: GuestEnd): Observation {
    const { progress, event } = this;
    const root = this.machine.publishMemory();
    const observation = this.observation(root, event, end);
    if (event !== undefined) {
      progress.deliveries = progress.deliveredAt === progress.position ? progress.deliveries + 1 : 1;
      progress.deliveredAt = progress.position;
    }
    this.event = undefined;
    progress.root = root;
    progress.observations++;
    progress.accesses = [];
    progress.accessedAt = undefined;
    return observation;
  }

  private observation(root: MemoryRoot, event?: DeliveredEvent, end?: GuestEnd): Observation {
    const { machine, progress } = this;
    return makeObservation(machine, {
      progress,
      position: progress.position,
      event,
      end,
      registers: readGuestRegisters(machine.cpu),
      pages: this.memory.changedPages(progress.root, root),
      interrupts: end === undefined || end.kind === 'running' ? undefined : this.interrupts(),
    });
  }
}
