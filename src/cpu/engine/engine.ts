import { high32, low32, type MemoryDraft, ModelError, shiftRight, Unbuilt } from '../../core';
import { type CodeSize, decode, type Instruction } from '../decode';
import { type InterruptionEvent, VECTOR } from '../event';
import {
  beginInstruction,
  boundaryEvent,
  DELIVERY_LIMIT,
  deliver,
  endInstruction,
  needsBoundaryWork,
} from '../events';
import { ACTIVITY, LEFT, type ProcessorDraft } from '../processor-draft';
import { SLOT } from '../slots';
import { Block, ONE_PAGE } from './block';
import { BlockBuilder, type Tier } from './block-builder';
import { CodeCache } from './code-cache';
import { INDEX_AT, LEFT_AT } from './emitting-builder';
import { environmentOf } from './environment';
import type { LinearMemory } from './linear-memory';
import { endsBlock, type InstructionRow } from './row';

const RIP = 2 * SLOT.rip;
const EPOCH = 2 * SLOT.engine + 1;
const LONGEST_BLOCK = 64;
const LONGEST_INSTRUCTION = 15;
const JUMP_ENTRIES = 4096;
/** Instructions that one call of `execute` may retire: the counter is an int32. */
const LARGEST_BUDGET = 0x3fff_ffff;
const NO_LINK = -1;

/** Runs after which a block is generated, unless told otherwise: generating costs as much as about so many. */
export const HEAT = 2000;

/** Why `Engine.run` returned before its budget was used up. */
export type EngineStop = 'budget' | 'inactive' | 'host-port' | 'triple-fault' | 'delivery-loop' | 'stopped';

/** Runs instructions on one processor draft. */
export class Engine {
  readonly code: CodeCache;
  /** Retired instructions and iterations since the engine was given its state. */
  retired = 0;
  /** `run` returns when this many have retired; a device that brings a deadline forward lowers it. */
  goal = 0;
  /** Machine clock when `retired` was zero. */
  clockStart = 0;
  /** Page of the host port: instructions are not fetched from here, `run` returns. -1: none. */
  portPage = -1n;
  /** Set by a device that ends the run. */
  stopRequested = false;
  /** Runs after which a block decoded from now on is generated. */
  heat = HEAT;
  /** Called before each instruction when set; then instructions run one at a time. */
  beforeInstruction: ((instruction: Instruction, address: bigint) => void) | undefined;

  private readonly builder: BlockBuilder;
  private readonly jumps: (Block | null)[] = new Array(JUMP_ENTRIES).fill(null);
  private readonly jumpEpochs = new Int32Array(JUMP_ENTRIES);
  private linkFrom: Block | null = null;
  private linkKind = NO_LINK;
  private aloneNext = false;
  private budget = 0;
  /** Consecutive deliveries through the IDT, and how many instructions had retired at the last one. */
  private deliveries = 0;
  private lastDelivery = -1;
  private executing = false;

  constructor(
    readonly cpu: ProcessorDraft,
    readonly memory: LinearMemory,
    private readonly rows: ReadonlyMap<string, InstructionRow>,
    readonly tier: Tier,
  ) {
    this.code = new CodeCache(memory.fast, () => {
      cpu.W[EPOCH] = memory.fast.epoch();
    });
    memory.fast.onWrap = () => {
      this.jumps.fill(null);
      this.code.forget();
    };
    memory.code = this.code;
    memory.cpu = cpu;
    this.builder = new BlockBuilder(
      cpu,
      memory,
      environmentOf(cpu, memory, this),
      (from, kind) => this.missed(from, kind),
      tier,
    );
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
    if (this.atHostPort()) return 'host-port';
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
    alone ||= memory.breakpointsArmed();
    this.aloneNext = false;
    if (alone) return this.executeAlone();
    return this.execute(Math.min(limit, LARGEST_BUDGET));
  }

  private atHostPort(): boolean {
    return this.portPage >= 0n && shiftRight(this.cpu.rip, 12n) === this.portPage && !this.cpu.nonRoot;
  }

  // ---- execution

