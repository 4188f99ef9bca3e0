import { ACTIVITY } from '../cpu/processor-draft';
import { FLAG } from '../cpu/slots';
import { isAsleep } from '../platform';
import { chosen, sliceLength, type Turn } from './interleaving';
import type { RunningMachine } from './running-machine';
import type { RunningProcessor } from './running-processor';
import type { StopReason } from './stop-reason';

/** Interrupts of devices cannot wake it, nor has it a deadline of its own. */
const isDeaf = ({ cpu, deadline }: RunningProcessor): boolean => {
  if (deadline !== Number.POSITIVE_INFINITY) return false;
  const { activity } = cpu;
  if (activity === ACTIVITY.shutdown || activity === ACTIVITY.waitForSipi) return true;
  return !cpu.nonRoot && !cpu.flag(FLAG.if) && !cpu.wakesMasked;
};

/** Deadlines that may pass in vain while all processors sleep. */
const MOST_WAKELESS = 65_536;

/** How the processors of a machine under way take turns, and how time passes when none has anything to do. */
export class Turns {
  /** Machine clock at which the slice of the current processor ends. */
  until = Number.POSITIVE_INFINITY;
  private seed = 0;
  /** Processors that had nothing to do at machine clock `idleAt`, by number. */
  private readonly idle = new Set<number>();
  private idleAt = -1;
  /** Deadlines that passed since all processors fell asleep, and how many instructions had retired then. */
  private wakeless = 0;
  private asleepAt = -1;

  constructor(private readonly machine: RunningMachine) {}

  load({ until }: Turn, seed: number): void {
    this.until = until;
    this.seed = seed;
  }

  /** The turn as a value: `before` where it is still the same. */
  publish(before: Turn): Turn {
    const { until } = this;
    const processor = this.machine.current.number;
    return before.processor === processor && before.until === until
      ? before
      : Object.freeze({ processor, until });
  }

  /** A run begins. */
  begin(): void {
    this.asleepAt = -1;
    this.idleAt = -1;
  }

  /** The current processor goes on after a reset. */
  restart(now: number): void {
    const single = this.machine.processors.length === 1;
    this.until = single ? Number.POSITIVE_INFINITY : now + sliceLength(this.seed, now);
  }

  /** The current processor has nothing to do: its slice ends. */
  inactive(): StopReason | undefined {
    const { engine, cpu, processors, current, virtualized } = this.machine;
    if (cpu.activity === ACTIVITY.shutdown && !cpu.nonRoot) {
      const indicator = virtualized?.vmx.abortIndicator ?? 0;
      return indicator === 0 ? { kind: 'triple-fault' } : { kind: 'vmx-abort', indicator };
    }
    if (processors.length === 1) return this.waitForDeadline();
    const now = engine.now();
    this.until = now;
    this.idleNow(now).add(current.number);
    return undefined;
  }

  /** The current processor is interrupted after its instruction. */
  endSlice(): void {
    const { engine } = this.machine;
    this.until = Math.min(this.until, engine.now() + 1);
    engine.goal = Math.min(engine.goal, engine.retired + 1);
  }

  /**
   * The slice has ended: another processor that may run has the next one, or time passes. An NMI is taken before other processors go on, as it would be
   * if they ran at once: a second one is then latched, and not lost.
   */
  next(now: number): StopReason | undefined {
    const { processors, bus, current } = this.machine;
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
      if (number !== current.number) this.machine.switchTo(processors[number], now);
    } else if (idle.has(current.number)) return this.waitForDeadline();
    this.until = now + sliceLength(this.seed, now);
    return undefined;
  }

  private idleNow(now: number): Set<number> {
    if (now !== this.idleAt) {
      this.idle.clear();
      this.idleAt = now;
    }
    return this.idle;
  }

  /** All processors are inactive: the clock jumps to the next deadline. */
  private waitForDeadline(): StopReason | undefined {
    const { engine, bus, processors } = this.machine;
    const deadline = Math.min(bus.deadline, ...processors.map((one) => one.deadline));
    const sleeps = !isAsleep(bus.board) && this.sleepsForEver();
    if (deadline === Number.POSITIVE_INFINITY || sleeps) return { kind: 'stuck' };
    const wait = deadline - engine.now();
    if (wait > 0) engine.clockStart += wait;
    this.idle.clear();
    return undefined;
  }

  /** Deadlines come, but none can wake a processor: interrupts are off, or those that come are of too low a priority. */
  private sleepsForEver(): boolean {
    const { processors, retired } = this.machine;
    if (processors.every(isDeaf)) return true;
    if (retired !== this.asleepAt) {
      this.asleepAt = retired;
      this.wakeless = 0;
    }
    return ++this.wakeless > MOST_WAKELESS;
  }
}
