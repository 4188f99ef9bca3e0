import { type MemoryDraft, ModelError } from '../../core';
import type { Instruction } from '../decode';
import type { InterruptionEvent } from '../event';
import {
  beginInstruction,
  boundaryEvent,
  DELIVERY_LIMIT,
  deliver,
  endInstruction,
  needsBoundaryWork,
} from '../events';
import { ACTIVITY, LEFT, type ProcessorDraft } from '../processor-draft';
import { linearRip } from '../segmented-address';
import { SLOT } from '../slots';
import type { Block } from './block';
import { BlockBuilder, firstHeat, type Tier } from './block-builder';
import { BlockDecoder } from './block-decoder';
import { BlockLinks } from './block-links';
import { CodeCache } from './code-cache';
import type { CodeMode } from './code-mode';
import { EPOCH_AT, INDEX_AT, LEFT_AT } from './engine-slots';
import { environmentOf } from './environment';
import type { LinearMemory } from './linear-memory';
import type { InstructionRow } from './row';

const RIP = 2 * SLOT.rip;
const LONGEST_BLOCK = 64;
/** Instructions that one call of `execute` may retire: the counter is an int32. */
const LARGEST_BUDGET = 0x3fff_ffff;

/** Runs after which a block is generated, unless told otherwise: generating costs as much as about so many. */
export const HEAT = 2000;

/** Why `Engine.run` returned before its budget was used up. */
export type EngineStop = 'budget' | 'inactive' | 'host-port' | 'triple-fault' | 'delivery-loop' | 'stopped';

/** A page where root operation fetches no instructions by itself: `turn` is asked what to do. */
export interface HostPort {
  /** Bits 31:12 of its linear address in place (int32). */
  readonly low: number;
  /** Bits 63:32 (int32). */
  readonly high: number;
  /** Carries out one instruction; why the engine stops when there is none. */
  turn(): EngineStop | undefined;
}

/** So many decoded instructions are kept: some hundred bytes each, and a guest that runs off its code through empty memory never ends. */
const MOST_DECODED = 1 << 18;

/** Runs instructions on one processor draft. */
export class Engine {
  readonly code: CodeCache;
  /** Retired instructions and iterations since the engine was given its state. */
  retired = 0;
  /** `run` returns when this many have retired; a device that brings a deadline forward lowers it. */
  goal = 0;
  /** Machine clock when `retired` was zero. */
  clockStart = 0;
  hostPort: HostPort | undefined;
  /** Set by a device that ends the run. */
  stopRequested = false;
  /** Runs after which a block decoded from now on is generated. */
  heat = HEAT;
  /** Called before each instruction when set; then instructions run one at a time. */
  beforeInstruction: ((instruction: Instruction, address: bigint) => void) | undefined;

  private readonly builder: BlockBuilder;
  private readonly decoder: BlockDecoder;
  private readonly links: BlockLinks;
  private aloneNext = false;
  private budget = 0;
  /** Instructions decoded since all blocks were forgotten. */
  private decoded = 0;
  /** Consecutive deliveries through the IDT, and how many instructions had retired at the last one. */
  private deliveries = 0;
  private lastDelivery = -1;
  private executing = false;

  constructor(
    readonly cpu: ProcessorDraft,
    readonly memory: LinearMemory,
    rows: ReadonlyMap<string, InstructionRow>,
    readonly tier: Tier,
  ) {
    this.code = new CodeCache(
      memory.fast,
      () => {
        cpu.W[EPOCH_AT] = memory.fast.epoch();
      },
      () => memory.dropWrites(),
    );
    memory.fast.onWrap = () => {
      this.links.forget();
      this.code.forget();
    };
    memory.code = this.code;
    memory.cpu = cpu;
    this.decoder = new BlockDecoder(cpu, memory, rows);
    this.links = new BlockLinks(cpu, memory, this.code, {
      decodeBlock: (frame, key, mode, alone) => this.decodeBlock(frame, key, mode, alone),
      nextFrame: () => this.decoder.nextFrame(),
    });
    this.builder = new BlockBuilder(cpu, memory, environmentOf(cpu, memory, this.links), this.links, tier);
  }

  /** Machine clock: instructions retired before the one in execution. */
  now(): number {
    const underway = this.budget - this.cpu.W[LEFT_AT];
    return this.clockStart + this.retired + underway - (this.executing ? 1 : 0) + this.cpu.extraRetired;
  }

  /** Memory and state come from elsewhere: nothing derived from the old ones may remain. */
  reset(memory: MemoryDraft): void {
    this.memory.memory = memory;
    this.memory.flush();
    this.code.clear();
  }

  /** Whether the caller's `Choice` decides undefined flags; code made for the other case is dropped. */
  askUndefinedFlags(asks: boolean): void {
    if (this.cpu.asksUndefinedFlags === asks) return;
    this.cpu.asksUndefinedFlags = asks;
    this.code.clear();
  }

