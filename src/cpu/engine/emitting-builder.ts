import { high32, low32, ModelError, type Width } from '../../core';
import { type Instruction, type MemoryOperand, type Operand, RIP_BASE } from '../decode/instruction';
import { FIRST_SCRATCH_SLOT, FLAG, SLOT } from '../slots';
import { CF_VALID, KIND, OF_VALID } from '../status-flags';
import type { Builder, FlagKind, PureOperation } from './builder';

/**
 * A value as source text: below 64 bits one int32 expression (8 and 16 bits zero-extended), at 64 bits two halves. Every expression is a
 * constant, a parameter or a `const` local: it may be used any number of times.
 */
export interface Text {
  readonly width: Width;
  readonly low: string;
  readonly high: string;
}

const A = 2 * SLOT.flagA;
const B = 2 * SLOT.flagB;
const RESULT = 2 * SLOT.flagResult;
const KIND_AT = 2 * SLOT.flagKind;
const VALUE_HIGH = 2 * SLOT.value + 1;
const CONTEXT = 2 * SLOT.engine;
const EPOCH = 2 * SLOT.engine + 1;
const RFLAGS = 2 * SLOT.rflags;
const RSP = 4;
/** References through SS fault as #SS. SDM Vol. 3A, 6.15 Exception and Interrupt Reference: Interrupt 12 Stack Fault Exception */
const STACK_SEGMENT = 2;

/** Scratch slots: operands and results of pure operations, then the index of the instruction in a generated block. */
export const PURE_SLOT = FIRST_SCRATCH_SLOT;
export const PURE_SLOTS = 6;
export const INDEX_AT: number = 2 * (FIRST_SCRATCH_SLOT + PURE_SLOTS);
/** Instructions that may still retire before `execute` returns. */
export const LEFT_AT: number = INDEX_AT + 1;

const SIZE_CODE: Record<Width, number> = { 8: 0, 16: 1, 32: 2, 64: 3 };
const ALIGNED: Record<Width, number> = { 8: -4096, 16: -4095, 32: -4093, 64: -4089 };
const SIGN_BIT: Record<Width, string> = { 8: '128', 16: '32768', 32: '-2147483648', 64: '-2147483648' };
const MASK: Record<8 | 16, string> = { 8: '255', 16: '65535' };

/** A memory access under way: the entry of the fast arrays that may serve it, and whether it does. */
interface Access {
  readonly address: Text;
  readonly width: Width;
  readonly stack: boolean;
  readonly entry: string;
  readonly hit: string;
}

/** Names that emitted code uses; the engine supplies their values in this order. */
export const ENVIRONMENT = [
  'W',
  'RL',
  'RH',
  'RW',
  'RB',
  'WL',
  'WH',
  'WW',
  'WB',
  'read',
  'update',
  'write',
  'missed',
  'indirect',
  'beyond',
  'carry',
  'holds',
  'overflows',
  'multiply',
  'pure',
] as const;

/** Branch targets that the block of the instruction must know. */
export interface Targets {
  taken?: bigint;
  notTaken?: bigint;
}

/** An operand or mode that the emitter leaves to the computing builder. */
export class NotEmitted extends Error {}

/**
 * Turns a row into source text. The base class emits closure factories: register numbers, immediates and displacements are parameters, so that
 * one text serves every instruction of an operand shape. 64-bit mode only. SDM-independent: the architecture is in the rows.
 */
export class EmittingBuilder implements Builder<Text, string> {
  readonly lines: string[] = [];
  readonly parameters: (number | object)[] = [];
  readonly targets: Targets = {};
  protected temporaries = 0;
  /** Read-modify-write: the access that the next store to the same place completes. */
  private pendingUpdate:
    | { readonly place: unknown; readonly segment: number; readonly access: Access }
    | undefined;
  readonly stackWidth = 64;

  /**
   * `address` is the linear address of the instruction (equal to RIP: code segments are flat in 64-bit mode). When somebody is asked for undefined
   * flags, rows that leave some are not emitted.
   */
  constructor(
    protected instruction: Instruction,
    protected address: bigint,
    private readonly asksUndefinedFlags: boolean,
  ) {}

