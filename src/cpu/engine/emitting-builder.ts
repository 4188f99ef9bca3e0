import { ModelError, type Width } from '../../core';
import type { Builder, PureOperation } from './builder';
import { MemoryEmitter } from './emitted-memory';
import { NotEmitted, type Text } from './emitted-text';
import { EPOCH_AT, PURE_SLOT, PURE_SLOTS } from './engine-slots';

/** Branch targets that the block of the instruction must know. */
export interface Targets {
  taken?: bigint;
  notTaken?: bigint;
}

/**
 * Turns a row into source text. The base class emits closure factories: register numbers, immediates and displacements are parameters, so that
 * one text serves every instruction of an operand shape. 64-bit mode only. SDM-independent: the architecture is in the rows. Pure operations and the
 * ends of instructions are here, the rest in the classes below it.
 */
export class EmittingBuilder extends MemoryEmitter implements Builder<Text, string> {
  readonly targets: Targets = {};

  pure(operation: PureOperation, width: Width, values: readonly Text[]): readonly Text[] {
    if (Math.max(values.length, operation.results) > PURE_SLOTS)
      throw new ModelError(`${operation.name} has more operands than there are slots`);
    values.forEach((value, i) => {
      this.out(
        `W[${2 * (PURE_SLOT + i)}]=${value.low};W[${2 * (PURE_SLOT + i) + 1}]=${value.width === 64 ? value.high : '0'};`,
      );
    });
    this.out(`${this.beforeSlowPath()}pure(${this.parameter(operation)},${width},${values.length});`);
    this.flagsInSlots();
    return Array.from({ length: operation.results }, (_, i) => {
      const at = 2 * (PURE_SLOT + i);
      return width === 64
        ? this.pair(this.let(`W[${at}]`), this.let(`W[${at + 1}]`))
        : { width, low: this.let(`W[${at}]`), high: '0' };
    });
  }

  /** The end of a block that goes on at a fixed place. */
  protected goTo(which: 'taken' | 'notTaken'): string {
    return `return X.${which}Epoch===W[${EPOCH_AT}]?X.${which}:missed(X,${which === 'taken' ? 0 : 1});`;
  }

  protected beforeEnd(): string {
    return '';
  }

  /** Before what may leave when all is written already: says at which instruction, as an operand of a comma. */
  protected atInstruction(): string {
    return '';
  }

  private target(displacement: bigint): bigint {
    const next = this.address + BigInt(this.instruction.length) + displacement;
    const canonical = BigInt.asIntN(48, next);
    if (BigInt.asIntN(64, next) !== canonical) throw new NotEmitted();
    return BigInt.asUintN(64, next);
  }

  jumpRelative(displacement: bigint): void {
    this.targets.taken = this.target(displacement);
    this.out(this.beforeEnd() + this.goTo('taken'));
  }

  branchRelative(condition: string, displacement: bigint): void {
    this.targets.taken = this.target(displacement);
    this.targets.notTaken = this.target(0n);
    const chosen = this.let(condition);
    this.out(`${this.beforeEnd()}if(${chosen}){${this.goTo('taken')}}${this.goTo('notTaken')}`);
  }

  /** Non-canonical targets are #GP(0) before anything is written. SDM Vol. 1, 3.3.7.1 Canonical Addressing */
  checkTarget(target: Text): void {
    this.out(`if((((${target.high}>>15)+1)>>>0)>1){${this.beforeSlowPath()}beyond();}`);
  }

  checkRelative(displacement: bigint): void {
    this.target(displacement);
  }

  jumpTo(target: Text): void {
    this.out(
      `${this.beforeEnd()}return X.indirectLow===${target.low}&&X.indirectHigh===${target.high}&&X.indirectEpoch===W[${EPOCH_AT}]?X.indirect:(${this.atInstruction()}indirect(X,${target.low},${target.high}));`,
    );
  }

  nextInstruction(width: Width): Text {
    return this.variable(BigInt.asUintN(width, this.address + BigInt(this.instruction.length)), width);
  }
}
