import type { Width } from '../../core';
import { FLAG, SLOT } from '../slots';
import { CF_VALID, KIND, OF_VALID } from '../status-flags';
import type { FlagKind } from './builder';
import { NotEmitted, type Text, TextWriter } from './emitted-text';
import { KIND_AT } from './engine-slots';

const A = 2 * SLOT.flagA;
const B = 2 * SLOT.flagB;
const RESULT = 2 * SLOT.flagResult;
const RFLAGS = 2 * SLOT.rflags;
const SIZE_CODE: Record<Width, number> = { 8: 0, 16: 1, 32: 2, 64: 3 };

/** What the slot of the lazy flags holds for an operation of a width. */
export const flagCode = (kind: FlagKind, width: Width): number => KIND[kind] | (SIZE_CODE[width] << 8);

/** Status flags in the slots, lazily, and the conditions over them. */
export abstract class FlagEmitter extends TextWriter {
  flags(kind: FlagKind, a: Text, b: Text, result: Text): void {
    if (kind === 'inc' || kind === 'dec') {
      const carry = this.let(this.carryNow());
      this.setFlags(kind, a, b, result);
      this.setCarry(carry);
    } else this.setFlags(kind, a, b, result);
  }

  protected setFlags(kind: FlagKind, a: Text, b: Text, result: Text): void {
    this.out(`${this.flagStores(kind, a, b, result)}W[${KIND_AT}]=${flagCode(kind, result.width)};`);
  }

  protected flagStores(kind: FlagKind, a: Text, b: Text, result: Text): string {
    const store = (at: number, value: Text): string =>
      value.width === 64 ? `W[${at}]=${value.low};W[${at + 1}]=${value.high};` : `W[${at}]=${value.low};`;
    const operands =
      kind === 'logic' ? '' : store(A, a) + (kind === 'inc' || kind === 'dec' ? '' : store(B, b));
    return operands + store(RESULT, result);
  }

  setCarry(carry: string): void {
    this.out(`W[${KIND_AT}]=(W[${KIND_AT}]&-49)|${CF_VALID}|(${carry}?32:0);`);
  }

  /** CF and OF from texts that are 0 or 1; the other flags stay as they are. */
  protected overrideCarryOverflow(carry: string, overflow: string): void {
    this.out(`W[${KIND_AT}]=(W[${KIND_AT}]&-241)|${CF_VALID | OF_VALID}|(${carry}<<5)|((${overflow})<<7);`);
  }

  setCarryOverflow(both: string, result: Text): void {
    const bit = this.let(`${both}?1:0`);
    this.setFlags('logic', result, result, result);
    this.overrideCarryOverflow(bit, bit);
  }

  undefinedFlags(mask: number): void {
    if (this.asksUndefinedFlags && mask !== 0) throw new NotEmitted();
  }

  setDirection(down: boolean): void {
    this.out(down ? `W[${RFLAGS}]|=${FLAG.df};` : `W[${RFLAGS}]&=${~FLAG.df};`);
  }

  /** The slots hold the status flags now. */
  protected flagsInSlots(): void {}

  protected carryNow(): string {
    return 'carry(W)';
  }

  condition(code: number): string {
    return `holds(W,${code})`;
  }

  isZero(value: Text): string {
    return value.width === 64 ? `(${value.low}|${value.high})===0` : `${value.low}===0`;
  }

  equal(a: Text, b: Text): string {
    return a.width === 64 ? `(${a.low}===${b.low}&&${a.high}===${b.high})` : `${a.low}===${b.low}`;
  }

  select(condition: string, whenTrue: Text, whenFalse: Text): Text {
    const chosen = this.let(condition);
    const low = this.let(`${chosen}?${whenTrue.low}:${whenFalse.low}`);
    if (whenTrue.width < 64) return { width: whenTrue.width, low, high: '0' };
    return this.pair(low, this.let(`${chosen}?${whenTrue.high}:${whenFalse.high}`));
  }

  fromCondition(condition: string): Text {
    return { width: 8, low: this.let(`${condition}?1:0`), high: '0' };
  }
}
