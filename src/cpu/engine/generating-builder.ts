import { ModelError, type Width } from '../../core';
import type { Instruction } from '../decode/instruction';
import { CF_VALID, OF_VALID } from '../status-flags';
import type { FlagKind, PureOperation } from './builder';
import type { CodeMode } from './code-mode';
import { flagCode } from './emitted-flags';
import type { Text } from './emitted-text';
import { EmittingBuilder } from './emitting-builder';
import { EPOCH_AT, INDEX_AT, KIND_AT, LEFT_AT } from './engine-slots';

/** A register as the generated function holds it: the text of each half, and whether the slot still has an older value. */
interface Held {
  low: string | undefined;
  high: string | undefined;
  lowDirty: boolean;
  highDirty: boolean;
}

/** The status flags as the generated function knows them. `slots`: they are in the slots, but for what `carry` and `overflow` override. */
interface Flags {
  readonly kind: FlagKind | 'slots';
  readonly a?: Text;
  readonly b?: Text;
  readonly result?: Text;
  /** Texts that are 0 or 1. */
  readonly carry?: string;
  readonly overflow?: string;
  /** The slots agree. */
  readonly stored: boolean;
}

const IN_SLOTS: Flags = Object.freeze({ kind: 'slots', stored: true });

/**
 * Emits a whole block as one function: constants in place of parameters, registers in locals, status flags only when somebody asks. Before
 * anything that may leave, slots are brought up to date on the slow path alone.
 */
export class GeneratingBuilder extends EmittingBuilder {
  /** Objects that the text names as `C[i]`. */
  readonly constants: object[] = [];
  private readonly held = new Map<number, Held>();
  private known: Flags = IN_SLOTS;
  private index = 0;

  /** `count`: instructions of the block when the text holds all of them, else 0. A block that goes on where it starts stays in its function. */
  constructor(
    private readonly start: bigint,
    private readonly count: number,
    instruction: Instruction,
    asksUndefinedFlags: boolean,
    mode: CodeMode,
  ) {
    super(instruction, start, asksUndefinedFlags, mode);
  }

  /** The row of the next instruction follows. */
  begin(instruction: Instruction, address: bigint, index: number): void {
    this.instruction = instruction;
    this.address = address;
    this.index = index;
  }

  protected override parameter(value: number | object): string {
    if (typeof value === 'number') return value < 0 ? `(${value})` : String(value);
    this.constants.push(value);
    return `C[${this.constants.length - 1}]`;
  }

  protected override shiftCount(count: number): string {
    return String(count);
  }

  /** The function over the environment, the block and `constants` that returns what runs the block. */
  get source(): string {
    const body = this.lines.join('\n');
    return `'use strict';return function(){${this.loops ? `for(;;){${body}}` : body}}`;
  }

  private get loops(): boolean {
    return this.count > 0 && this.targets.taken === this.start;
  }

  protected override goTo(which: 'taken' | 'notTaken'): string {
    const again = which === 'taken' && this.loops;
    return `${again ? `if(X.takenEpoch===W[${EPOCH_AT}]&&X.taken===X&&W[${LEFT_AT}]>=${this.count}){W[${LEFT_AT}]-=${this.count};continue;}` : ''}${super.goTo(which)}`;
  }

  // ---- registers

  private hold(number: number): Held {
    let held = this.held.get(number);
    if (held === undefined) {
      held = { low: undefined, high: undefined, lowDirty: false, highDirty: false };
      this.held.set(number, held);
    }
    return held;
  }

  private lowOf(number: number): string {
    const held = this.hold(number);
    held.low ??= this.let(`W[${2 * number}]`);
    return held.low;
  }

  private highOf(number: number): string {
    const held = this.hold(number);
    held.high ??= this.let(`W[${2 * number + 1}]`);
    return held.high;
  }

  override register(number: number, width: Width): Text {
    const low = this.lowOf(number);
    if (width === 64) return this.pair(low, this.highOf(number));
    return { width, low: width === 32 ? low : this.let(`${low}&${width === 8 ? 255 : 65535}`), high: '0' };
  }

  protected override highByte(number: number): Text {
    return { width: 8, low: this.let(`(${this.lowOf(number)}>>8)&255`), high: '0' };
  }

  override setRegister(number: number, width: Width, value: Text): void {
    const held = this.hold(number);
    if (width >= 32) {
      held.low = value.low;
      held.high = width === 64 ? value.high : '0';
      held.highDirty = true;
    } else held.low = this.let(`(${this.lowOf(number)}&${width === 16 ? -65536 : -256})|${value.low}`);
    held.lowDirty = true;
  }

  protected override setHighByte(number: number, value: Text): void {
    const held = this.hold(number);
    held.low = this.let(`(${this.lowOf(number)}&-65281)|(${value.low}<<8)`);
    held.lowDirty = true;
  }

  // ---- bringing the slots up to date

  private registerStores(): string {
    let text = '';
    for (const [number, { low, high, lowDirty, highDirty }] of this.held) {
      if (lowDirty) text += `W[${2 * number}]=${low};`;
      if (highDirty) text += `W[${2 * number + 1}]=${high};`;
    }
    return text;
  }