  protected out(line: string): void {
    this.lines.push(line);
  }

  protected let(expression: string): string {
    const name = `t${this.temporaries++}`;
    this.out(`const ${name}=${expression};`);
    return name;
  }

  /** A number that differs between instructions of one shape. */
  protected parameter(value: number | object): string {
    this.parameters.push(value);
    return `p${this.parameters.length - 1}`;
  }

  /** What must be in the slots before code runs that may leave the instruction. */
  protected beforeSlowPath(): string {
    return '';
  }

  // ---- values

  constant(value: bigint, width: Width): Text {
    if (width === 64) return { width, low: String(low32(value)), high: String(high32(value)) };
    const low = width === 32 ? low32(value) : Number(BigInt.asUintN(width, value));
    return { width, low: String(low), high: '0' };
  }

  protected variable(value: bigint, width: Width): Text {
    if (width === 64)
      return { width, low: this.parameter(low32(value)), high: this.parameter(high32(value)) };
    const low = width === 32 ? low32(value) : Number(BigInt.asUintN(width, value));
    return { width, low: this.parameter(low), high: '0' };
  }

  protected masked(width: Width, expression: string): Text {
    if (width === 32) return { width, low: this.let(`(${expression})|0`), high: '0' };
    return { width, low: this.let(`(${expression})&${MASK[width as 8 | 16]}`), high: '0' };
  }

  protected pair(low: string, high: string): Text {
    return { width: 64, low, high };
  }

  // ---- operands

  read(operand: Operand): Text {
    switch (operand.kind) {
      case 'register':
        return operand.high ? this.highByte(operand.number) : this.register(operand.number, operand.width);
      case 'immediate':
        return this.variable(operand.value, operand.width);
      case 'memory':
        return this.load(operand.segment, this.effectiveAddress(operand), operand.width as Width);
      default:
        throw new NotEmitted();
    }
  }

  readForUpdate(operand: Operand): Text {
    if (operand.kind !== 'memory') return this.read(operand);
    return this.update(operand.segment, this.effectiveAddress(operand), operand.width as Width, operand);
  }

  write(operand: Operand, value: Text): void {
    if (operand.kind === 'register') {
      if (operand.high) this.setHighByte(operand.number, value);
      else this.setRegister(operand.number, operand.width, value);
    } else if (operand.kind === 'memory') {
      if (this.pendingUpdate?.place === operand) this.complete(value);
      else this.store(operand.segment, this.effectiveAddress(operand), value);
    } else throw new NotEmitted();
  }

  load(segment: number, offset: Text, width: Width): Text {
    const access = this.access(this.linear(segment, offset), width, segment === STACK_SEGMENT, 'read');
    return this.fetchValue(access, 'read');
  }

  loadForUpdate(segment: number, offset: Text, width: Width): Text {
    return this.update(segment, offset, width, offset);
  }

  private update(segment: number, offset: Text, width: Width, place: unknown): Text {
    const access = this.access(this.linear(segment, offset), width, segment === STACK_SEGMENT, 'write');
    this.pendingUpdate = { place, segment, access };
    return this.fetchValue(access, 'update');
  }

  store(segment: number, offset: Text, value: Text): void {
    if (this.pendingUpdate?.place === offset && this.pendingUpdate.segment === segment) this.complete(value);
    else
      this.storeValue(
        this.access(this.linear(segment, offset), value.width, segment === STACK_SEGMENT, 'write'),
        value,
      );
  }

  private complete(value: Text): void {
    const { access } = this.pendingUpdate!;
    this.pendingUpdate = undefined;
    this.storeValue(access, value);
  }

  checkAlignment(segment: number, offset: Text, bytes: number): void {
    const address = this.linear(segment, offset);
    this.out(`if((${address.low}&${bytes - 1})!==0){${this.beforeSlowPath()}beyond();}`);
  }

