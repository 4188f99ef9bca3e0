import { isCanonical, ModelError, type Width } from '../../core';
import { SLOT } from '../slots';
import type { Builder, PureOperation } from './builder';
import { CODE_LIMIT } from './code-mode';
import { MemoryEmitter } from './emitted-memory';
import { NotEmitted, type Text } from './emitted-text';
import { EPOCH_AT, PURE_SLOT, PURE_SLOTS } from './engine-slots';

const CS_LIMIT = 2 * SLOT.csLimit;

/** Branch targets that the block of the instruction must know. */
export interface Targets {
  taken?: bigint;
  notTaken?: bigint;
}

/**
 * Turns a row into source text. The base class emits closure factories: register numbers, immediates and displacements are parameters, so that
 * one text serves every instruction of an operand shape. SDM-independent: the architecture is in the rows. Pure operations and the
 * ends of instructions are here, the rest in the classes below it.
 */
export class EmittingBuilder extends MemoryEmitter implements Builder<Text, string> {
  readonly targets: Targets = {};
  /** The target that was checked already: a displacement or a value. */
  private checked: unknown;

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

  private get next(): bigint {
    const next = this.address + BigInt(this.instruction.length);
    return BigInt.asUintN(this.mode.codeSize === 64 ? 64 : 32, next);
  }

  private target(displacement: bigint): bigint {
    const { instruction, mode } = this;
    const to = this.address + BigInt(instruction.length) + displacement;
    if (mode.codeSize !== 64) return BigInt.asUintN(instruction.operandWidth === 16 ? 16 : 32, to);
    if (!isCanonical(BigInt.asUintN(64, to), mode.canonicalShift === 15 ? 48 : 57)) throw new NotEmitted();
    return BigInt.asUintN(64, to);
  }

  /** The instruction goes on where the next one stands. */
  goOn(): void {
    this.targets.taken = this.next;
    this.out(this.beforeEnd() + this.goTo('taken'));
  }

  jumpRelative(displacement: bigint): void {
    if (this.checked !== displacement) this.checkRelative(displacement);
    this.targets.taken = this.target(displacement);
    this.out(this.beforeEnd() + this.goTo('taken'));
  }

  branchRelative(condition: string, displacement: bigint): void {
    const chosen = this.let(condition);
    if (this.checked !== displacement) this.checkRelative(displacement, chosen);
    this.targets.taken = this.target(displacement);
    this.targets.notTaken = this.next;
    this.out(`${this.beforeEnd()}if(${chosen}){${this.goTo('taken')}}${this.goTo('notTaken')}`);
  }

  /**
   * Non-canonical targets, and those beyond the limit of CS, are #GP(0) before anything is written.
   * SDM Vol. 1, 3.3.7.1 Canonical Addressing; SDM Vol. 3A, 5.3 Limit Checking
   */
  checkTarget(target: Text): void {
    this.checked = target;
    const { codeSize, canonicalShift, codeLimit } = this.mode;
    if (codeSize === 64) this.refuseIf(`(((${target.high}>>${canonicalShift})+1)>>>0)>1`);
    else if (codeLimit === CODE_LIMIT.any || (codeLimit === CODE_LIMIT.above64k && target.width !== 16))
      this.refuseIf(`(${target.low}>>>0)>(W[${CS_LIMIT}]>>>0)`);
  }

  checkRelative(displacement: bigint, when?: string): void {
    this.checked = displacement;
    const target = this.target(displacement);
    const { codeLimit } = this.mode;
    if (codeLimit === CODE_LIMIT.none || (codeLimit === CODE_LIMIT.above64k && target <= 0xffffn)) return;
    const beyond = `(${this.variable(target, 32).low}>>>0)>(W[${CS_LIMIT}]>>>0)`;
    this.refuseIf(when === undefined ? beyond : `${when}&&${beyond}`);
  }

  private refuseIf(condition: string): void {
    this.out(`if(${condition}){${this.beforeSlowPath()}beyond(false);}`);
  }

  jumpTo(target: Text): void {
    if (this.mode.codeSize !== 64 && this.checked !== target) this.checkTarget(target);
    this.out(
      `${this.beforeEnd()}return X.indirectLow===${target.low}&&X.indirectHigh===${target.high}&&X.indirectEpoch===W[${EPOCH_AT}]?X.indirect:(${this.atInstruction()}indirect(X,${target.low},${target.high}));`,
    );
  }

  nextInstruction(width: Width): Text {
    return this.variable(BigInt.asUintN(width, this.next), width);
  }
}