  /**
   * Runs until `budget` instructions have retired, or something stops it. Faults, interrupts and VM exits on the way are dealt with here; a step that ends in a
   * delivered event without a retired instruction counts nothing.
   */
  run(budget: number): EngineStop {
    this.goal = this.retired + budget;
    while (this.retired < this.goal) {
      const stop = this.turn();
      if (stop !== undefined) return stop;
    }
    return 'budget';
  }

  /** One instruction of a monitor's stub: the host port is not looked at before it. */
  runHostInstruction(): EngineStop | undefined {
    this.aloneNext = false;
    return this.executeAlone();
  }

  /** One boundary and what follows it: an event delivered, or instructions up to the next event. */
  private turn(): EngineStop | undefined {
    const { cpu, memory } = this;
    if (this.stopRequested) return 'stopped';
    if (cpu.deliveryLoop) {
      cpu.deliveryLoop = false;
      return 'delivery-loop';
    }
    const port = this.hostPort;
    if (port !== undefined && this.isAt(port)) return port.turn();
    let limit = this.goal - this.retired;
    if (cpu.nonRoot) {
      const deadline = cpu.virtualization!.nextDeadline(cpu) - this.now();
      if (deadline <= 0) cpu.boundaryWork = true;
      else if (deadline < limit) limit = deadline;
    }
    let alone = this.aloneNext || this.beforeInstruction !== undefined;
    if (cpu.boundaryWork || cpu.activity !== ACTIVITY.active) {
      try {
        const event = boundaryEvent(cpu);
        if (event !== undefined) return this.deliver(event);
      } catch (error) {
        if (error !== LEFT) throw error;
        return this.left();
      }
      if (cpu.activity !== ACTIVITY.active) return 'inactive';
      cpu.boundaryWork = needsBoundaryWork(cpu);
      alone ||= cpu.boundaryWork;
    }
    // A data breakpoint traps right after its instruction.
    alone ||= memory.breakpointsArmed() || memory.eachUse;
    this.aloneNext = false;
    if (alone) return this.executeAlone();
    return this.execute(Math.min(limit, LARGEST_BUDGET));
  }

  private isAt({ low, high }: HostPort): boolean {
    const { W, nonRoot } = this.cpu;
    return !nonRoot && (W[RIP] & -4096) === low && W[RIP + 1] === high;
  }

  private execute(budget: number): EngineStop | undefined {
    const { cpu, memory } = this;
    const { W, R } = cpu;
    W[LEFT_AT] = budget;
    this.budget = budget;
    this.executing = true;
    const { goal } = this;
    let block: Block | null = null;
    let index = 0;
    let stop: EngineStop | undefined;
    try {
      if (memory.fast.contextStale) memory.selectContext();
      block = this.links.lookUp(false);
      for (;;) {
        const rest = W[LEFT_AT] - block.count;
        if (rest < 0) {
          R[SLOT.rip] = block.address;
          this.aloneNext = W[LEFT_AT] > 0;
          break;
        }
        W[LEFT_AT] = rest;
        if (--block.heat === 0) this.builder.warm(block, this.heat);
        const operations = block.operations;
        for (index = 0; index < operations.length; index++) operations[index]();
        const next: Block | null = block.last();
        if (next !== null) {
          block = next;
          continue;
        }
        if (cpu.exit !== undefined) return this.exited(block, index);
        // The next instruction is not fetched when nothing may retire any more.
        if (W[LEFT_AT] === 0) break;
        const ended: Block = block;
        block = null;
        block = this.blockAfter(ended, goal);
        if (block === null) break;
      }
      this.finish();
      cpu.nmiUnblocked = false;
    } catch (error) {
      memory.alone = false;
      memory.quick = false;
      if (error !== LEFT) throw error;
      if (block !== null) this.abandon(block, index);
      this.finish();
      stop = this.left();
    }
    return stop;
  }

  /** The block where a block without a link goes on; null when `turn` comes first. */
  private blockAfter(ended: Block, goal: number): Block | null {
    const { cpu, links, memory } = this;
    if (links.from !== null) return links.follow();
    if (this.mustTurn(goal, ended)) return null;
    cpu.nmiUnblocked = false;
    if (memory.fast.contextStale) memory.selectContext();
    return links.lookUp(false);
  }

  /** After a system instruction: whether `turn` has anything to do before the next one. */
  private mustTurn(goal: number, ended: Block): boolean {
    const { cpu, hostPort } = this;
    return (
      cpu.boundaryWork ||
      cpu.activity !== ACTIVITY.active ||
      (cpu.nonRoot && !ended.keepsMode) ||
      cpu.deliveryLoop ||
      this.stopRequested ||
      this.goal !== goal ||
      (hostPort !== undefined && this.isAt(hostPort)) ||
      this.memory.breakpointsArmed()
    );
  }

