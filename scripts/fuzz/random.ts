/** Numbers that a seed, a part and an index determine: every case can be made again alone. */
export class Random {
  private state: number;

  constructor(seed: number, part: number, index: number) {
    this.state = (seed ^ Math.imul(part + 1, 0x9e37_79b9) ^ Math.imul(index + 1, 0x85eb_ca6b)) | 0;
    for (let i = 0; i < 4; i++) this.word();
  }

  /** 32 bits, signed. */
  word(): number {
    this.state = (this.state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return mixed ^ (mixed >>> 14);
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return (this.word() >>> 0) % count;
  }

  /** True once in `count` times. */
  once(count: number): boolean {
    return this.below(count) === 0;
  }

  of<A>(values: readonly A[]): A {
    return values[this.below(values.length)];
  }

  /** 64 bits, unsigned. */
  word64(): bigint {
    return (BigInt(this.word() >>> 0) << 32n) | BigInt(this.word() >>> 0);
  }

  /** 64 bits with the edges of every width among them. */
  edge64(): bigint {
    const bit = 1n << BigInt(this.below(64));
    switch (this.below(8)) {
      case 0:
        return bit;
      case 1:
        return bit - 1n;
      case 2:
        return BigInt.asUintN(64, -bit);
      case 3:
        return BigInt(this.below(256));
      default:
        return this.word64();
    }
  }
}