  effectiveAddress(operand: MemoryOperand): Text {
    if (operand.addressWidth !== 64) throw new NotEmitted();
    if (operand.base === RIP_BASE)
      return this.variable(this.address + BigInt(this.instruction.length) + operand.displacement, 64);
    let sum: Text | undefined = operand.base >= 0 ? this.register(operand.base, 64) : undefined;
    if (operand.index >= 0) {
      const index = this.register(operand.index, 64);
      const scale = operand.scale;
      const scaled =
        scale === 0
          ? index
          : this.pair(
              this.let(`${index.low}<<${scale}`),
              this.let(`(${index.high}<<${scale})|(${index.low}>>>${32 - scale})`),
            );
      sum = sum === undefined ? scaled : this.add(sum, scaled);
    }
    if (sum === undefined) return this.variable(operand.displacement, 64);
    return operand.displacement === 0n ? sum : this.add(sum, this.variable(operand.displacement, 64));
  }

  /** Linear address: only FS and GS have a base in 64-bit mode. SDM Vol. 1, 3.4.2.1 Segment Registers in 64-Bit Mode */
  private linear(segment: number, offset: Text): Text {
    if (segment < 4) return offset;
    const base = 2 * (segment === 4 ? SLOT.fsBase : SLOT.gsBase);
    return this.add(offset, this.pair(this.let(`W[${base}]`), this.let(`W[${base + 1}]`)));
  }

  // ---- registers

  protected slotIndex(number: number): string {
    return this.parameter(2 * number);
  }

  register(number: number, width: Width): Text {
    const at = this.slotIndex(number);
    if (width === 64) return this.pair(this.let(`W[${at}]`), this.let(`W[${at}+1]`));
    return { width, low: this.let(width === 32 ? `W[${at}]` : `W[${at}]&${MASK[width]}`), high: '0' };
  }

  protected highByte(number: number): Text {
    return { width: 8, low: this.let(`(W[${this.slotIndex(number)}]>>8)&255`), high: '0' };
  }

  setRegister(number: number, width: Width, value: Text): void {
    const at = this.slotIndex(number);
    if (width === 64) this.out(`W[${at}]=${value.low};W[${at}+1]=${value.high};`);
    else if (width === 32) this.out(`W[${at}]=${value.low};W[${at}+1]=0;`);
    else this.out(`W[${at}]=(W[${at}]&${width === 16 ? -65536 : -256})|${value.low};`);
  }

  protected setHighByte(number: number, value: Text): void {
    const at = this.slotIndex(number);
    this.out(`W[${at}]=(W[${at}]&-65281)|(${value.low}<<8);`);
  }

  // ---- memory

  private access(address: Text, width: Width, stack: boolean, kind: 'read' | 'write'): Access {
    const entry = this.let(`((${address.low}>>>12)^${address.high})&1023`);
    const tags = kind === 'read' ? 'R' : 'W';
    const hit = this.let(
      `${tags}L[${entry}]===((${address.low}&${ALIGNED[width]})|W[${CONTEXT}])&&${tags}H[${entry}]===${address.high}`,
    );
    return { address, width, stack, entry, hit };
  }

  private fetchValue({ address, width, stack, entry, hit }: Access, slow: 'read' | 'update'): Text {
    const pages = slow === 'read' ? 'R' : 'W';
    const low = `t${this.temporaries++}`;
    const miss = `${this.beforeSlowPath()}${low}=${slow}(${address.low},${address.high},${width / 8},${stack});`;
    if (width === 64) {
      const high = `t${this.temporaries++}`;
      this.out(
        `let ${low},${high};if(${hit}){const w=${pages}W[${entry}],o=(${address.low}&4095)>>2;${low}=w[o];${high}=w[o+1];}else{${miss}${high}=W[${VALUE_HIGH}];}`,
      );
      return this.pair(low, high);
    }
    const fast =
      width === 32
        ? `${pages}W[${entry}][(${address.low}&4095)>>2]`
        : width === 8
          ? `${pages}B[${entry}][${address.low}&4095]`
          : `(${pages}W[${entry}][(${address.low}&4095)>>2]>>((${address.low}&2)<<3))&65535`;
    this.out(`let ${low};if(${hit})${low}=${fast};else{${miss}}`);
    return { width, low, high: '0' };
  }

