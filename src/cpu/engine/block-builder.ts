import type { Instruction } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import { SLOT } from '../slots';
import type { Block, LastOperation, Operation } from './block';
import { runRow } from './computing-builder';
import { NotEmitted } from './emitted-text';
import { EmittingBuilder } from './emitting-builder';
import { EPOCH_AT, LEFT_AT } from './engine-slots';
import { GeneratingBuilder } from './generating-builder';
import type { LinearMemory } from './linear-memory';
import { endsBlock, type InstructionRow } from './row';
import { ENVIRONMENT, type EnvironmentValues, type Factory, MAY_COMPILE, shapeOf } from './shapes';

/** How instructions run: every row on the computing builder, closures, or generated functions for blocks that are hot. */
export type Tier = 'oracle' | 'closures' | 'generated';

/** Turns decoded instructions into the operations of a block. */
export class BlockBuilder {
  private readonly factories = new Map<string, Factory>();

  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly memory: LinearMemory,
    private readonly environment: EnvironmentValues,
    private readonly missed: (from: Block, kind: 0 | 1) => null,
    private readonly tier: Tier,
  ) {}

  /** Fills `block.operations` and `block.last`. */
  build(block: Block): void {
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
  }

  /** Replaces the closures of a hot block by one generated function; a block with a row that cannot be emitted stays as it is. */
  generate(block: Block): void {
    const { rows } = block;
    if (!MAY_COMPILE) return;
    const x = new GeneratingBuilder(
      block.instructions[0],
      block.address,
      this.cpu.asksUndefinedFlags,
      block.mode,
    );
    const final = rows.length - 1;
    const last = rows[final];
    const whole = last.kind === 'data';
    const count = whole ? rows.length : final;
    if (count === 0) return;
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
    const compile = new Function(...ENVIRONMENT, 'X', 'C', `return function(){${x.lines.join('\n')}}`);
    const generated = compile(...this.environment, block, x.constants) as LastOperation;
    if (whole) {
      block.operations = [];
      block.last = generated;
    } else block.operations = [generated as Operation];
    block.generated = true;
  }

  private operation(block: Block, index: number, row: InstructionRow): LastOperation {
    const instruction = block.instructions[index];
    if (row.kind === 'system') return this.system(block, index, row.execute);
    if (MAY_COMPILE && this.tier !== 'oracle') {
      const closure = this.closure(block, index, row, instruction);
      if (closure !== undefined) return closure;
    }
    return this.computed(block, index, (cpu) => runRow(cpu, row, instruction));
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

  private system(
    block: Block,
    index: number,
    execute: (cpu: ProcessorDraft, instruction: Instruction) => void,
  ): LastOperation {
    const cpu = this.cpu;
    const { W } = cpu;
    const instruction = block.instructions[index];
    const { memory } = this;
    return this.computed(block, index, () => {
      cpu.iterationBudget = W[LEFT_AT] + 1;
      // It ends its block, so that it may reach devices and code as if it ran alone; the engine resets this when it leaves.
      const { alone } = memory;
      memory.alone = true;
      execute(cpu, instruction);
      memory.alone = alone;
      if (cpu.extraRetired !== 0) {
        W[LEFT_AT] -= cpu.extraRetired;
        cpu.extraRetired = 0;
      }
      cpu.mmu.contextChanged();
    });
  }

  /** The block goes on in the next one: after its last instruction, or at the end of the page. */
  private continueAfter(block: Block, operation: Operation): LastOperation {
    const { W } = this.cpu;
    const { missed } = this;
    block.takenTarget = block.addressOf(block.count);
    return () => {
      operation();
      return block.takenEpoch === W[EPOCH_AT] ? block.taken : missed(block, 0);
    };
  }
}
