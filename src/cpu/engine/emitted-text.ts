import { high32, low32, type Width } from '../../core';
import type { Instruction } from '../decode/instruction';
import type { CodeMode } from './code-mode';

/**
 * A value as source text: below 64 bits one int32 expression (8 and 16 bits zero-extended), at 64 bits two halves. Every expression is a
 * constant, a parameter or a `const` local: it may be used any number of times.
 */
export interface Text {
  readonly width: Width;
  readonly low: string;
  readonly high: string;
}

const MASK: Record<8 | 16, string> = { 8: '255', 16: '65535' };

/** An operand or mode that the emitter leaves to the computing builder. */
export class NotEmitted extends Error {}

/** The half that holds the sign bit. */
export const top = (value: Text): string => (value.width === 64 ? value.high : value.low);

/** Source text of one instruction or block: lines, locals, parameters, constants and registers. */
export abstract class TextWriter {
  readonly lines: string[] = [];
  readonly parameters: (number | object)[] = [];
  protected temporaries = 0;

  /**
   * `address` is RIP at the instruction; `mode` is what the text is made for. When somebody is asked for undefined
   * flags, rows that leave some are not emitted.
   */
  constructor(
    protected instruction: Instruction,
    protected address: bigint,
    protected readonly asksUndefinedFlags: boolean,
    protected readonly mode: CodeMode,
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
}