  private pendingFlags(): string {
    const { kind, a, b, result, carry, overflow, stored } = this.known;
    if (stored) return '';
    const overrides =
      (carry === undefined ? '' : `|${CF_VALID}|((${carry})<<5)`) +
      (overflow === undefined ? '' : `|${OF_VALID}|((${overflow})<<7)`);
    if (kind === 'slots') {
      const kept = ~((carry === undefined ? 0 : 48) | (overflow === undefined ? 0 : 192));
      return `W[${KIND_AT}]=(W[${KIND_AT}]&${kept})${overrides};`;
    }
    return `${this.flagStores(kind, a!, b!, result!)}W[${KIND_AT}]=${flagCode(kind, result!.width)}${overrides};`;
  }

  protected override beforeSlowPath(): string {
    return `${this.registerStores()}${this.pendingFlags()}W[${INDEX_AT}]=${this.index};`;
  }

  protected override atInstruction(): string {
    return `W[${INDEX_AT}]=${this.index},`;
  }

  protected override beforeEnd(): string {
    return this.registerStores() + this.pendingFlags();
  }

  /** The slots hold everything; for what follows the generated part of a block. */
  writeBack(): void {
    this.out(this.beforeEnd());
  }

  override pure(operation: PureOperation, width: Width, values: readonly Text[]): readonly Text[] {
    const results = super.pure(operation, width, values);
    for (const held of this.held.values()) held.lowDirty = held.highDirty = false;
    return results;
  }

  protected override flagsInSlots(): void {
    this.known = IN_SLOTS;
  }

  // ---- flags

  protected override setFlags(kind: FlagKind, a: Text, b: Text, result: Text): void {
    this.known = { kind, a, b, result, stored: false };
  }

  override setCarry(carry: string): void {
    this.known = { ...this.known, carry: this.let(`${carry}?1:0`), stored: false };
  }

  protected override overrideCarryOverflow(carry: string, overflow: string): void {
    this.known = { ...this.known, carry, overflow, stored: false };
  }

  override setCarryOverflow(both: string, result: Text): void {
    const bit = `(${both}?1:0)`;
    this.known = { kind: 'logic', a: result, b: result, result, carry: bit, overflow: bit, stored: false };
  }

  /** Brings the flag slots up to date here. */
  private storeFlags(): void {
    this.out(this.pendingFlags());
    this.known = { ...this.known, stored: true };
  }

  protected override carryNow(): string {
    const { kind, a, b, result, carry } = this.known;
    if (carry !== undefined) return `((${carry})!==0)`;
    switch (kind) {
      case 'logic':
        return 'false';
      case 'add':
        return below(result!, a!);
      case 'sub':
        return below(a!, b!);
      case 'slots':
        return 'carry(W)';
      default:
        throw new ModelError('INC and DEC keep a carry that is not known');
    }
  }

  override condition(code: number): string {
    const positive = this.positive(code & 14);
    if (positive !== undefined) return (code & 1) === 1 ? `!(${positive})` : positive;
    this.storeFlags();
    return super.condition(code);
  }

  /** An even condition code from what is known; undefined when the slots must be asked. */
  private positive(code: number): string | undefined {
    const { kind, a, b, result, carry, overflow } = this.known;
    if (code === 2) return this.carryNow();
    if (kind === 'slots') return undefined;
    const zero = this.isZero(result!);
    const sign = isNegative(result!);
    // After SBB, whose carry is known by itself, the order of the operands does not give SF and OF.
    const ordered = kind === 'sub' && carry === undefined;
    switch (code) {
      case 4:
        return `(${zero})`;
      case 6:
        return `(${this.carryNow()}||${zero})`;
      case 8:
        return sign;
      case 12:
        if (overflow !== undefined) return undefined;
        return ordered ? less(a!, b!) : kind === 'logic' ? sign : undefined;
      case 14:
        if (overflow !== undefined) return undefined;
        return ordered ? `(${zero}||${less(a!, b!)})` : kind === 'logic' ? `(${zero}||${sign})` : undefined;
      default:
        return undefined;
    }
  }
}

const isNegative = ({ width, low, high }: Text): string =>
  width === 64 ? `(${high}<0)` : width === 32 ? `(${low}<0)` : `((${low}&${width === 8 ? 128 : 32768})!==0)`;

/** Unsigned comparison. */
const below = (a: Text, b: Text): string =>
  a.width === 64
    ? `(${a.high}===${b.high}?(${a.low}>>>0)<(${b.low}>>>0):(${a.high}>>>0)<(${b.high}>>>0))`
    : `((${a.low}>>>0)<(${b.low}>>>0))`;

/** Signed comparison. */
const less = (a: Text, b: Text): string => {
  if (a.width === 64) return `(${a.high}===${b.high}?(${a.low}>>>0)<(${b.low}>>>0):${a.high}<${b.high})`;
  if (a.width === 32) return `(${a.low}<${b.low})`;
  return `((${a.low}<<${32 - a.width})<(${b.low}<<${32 - a.width}))`;
};