  private execute(budget: number): EngineStop | undefined {
    const { cpu, memory } = this;
    const { W, R } = cpu;
    W[LEFT_AT] = budget;
    this.budget = budget;
    this.executing = true;
    let block: Block | null = null;
    let index = 0;
    let stop: EngineStop | undefined;
    try {
      if (memory.fast.contextStale) memory.selectContext();
      block = this.lookUp(false);
      for (;;) {
        const rest = W[LEFT_AT] - block.instructions.length;
        if (rest < 0) {
          R[SLOT.rip] = block.address;
          this.aloneNext = W[LEFT_AT] > 0;
          break;
        }
        W[LEFT_AT] = rest;
        if (--block.heat === 0) this.builder.generate(block);
        const operations = block.operations;
        for (index = 0; index < operations.length; index++) operations[index]();
        const next: Block | null = block.last();
        if (next !== null) {
          block = next;
          continue;
        }
        // The next instruction is not fetched when nothing may retire any more.
        if (this.linkFrom === null || W[LEFT_AT] === 0) break;
        block = null;
        block = this.follow();
      }
      this.finish();
      cpu.nmiUnblocked = false;
    } catch (error) {
      memory.alone = false;
      if (error !== LEFT) throw error;
      if (block !== null) this.abandon(block, index);
      this.finish();
      stop = this.left();
    }
    return stop;
  }

  /** One instruction by itself: it may reach devices and overwrite code, and boundaries are seen before and after it. */
  private executeAlone(): EngineStop | undefined {
    const { cpu, memory } = this;
    const { W } = cpu;
    W[LEFT_AT] = 1;
    this.budget = 1;
    let block: Block | null = null;
    beginInstruction(cpu);
    try {
      if (memory.fast.contextStale) memory.selectContext();
      block = this.lookUp(true);
      this.beforeInstruction?.(block.instructions[0], block.address);
      memory.alone = true;
      this.executing = true;
      W[LEFT_AT] = 0;
      const next = block.last();
      if (next !== null) cpu.rip = next.address;
      memory.alone = false;
      this.linkFrom = null;
      this.finish();
      endInstruction(cpu);
      cpu.nmiUnblocked = false;
      return undefined;
    } catch (error) {
      memory.alone = false;
      if (error !== LEFT) throw error;
      if (block !== null) this.abandon(block, 0);
      this.finish();
      return this.left();
    }
  }

  /** The instruction left without completing: RIP is its address, and it and the rest of the block did not retire. */
  private abandon(block: Block, index: number): void {
    const { cpu } = this;
    const { W } = cpu;
    const last = block.instructions.length - 1;
    let at = index;
    if (block.generated) at = block.operations.length === 1 && index === 1 ? last : W[INDEX_AT];
    cpu.rip = block.addressOf(at);
    W[LEFT_AT] += block.instructions.length - at - cpu.extraRetired;
    cpu.extraRetired = 0;
  }

