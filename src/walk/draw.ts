import { mixed } from '../core';

/** Numbers that follow from a seed (32 bits), each from those before it. */
export class Draw {
  private count = 0;

  constructor(private readonly seed: number) {}

  /** At least 0, below `limit`, which is at most 2^32. */
  below(limit: number): number {
    this.count += 1;
    return mixed(mixed(this.seed) + Math.imul(this.count, 0x9e37_79b9)) % limit;
  }

  /** From `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** One of a list that is not empty. */
  from<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
