import type { Instruction } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import { SLOT } from '../slots';
import type { Block, LastOperation, Operation } from './block';
import type { BlockLinks } from './block-links';
import { runRow } from './computing-builder';
import { NotEmitted } from './emitted-text';
import { EmittingBuilder } from './emitting-builder';
import { EPOCH_AT, INDEX_AT, LEFT_AT } from './engine-slots';
import { GeneratingBuilder } from './generating-builder';
import type { LinearMemory } from './linear-memory';
import { endsBlock, type InstructionRow, type SystemRow } from './row';
import { ENVIRONMENT, type EnvironmentValues, type Factory, MAY_COMPILE, shapeOf } from './shapes';

/** How instructions run: every row on the computing builder, closures, or generated functions for blocks that are hot. */
export type Tier = 'oracle' | 'closures' | 'generated';

/** A block that runs seldom runs row by row: closures cost as much as about so many runs. */
const COLD_RUNS = 6;
const NEVER = 0x7fff_ffff;

/** How often a block of a tier other than the oracle runs cold when the engine's heat is `heat`. */
const coldRuns = (heat: number): number => Math.min(COLD_RUNS, heat >> 1);

/** Runs until a new block is worth closures. */
export const firstHeat = (tier: Tier, heat: number): number =>
  tier === 'oracle' ? NEVER : Math.max(1, coldRuns(heat));