  private finish(): void {
    this.retired += this.budget - this.cpu.W[LEFT_AT];
    this.budget = 0;
    this.cpu.W[LEFT_AT] = 0;
    this.executing = false;
    this.linkFrom = null;
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

  // ---- blocks

  /** Called by emitted code: the block goes on at a fixed place that is not linked now. */
  missed(from: Block, kind: 0 | 1): null {
    this.cpu.rip = kind === 0 ? from.takenTarget : from.notTakenTarget;
    this.linkFrom = from;
    this.linkKind = kind;
    return null;
  }

  /** Called by emitted code: a jump to a computed place. */
  indirect(from: Block, low: number, high: number): Block | null {
    const { cpu } = this;
    const top = high >> 15;
    if (top !== 0 && top !== -1) cpu.raise(VECTOR.gp, 0);
    const { W } = cpu;
    W[RIP] = low;
    W[RIP + 1] = high;
    const at = jumpEntry(low, high);
    const block = this.jumps[at];
    if (block !== null && block.low === low && block.high === high && this.jumpEpochs[at] === W[EPOCH]) {
      from.indirect = block;
      from.indirectEpoch = W[EPOCH];
      from.indirectLow = low;
      from.indirectHigh = high;
      return block;
    }
    this.linkFrom = from;
    this.linkKind = 2;
    return null;
  }

  private follow(): Block {
    const from = this.linkFrom!;
    this.linkFrom = null;
    const block = this.lookUp(false);
    const epoch = this.cpu.W[EPOCH];
    if (this.linkKind === 0) {
      from.taken = block;
      from.takenEpoch = epoch;
    } else if (this.linkKind === 1) {
      from.notTaken = block;
      from.notTakenEpoch = epoch;
    } else {
      from.indirect = block;
      from.indirectEpoch = epoch;
      from.indirectLow = block.low;
      from.indirectHigh = block.high;
    }
    return block;
  }

  /** The block at RIP; leaves with #PF, #GP, #UD or a VM exit when there is none to fetch. */
  private lookUp(alone: boolean): Block {
    const { cpu } = this;
    const { W } = cpu;
    const low = W[RIP];
    const high = W[RIP + 1];
    const at = jumpEntry(low, high) ^ (alone ? JUMP_ENTRIES / 2 : 0);
    const known = this.jumps[at];
    if (
      known !== null &&
      known.low === low &&
      known.high === high &&
      this.jumpEpochs[at] === W[EPOCH] &&
      (known.heat === ALONE) === alone
    )
      return known;
    const frame = this.memory.fetchFrame(low, high);
    const codeSize = cpu.codeSize;
    const key = ((low & 4095) << 3) | (codeSize === 64 ? 0 : codeSize === 32 ? 2 : 4) | (alone ? 1 : 0);
    let block = this.code.find(frame, key);
    if (block === undefined || block.low !== low || block.high !== high || this.crossesElsewhere(block))
      block = this.decodeBlock(frame, key, codeSize, alone);
    this.jumps[at] = block;
    this.jumpEpochs[at] = W[EPOCH];
    return block;
  }

  /** Whether the block's second page is mapped to another frame now. Leaves with #PF when it cannot be fetched. */
  private crossesElsewhere({ nextFrame }: Block): boolean {
    return nextFrame !== ONE_PAGE && nextFrame !== this.fetchNextFrame();
  }

  private decodeBlock(frame: number, key: number, codeSize: CodeSize, alone: boolean): Block {
    const { cpu } = this;
    if (codeSize === 16) cpu.unbuilt('16-bit code segments');
    const offset = Number(cpu.rip & 4095n);
    const bytes = this.memory.memory.page(frame).bytes;
    const instructions: Instruction[] = [];
    const rows: InstructionRow[] = [];
    let next = ONE_PAGE;
    let at = offset;
    const most = alone || this.tier === 'oracle' ? 1 : LONGEST_BLOCK;
    while (instructions.length < most && at < 4096) {
      const result = decode(bytes, codeSize, at);
      if (result.kind === 'instruction') {
        const row = this.rowOf(result.instruction);
        if (row === undefined) {
          if (instructions.length === 0) throw new Unbuilt(result.instruction.mnemonic);
          break;
        }
        instructions.push(result.instruction);
        rows.push(row);
        at += result.instruction.length;
        if (endsBlock(row)) break;
        continue;
      }
      if (instructions.length > 0) break;
      if (result.kind === 'fault') this.decodeFault(result.fault);
      const crossing = this.decodeCrossing(bytes.subarray(at), codeSize);
      next = crossing.frame;
      const row = this.rowOf(crossing.instruction);
      if (row === undefined) throw new Unbuilt(crossing.instruction.mnemonic);
      instructions.push(crossing.instruction);
      rows.push(row);
      at += crossing.instruction.length;
      break;
    }
    const low = cpu.W[RIP];
    const block = new Block(
      cpu.rip,
      low,
      cpu.W[RIP + 1],
      instructions,
      rows,
      alone ? ALONE : this.tier === 'generated' ? this.heat : NEVER_HOT,
      next,
    );
    this.code.add(frame, key, block, offset, at - offset);
    this.builder.build(block);
    return block;
  }

  private rowOf(instruction: Instruction): InstructionRow | undefined {
    return this.rows.get(instruction.mnemonic);
  }

  private decodeFault(kind: 'undefined-opcode' | 'too-long'): never {
    if (kind === 'too-long') this.cpu.generalProtection();
    this.cpu.invalidOpcode();
  }

  /** The frame of the page after RIP's. */
  private fetchNextFrame(): number {
    const { cpu, memory } = this;
    const next = BigInt.asUintN(cpu.codeSize === 64 ? 64 : 32, (cpu.rip | 4095n) + 1n);
    return memory.fetchFrame(low32(next), high32(next));
  }

  /** An instruction whose bytes go on in the next page. */
  private decodeCrossing(
    first: Uint8Array,
    codeSize: CodeSize,
  ): { readonly instruction: Instruction; readonly frame: number } {
    const { memory } = this;
    const frame = this.fetchNextFrame();
    const bytes = new Uint8Array(first.length + LONGEST_INSTRUCTION);
    bytes.set(first);
    bytes.set(memory.memory.page(frame).bytes.subarray(0, LONGEST_INSTRUCTION), first.length);
    const result = decode(bytes, codeSize, 0);
    if (result.kind === 'instruction') return { instruction: result.instruction, frame };
    if (result.kind === 'fault') this.decodeFault(result.fault);
    throw new ModelError('an instruction longer than 15 bytes was not refused');
  }
}

/** `heat` of a block that holds one instruction to be run alone. */
const ALONE = -1;
const NEVER_HOT = 0x7fff_ffff;

const jumpEntry = (low: number, high: number): number => (low ^ (low >>> 11) ^ high) & (JUMP_ENTRIES - 1);
