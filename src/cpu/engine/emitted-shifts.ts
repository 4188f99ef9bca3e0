import { ArithmeticEmitter } from './emitted-arithmetic';
import type { Text } from './emitted-text';

/** A shifted value and the carry out of it, as text that is 0 or 1. */
interface Shifted {
  readonly result: Text;
  readonly carry: string;
}

/** Shifts and rotates by a constant. */
export abstract class ShiftEmitter extends ArithmeticEmitter {
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

  private shiftNarrow(kind: string, a: Text, count: number): Shifted {
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

  private shift64(kind: string, a: Text, count: number): Shifted {
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

  private rotate64(kind: 'rol' | 'ror', a: Text, count: number): Shifted {
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
}
