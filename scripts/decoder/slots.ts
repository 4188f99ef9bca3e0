import { SLOT_BYTES } from './reference';

const MOST = 4096;

/** Bytes for many instructions, a slot each: the beginnings of cases and random bytes after them. */
export class Slots {
  private readonly bytes = new Uint8Array(MOST * SLOT_BYTES);
  private readonly words = new Uint32Array(this.bytes.buffer);
  private state: number;
  private count = 0;

  /** `decode` gets the slots whenever they are full, and at the end. */
  constructor(
    seed: number,
    private readonly decode: (slots: Uint8Array) => void,
  ) {
    this.state = (Math.imul(seed + 1, 0x9e37_79b9) ^ 0x5bd1_e995) | 1;
  }

  /** 32 random bits, signed: xorshift32. */
  word(): number {
    let word = this.state;
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    this.state = word;
    return Math.imul(word, 0x2c1b_3c6d) ^ (word >>> 15);
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return (this.word() >>> 0) % count;
  }

  /** The next case. */
  add(beginning: readonly number[]): void {
    const slot = this.count++;
    for (let word = 0; word < SLOT_BYTES / 4; word++)
      this.words[slot * (SLOT_BYTES / 4) + word] = this.word();
    for (let at = 0; at < beginning.length && at < SLOT_BYTES; at++)
      this.bytes[slot * SLOT_BYTES + at] = beginning[at];
    if (this.count === MOST) this.end();
  }

  /** Decodes what is left. */
  end(): void {
    if (this.count > 0) this.decode(this.bytes.subarray(0, this.count * SLOT_BYTES));
    this.count = 0;
  }
}