/** Turns decoded instructions into the operations of a block. */
export class BlockBuilder {
  private readonly factories = new Map<string, Factory>();

  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly memory: LinearMemory,
    private readonly environment: EnvironmentValues,
    private readonly linker: Pick<BlockLinks, 'missed' | 'wentOn'>,
    private readonly tier: Tier,
  ) {}

  /** A decoded block is cold: it runs row by row, since most code runs a few times only. */
  begin(block: Block): void {
    block.last = this.rowByRow(block);
  }

  /** A block that is no longer cold gets its closures, a hot one its generated function. `heat` is that of the engine. */
  warm(block: Block, heat: number): void {
    if (!MAY_COMPILE) return;
    if (block.stage === 'cold') {
      this.build(block);
      block.heat = this.tier === 'generated' ? Math.max(1, heat - coldRuns(heat)) : NEVER;
    } else this.generate(block);
  }

  private build(block: Block): void {
    const { rows } = block;
    const final = rows.length - 1;
    const operations: Operation[] = [];
    for (let i = 0; i < final; i++) operations.push(this.operation(block, i, rows[i]) as Operation);
    const row = rows[final];
    if (endsBlock(row)) block.last = this.operation(block, final, row);
    else {
      const operation = this.operation(block, final, row) as Operation;
      block.last = this.continueAfter(block, operation);
    }
    block.operations = operations;
    block.stage = 'closures';
  }

  /** Replaces the closures of a hot block by one generated function; a block with a row that cannot be emitted stays as it is. */
  private generate(block: Block): void {
    const { rows } = block;
    const final = rows.length - 1;
    const last = rows[final];
    const whole = last.kind === 'data';
    const count = whole ? rows.length : final;
    if (count === 0) return;
    const x = new GeneratingBuilder(
      block.address,
      whole ? count : 0,
      block.instructions[0],
      this.cpu.asksUndefinedFlags,
      block.mode,
    );
    try {
      for (let i = 0; i < count; i++) {
        const row = rows[i];
        if (row.kind !== 'data') return;
        const instruction = block.instructions[i];
        x.begin(instruction, block.addressOf(i), i);
        row.build(x, instruction);
      }
      if (!whole) x.writeBack();
      else if (!endsBlock(last)) x.goOn();
    } catch (error) {
      if (error instanceof NotEmitted) return;
      throw error;
    }
    const compile = new Function(...ENVIRONMENT, 'X', 'C', x.source);
    const generated = compile(...this.environment, block, x.constants) as LastOperation;
    if (whole) {
      block.operations = [];
      block.last = generated;
    } else block.operations = [generated as Operation];
    block.stage = 'generated';
  }

  private operation(block: Block, index: number, row: InstructionRow): LastOperation {
    const instruction = block.instructions[index];
    if (row.kind === 'system') return this.system(block, index, row);
    return (
      this.closure(block, index, row, instruction) ??
      this.computed(block, index, (cpu) => runRow(cpu, row, instruction))
    );
  }

  private closure(
    block: Block,
    index: number,
    row: Extract<InstructionRow, { kind: 'data' }>,
    instruction: Instruction,
  ): LastOperation | undefined {
    const x = new EmittingBuilder(
      instruction,
      block.addressOf(index),
      this.cpu.asksUndefinedFlags,
      block.mode,
    );
    try {
      row.build(x, instruction);
    } catch (error) {
      if (error instanceof NotEmitted) return undefined;
      throw error;
    }
    if (x.targets.taken !== undefined) block.takenTarget = x.targets.taken;
    if (x.targets.notTaken !== undefined) block.notTakenTarget = x.targets.notTaken;
    return this.factory(x.lines.join('\n'), x.parameters.length)(block, ...x.parameters);
  }

  private factory(body: string, parameters: number): Factory {
    let factory = this.factories.get(body);
    if (factory === undefined) {
      factory = shapeOf(body, parameters)(...this.environment);
      this.factories.set(body, factory);
    }
    return factory;
  }

  /** A row that runs on the draft itself: RIP is exact while it runs, and the engine looks up what comes next. */
  private computed(block: Block, index: number, run: (cpu: ProcessorDraft) => void): LastOperation {
    const cpu = this.cpu;
    const { R } = cpu;
    const address = block.addressOf(index);
    const next = block.addressOf(index + 1);
    return () => {
      R[SLOT.rip] = address;
      R[SLOT.nextRip] = next;
      run(cpu);
      R[SLOT.rip] = R[SLOT.nextRip];
      return null;
    };
  }

  private system(block: Block, index: number, row: SystemRow): LastOperation {
    const instruction = block.instructions[index];
    return this.computed(block, index, () => this.runSystem(row, instruction));
  }

  private runSystem(row: SystemRow, instruction: Instruction): void {
    const { cpu, memory } = this;
    const { W } = cpu;
    cpu.iterationBudget = W[LEFT_AT] + 1;
    // It ends its block, so that it may reach devices and code as if it ran alone; the engine resets this when it leaves.
    const { alone } = memory;
    memory.alone = true;
    memory.quick = this.tier !== 'oracle' && row.keepsMode === true;
    row.execute(cpu, instruction);
    memory.alone = alone;
    memory.quick = false;
    if (cpu.extraRetired !== 0) {
      W[LEFT_AT] -= cpu.extraRetired;
      cpu.extraRetired = 0;
    }
    if (row.keepsMode !== true) cpu.mmu.contextChanged();
  }

  private rowByRow(block: Block): LastOperation {
    const { cpu, linker, memory } = this;
    const { R, W } = cpu;
    const { rows, instructions } = block;
    const quick = this.tier !== 'oracle';
    return () => {
      const last = rows.length - 1;
      memory.quick = quick;
      for (let i = 0; i <= last; i++) {
        const row = rows[i];
        const instruction = instructions[i];
        W[INDEX_AT] = i;
        R[SLOT.rip] = block.addressOf(i);
        if (row.kind === 'data') runRow(cpu, row, instruction);
        else {
          R[SLOT.nextRip] = block.addressOf(i + 1);
          this.runSystem(row, instruction);
        }
      }
      memory.quick = false;
      R[SLOT.rip] = R[SLOT.nextRip];
      if (rows[last].kind === 'data') linker.wentOn(block);
      return null;
    };
  }

  /** The block goes on in the next one: after its last instruction, or at the end of the page. */
  private continueAfter(block: Block, operation: Operation): LastOperation {
    const { W } = this.cpu;
    const { linker } = this;
    block.takenTarget = block.addressOf(block.count);
    return () => {
      operation();
      return block.takenEpoch === W[EPOCH_AT] ? block.taken : linker.missed(block, 0);
    };
  }
}