  private storeValue({ address, width, stack, entry, hit }: Access, value: Text): void {
    const fast =
      width === 64
        ? `const w=WW[${entry}],o=(${address.low}&4095)>>2;w[o]=${value.low};w[o+1]=${value.high};`
        : width === 32
          ? `WW[${entry}][(${address.low}&4095)>>2]=${value.low};`
          : width === 8
            ? `WB[${entry}][${address.low}&4095]=${value.low};`
            : `const w=WW[${entry}],o=(${address.low}&4095)>>2,s=(${address.low}&2)<<3;w[o]=(w[o]&~(65535<<s))|(${value.low}<<s);`;
    this.out(
      `if(${hit}){${fast}}else{${this.beforeSlowPath()}write(${address.low},${address.high},${width / 8},${value.low},${value.high},${stack});}`,
    );
  }

  push(value: Text): void {
    const top = this.sub(this.register(RSP, 64), this.constant(BigInt(value.width / 8), 64));
    this.storeValue(this.access(top, value.width, true, 'write'), value);
    this.setRegister(RSP, 64, top);
  }

  pop(width: Width): Text {
    return this.load(STACK_SEGMENT, this.register(RSP, 64), width);
  }

  releaseStack(bytes: number): void {
    this.setRegister(RSP, 64, this.add(this.register(RSP, 64), this.variable(BigInt(bytes), 64)));
  }

  // ---- arithmetic

  add(a: Text, b: Text): Text {
    if (a.width < 64) return this.masked(a.width, `${a.low}+${b.low}`);
    const low = this.let(`(${a.low}+${b.low})|0`);
    return this.pair(low, this.let(`(${a.high}+${b.high}+((${low}>>>0)<(${a.low}>>>0)?1:0))|0`));
  }

  sub(a: Text, b: Text): Text {
    if (a.width < 64) return this.masked(a.width, `${a.low}-${b.low}`);
    const low = this.let(`(${a.low}-${b.low})|0`);
    return this.pair(low, this.let(`(${a.high}-${b.high}-((${a.low}>>>0)<(${b.low}>>>0)?1:0))|0`));
  }

  private bitwise(operator: string, a: Text, b: Text): Text {
    if (a.width < 64) return { width: a.width, low: this.let(`${a.low}${operator}${b.low}`), high: '0' };
    return this.pair(this.let(`${a.low}${operator}${b.low}`), this.let(`${a.high}${operator}${b.high}`));
  }

  and(a: Text, b: Text): Text {
    return this.bitwise('&', a, b);
  }

  or(a: Text, b: Text): Text {
    return this.bitwise('|', a, b);
  }

  xor(a: Text, b: Text): Text {
    return this.bitwise('^', a, b);
  }

  not(a: Text): Text {
    if (a.width === 64) return this.pair(this.let(`~${a.low}`), this.let(`~${a.high}`));
    return this.masked(a.width, `~${a.low}`);
  }

  mul(a: Text, b: Text): Text {
    if (a.width < 64) return this.masked(a.width, `Math.imul(${a.low},${b.low})`);
    const low = this.let(`multiply(${a.low},${a.high},${b.low},${b.high})`);
    return this.pair(low, this.let(`W[${VALUE_HIGH}]`));
  }

  signedProductOverflows(a: Text, b: Text): string {
    if (a.width === 64) return `overflows(${a.low},${a.high},${b.low},${b.high})`;
    const limit = 2 ** (a.width - 1);
    const product = this.let(`${this.signExtend(a, 32).low}*${this.signExtend(b, 32).low}`);
    return `(${product}<${-limit}||${product}>=${limit})`;
  }

