import type { ChoiceSite, MemoryDraft } from '../core';
import type { CachePolicy } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import { Engine } from '../cpu/engine/engine';
import type { KeptFrames } from '../cpu/engine/kept-frames';
import { LinearMemory } from '../cpu/engine/linear-memory';
import type { Processor } from '../cpu/presets';
import { ACTIVITY, isWaiting, ProcessorDraft } from '../cpu/processor-draft';
import { ProcessorPublisher, type ProcessorState } from '../cpu/processor-state';
import type { ProcessorSignal } from '../platform';
import type { MachineBus } from './machine-bus';
import { rowsFor } from './optional-instructions';
import { instructionRows, type VirtualizedProcessor, virtualizedProcessor } from './virtualized-processor';

/** What the processors of a machine have in common. */
export interface Surroundings {
  readonly processor: Processor;
  readonly tier: Tier;
  readonly bus: MachineBus;
  readonly draft: MemoryDraft;
  readonly caches: CachePolicy;
  readonly kept: KeptFrames;
  readonly clock: { now(): number };
  readonly decide: (site: ChoiceSite, alternatives: bigint, value: bigint) => bigint;
}

/** One logical processor under way, with its engine. */
export class RunningProcessor {
  readonly memory: LinearMemory;
  readonly cpu: ProcessorDraft;
  readonly engine: Engine;
  readonly virtualized: VirtualizedProcessor | undefined;
  private readonly publisher = new ProcessorPublisher();
  private published: ProcessorState | undefined;

  constructor(
    readonly number: number,
    count: number,
    { processor, tier, bus, draft, clock, decide, caches, kept }: Surroundings,
  ) {
    this.memory = new LinearMemory(draft, processor);
    this.memory.kept = kept;
    this.cpu = new ProcessorDraft(bus, this.memory, processor.cpuid, clock, decide);
    this.cpu.number = number;
    this.cpu.count = count;
    this.memory.onMonitorTriggered = () => this.changed();
    this.memory.remember(caches);
    if (this.memory.remembered !== undefined) this.memory.remembered.onChanged = () => this.changed();
    this.virtualized = virtualizedProcessor(processor, this.cpu, this.memory);
    if (this.virtualized !== undefined) this.virtualized.vmx.onVmcsChanged = () => this.changed();
    this.engine = new Engine(this.cpu, this.memory, rowsFor(processor, instructionRows()), tier);
  }

  load(state: ProcessorState, draft: MemoryDraft): void {
    this.engine.reset(draft);
    this.publisher.load(this.cpu, state, this.virtualized);
    this.memory.remembered?.loaded();
    this.cpu.boundaryWork = true;
    this.cpu.mmu.contextChanged();
    this.published = state;
  }

  /** It runs, or something reached it: its published state is no longer its state. */
  changed(): void {
    this.published = undefined;
  }

  publish(): ProcessorState {
    this.published ??= this.publisher.publish(this.cpu, this.virtualized);
    return this.published;
  }

  /** Takes what comes past the local APIC. SDM Vol. 3A, 9.4.3 MP Initialization Protocol Algorithm for MP Systems: a startup IPI counts after an INIT only. */
  signal({ signal, vector }: ProcessorSignal): void {
    const { cpu } = this;
    switch (signal) {
      case 'nmi':
        cpu.nmiPending = true;
        break;
      case 'init':
        cpu.initPending = true;
        break;
      case 'startup':
        if (this.awaitsStartup) cpu.startupVector = vector;
        break;
      case 'smi':
        cpu.unbuilt('system-management interrupt');
    }
    cpu.boundaryWork = true;
    this.changed();
  }

  /** It waits for a startup IPI, or will with its next instruction, for VMX operation does not block the INIT that has come. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
  private get awaitsStartup(): boolean {
    const { cpu, virtualized } = this;
    return cpu.activity === ACTIVITY.waitForSipi || (cpu.initPending && virtualized?.vmx.on !== true);
  }

  /** Clock at which a deadline of its own comes; `Infinity` when it has none. */
  get deadline(): number {
    const { cpu } = this;
    const wait = isWaiting(cpu.activity) ? cpu.waitDeadline : Number.POSITIVE_INFINITY;
    return cpu.nonRoot && cpu.activity !== ACTIVITY.waitForSipi && cpu.virtualization !== undefined
      ? Math.min(wait, cpu.virtualization.nextDeadline(cpu))
      : wait;
  }

  /** An NMI is pending that the processor takes before its next instruction, or the one after that. */
  get takesNmi(): boolean {
    return this.cpu.nmiPending && !this.cpu.blockingByNmi;
  }

  /** Whether it may have something to do; false only when it has not. */
  mayRun(bus: MachineBus): boolean {
    const { cpu, number } = this;
    switch (cpu.activity) {
      case ACTIVITY.active:
        return true;
      case ACTIVITY.shutdown:
        return !cpu.nonRoot || cpu.nmiPending || cpu.initPending || this.deadline <= cpu.clock.now();
      case ACTIVITY.waitForSipi:
        return (cpu.initPending && !cpu.nonRoot) || cpu.startupVector !== undefined;
      default:
        return (
          cpu.nonRoot ||
          cpu.nmiPending ||
          cpu.initPending ||
          cpu.pendingDebug !== 0 ||
          (cpu.activity === ACTIVITY.mwait && cpu.monitoredLine < 0) ||
          this.deadline <= cpu.clock.now() ||
          bus.isRequested(number)
        );
    }
  }
}
