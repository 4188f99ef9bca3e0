import { ModelError, type Width } from '../../core';
import { FlagEmitter } from './emitted-flags';
import { type Text, top } from './emitted-text';
import { VALUE_HIGH_AT } from './engine-slots';

const SIGN_BIT: Record<Width, string> = { 8: '128', 16: '32768', 32: '-2147483648', 64: '-2147483648' };

/** Sums, products, logic and changes of width. */
export abstract class ArithmeticEmitter extends FlagEmitter {
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
    return this.pair(low, this.let(`W[${VALUE_HIGH_AT}]`));
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
}