  addWithCarry(a: Text, b: Text): Text {
    const carry = this.let(`${this.carryNow()}?1:0`);
    let sum: Text;
    if (a.width < 64) sum = this.masked(a.width, `${a.low}+${b.low}+${carry}`);
    else {
      const partial = this.let(`(${a.low}>>>0)+(${b.low}>>>0)+${carry}`);
      sum = this.pair(
        this.let(`${partial}|0`),
        this.let(`(${a.high}+${b.high}+(${partial}>4294967295?1:0))|0`),
      );
    }
    const [x, y, r] = [top(a), top(b), top(sum)];
    const out = this.let(`(((${x}&${y})|((${x}|${y})&~${r}))&${SIGN_BIT[a.width]})!==0`);
    this.setFlags('add', a, b, sum);
    this.setCarry(out);
    return sum;
  }

  subWithBorrow(a: Text, b: Text): Text {
    const borrow = this.let(`${this.carryNow()}?1:0`);
    let difference: Text;
    if (a.width < 64) difference = this.masked(a.width, `${a.low}-${b.low}-${borrow}`);
    else {
      const partial = this.let(`(${a.low}>>>0)-(${b.low}>>>0)-${borrow}`);
      difference = this.pair(
        this.let(`${partial}|0`),
        this.let(`(${a.high}-${b.high}-(${partial}<0?1:0))|0`),
      );
    }
    const [x, y, r] = [top(a), top(b), top(difference)];
    const out = this.let(`(((~${x}&${y})|((~${x}|${y})&${r}))&${SIGN_BIT[a.width]})!==0`);
    this.setFlags('sub', a, b, difference);
    this.setCarry(out);
    return difference;
  }

  byteSwap(a: Text): Text {
    const swap = (x: string): string =>
      this.let(`(${x}<<24)|((${x}&65280)<<8)|((${x}>>8)&65280)|(${x}>>>24)`);
    if (a.width === 64) return this.pair(swap(a.high), swap(a.low));
    if (a.width === 32) return { width: 32, low: swap(a.low), high: '0' };
    if (a.width === 16) return { width: 16, low: this.let(`((${a.low}&255)<<8)|(${a.low}>>8)`), high: '0' };
    throw new ModelError('byte swap of a byte');
  }

  zeroExtend(value: Text, width: Width): Text {
    return { width, low: value.low, high: value.width === 64 ? value.high : '0' };
  }

  signExtend(value: Text, width: Width): Text {
    if (value.width === width) return value;
    const extended =
      value.width === 32
        ? value.low
        : this.let(value.width === 8 ? `(${value.low}<<24)>>24` : `(${value.low}<<16)>>16`);
    if (width === 64) return this.pair(extended, this.let(`${extended}>>31`));
    return width === 32 ? { width, low: extended, high: '0' } : this.masked(width, extended);
  }

  truncate(value: Text, width: Width): Text {
    if (value.width === width) return value;
    if (width === 32) return { width, low: value.low, high: '0' };
    return this.masked(width, value.low);
  }

  shift(kind: 'shl' | 'shr' | 'sar' | 'rol' | 'ror', a: Text, count: number): Text {
    const { result, carry } =
      a.width === 64 ? this.shift64(kind, a, count) : this.shiftNarrow(kind, a, count);
    const sign = this.bitOf(result, result.width - 1);
    const below = this.bitOf(result, result.width - 2);
    const overflow =
      kind === 'shl' || kind === 'rol'
        ? `${sign}^${carry}`
        : kind === 'shr'
          ? below
          : kind === 'sar'
            ? '0'
            : `${sign}^${below}`;
    if (kind !== 'rol' && kind !== 'ror') this.setFlags('logic', result, result, result);
    this.overrideCarryOverflow(carry, overflow);
    return result;
  }

  /** Bit of a value as text that is 0 or 1. */
  private bitOf(value: Text, position: number): string {
    return position >= 32 ? `((${value.high}>>>${position - 32})&1)` : `((${value.low}>>>${position})&1)`;
  }