  /** One instruction by itself: it may reach devices and overwrite code, and boundaries are seen before and after it. */
  private executeAlone(): EngineStop | undefined {
    const { cpu, memory } = this;
    const { W } = cpu;
    W[LEFT_AT] = 1;
    this.budget = 1;
    let block: Block | null = null;
    beginInstruction(cpu);
    const { pendingDebug } = cpu;
    try {
      if (memory.fast.contextStale) memory.selectContext();
      block = this.links.lookUp(true);
      this.beforeInstruction?.(block.instructions[0], block.address);
      memory.alone = true;
      this.executing = true;
      W[LEFT_AT] = 0;
      if (block.stage === 'cold' && --block.heat === 0) this.builder.warm(block, this.heat);
      const next = block.last();
      memory.alone = false;
      if (cpu.exit !== undefined) {
        cpu.pendingDebug = pendingDebug;
        return this.exited(block, 0);
      }
      if (next !== null) cpu.rip = next.address;
      this.links.from = null;
      this.finish();
      endInstruction(cpu, block.instructions[0]);
      cpu.nmiUnblocked = false;
      return undefined;
    } catch (error) {
      memory.alone = false;
      memory.quick = false;
      if (error !== LEFT) throw error;
      if (block !== null) this.abandon(block, 0);
      this.finish();
      // SDM Vol. 3B, 18.3.1.2 Data Memory and I/O Breakpoint Exception Conditions: a trap of an instruction that did not complete is none.
      cpu.pendingDebug = pendingDebug;
      return this.left();
    }
  }

  /** The last instruction of a block has not completed: `cpu.exit` holds a VM exit. To throw would cost more than all the rest of the exit. */
  private exited(block: Block, index: number): EngineStop | undefined {
    this.abandon(block, index);
    this.finish();
    return this.left();
  }

  /** The instruction left without completing: RIP is its address, and it and the rest of the block did not retire. */
  private abandon(block: Block, index: number): void {
    const { cpu } = this;
    const { W } = cpu;
    const last = block.count - 1;
    let at = index;
    if (block.stage !== 'closures') at = block.operations.length === 1 && index === 1 ? last : W[INDEX_AT];
    if (cpu.taskSwitched) cpu.taskSwitched = false;
    else cpu.rip = block.addressOf(at);
    W[LEFT_AT] += block.count - at - cpu.extraRetired;
    cpu.extraRetired = 0;
  }

  private finish(): void {
    this.retired += this.budget - this.cpu.W[LEFT_AT];
    this.budget = 0;
    this.cpu.W[LEFT_AT] = 0;
    this.executing = false;
    this.links.from = null;
  }

  /** An instruction or boundary left: with a VM exit, an event, or to be run again alone. */
  private left(): EngineStop | undefined {
    const { cpu, memory } = this;
    if (memory.restartAlone) {
      memory.restartAlone = false;
      this.aloneNext = true;
      return undefined;
    }
    const { exit } = cpu;
    if (exit !== undefined) {
      cpu.exit = undefined;
      cpu.virtualization!.performExit(cpu, exit, undefined);
      cpu.mmu.contextChanged();
      cpu.boundaryWork = true;
      return undefined;
    }
    const event = cpu.interruption;
    if (event === undefined) throw new ModelError('an instruction left without saying why');
    cpu.interruption = undefined;
    return this.deliver(event);
  }

  private deliver(event: InterruptionEvent): EngineStop | undefined {
    const { cpu, memory } = this;
    memory.alone = true;
    const outcome = deliver(cpu, event);
    memory.alone = false;
    cpu.mmu.contextChanged();
    cpu.boundaryWork = true;
    if (outcome === 'triple-fault' || outcome === 'delivery-loop') return outcome;
    if (outcome === 'exited') return undefined;
    this.deliveries = this.retired === this.lastDelivery ? this.deliveries + 1 : 1;
    this.lastDelivery = this.retired;
    return this.deliveries > DELIVERY_LIMIT ? 'delivery-loop' : undefined;
  }

  private decodeBlock(frame: number, key: number, mode: CodeMode, alone: boolean): Block {
    const most = alone || this.tier === 'oracle' ? 1 : LONGEST_BLOCK;
    const heat = firstHeat(this.tier, this.heat);
    const block = this.decoder.decode(frame, { mode, most, heat, alone });
    this.decoded += block.count;
    if (this.decoded > MOST_DECODED) {
      this.decoded = block.count;
      this.links.forget();
      this.code.clear();
    }
    this.code.add(frame, key, block, Number(linearRip(this.cpu) & 4095n));
    this.builder.begin(block);
    return block;
  }
}