  private shiftNarrow(
    kind: string,
    a: Text,
    count: number,
  ): { readonly result: Text; readonly carry: string } {
    const width = a.width;
    const n = this.shiftCount(count);
    switch (kind) {
      case 'shl':
        return {
          result: this.masked(width, `${a.low}<<${n}`),
          carry: this.let(`(${a.low}>>>(${width}-${n}))&1`),
        };
      case 'shr':
        return { result: this.masked(width, `${a.low}>>>${n}`), carry: this.let(`(${a.low}>>>(${n}-1))&1`) };
      case 'sar': {
        const wide = this.signExtend(a, 32);
        return {
          result: this.masked(width, `${wide.low}>>${n}`),
          carry: this.let(`(${wide.low}>>(${n}-1))&1`),
        };
      }
      case 'rol': {
        const result = this.masked(width, `(${a.low}<<${n})|(${a.low}>>>(${width}-${n}))`);
        return { result, carry: this.let(`${result.low}&1`) };
      }
      default: {
        const result = this.masked(width, `(${a.low}>>>${n})|(${a.low}<<(${width}-${n}))`);
        return { result, carry: this.let(this.bitOf(result, width - 1)) };
      }
    }
  }

  /** A shift count as text; a parameter in closures. */
  protected shiftCount(count: number): string {
    return this.parameter(count);
  }

  private shift64(kind: string, a: Text, count: number): { readonly result: Text; readonly carry: string } {
    if (kind === 'rol' || kind === 'ror') return this.rotate64(kind, a, count);
    const n = this.shiftCount(count);
    const near = count < 32;
    if (kind === 'shl') {
      const carry = this.let(count <= 32 ? `(${a.high}>>>(32-${n}))&1` : `(${a.low}>>>(64-${n}))&1`);
      const result = near
        ? this.pair(this.let(`${a.low}<<${n}`), this.let(`(${a.high}<<${n})|(${a.low}>>>(32-${n}))`))
        : this.pair('0', this.let(`${a.low}<<(${n}-32)`));
      return { result, carry };
    }
    const carry = this.let(count <= 32 ? `(${a.low}>>>(${n}-1))&1` : `(${a.high}>>>(${n}-33))&1`);
    const shifted = kind === 'sar' ? '>>' : '>>>';
    const result = near
      ? this.pair(
          this.let(`(${a.low}>>>${n})|(${a.high}<<(32-${n}))`),
          this.let(`(${a.high}${shifted}${n})|0`),
        )
      : this.pair(
          this.let(`(${a.high}${shifted}(${n}-32))|0`),
          kind === 'sar' ? this.let(`${a.high}>>31`) : '0',
        );
    return { result, carry };
  }

  private rotate64(
    kind: 'rol' | 'ror',
    a: Text,
    count: number,
  ): { readonly result: Text; readonly carry: string } {
    const left = kind === 'rol' ? count : 64 - count;
    const [low, high] = left >= 32 ? [a.high, a.low] : [a.low, a.high];
    const rest = left % 32;
    let result = this.pair(low, high);
    if (rest !== 0) {
      const n = this.shiftCount(rest);
      result = this.pair(
        this.let(`(${low}<<${n})|(${high}>>>(32-${n}))`),
        this.let(`(${high}<<${n})|(${low}>>>(32-${n}))`),
      );
    }
    return { result, carry: this.let(this.bitOf(result, kind === 'rol' ? 0 : 63)) };
  }

  // ---- flags

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

  // ---- pure operations

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

  /** The slots hold the status flags now. */
  protected flagsInSlots(): void {}

  // ---- ends

  /** The end of a block that goes on at a fixed place. */
  protected goTo(which: 'taken' | 'notTaken'): string {
    return `return X.${which}Epoch===W[${EPOCH}]?X.${which}:missed(X,${which === 'taken' ? 0 : 1});`;
  }

  protected beforeEnd(): string {
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
      `${this.beforeEnd()}return X.indirectLow===${target.low}&&X.indirectHigh===${target.high}&&X.indirectEpoch===W[${EPOCH}]?X.indirect:indirect(X,${target.low},${target.high});`,
    );
  }

  nextInstruction(width: Width): Text {
    return this.variable(BigInt.asUintN(width, this.address + BigInt(this.instruction.length)), width);
  }
}

const top = (value: Text): string => (value.width === 64 ? value.high : value.low);

export const flagCode = (kind: FlagKind, width: Width): number => KIND[kind] | (SIZE_CODE[width] << 8);
