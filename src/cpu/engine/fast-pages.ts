import type { Page } from '../../core';

/**
 * The fast arrays: direct-mapped by linear page, one set for reads and one for writes, tagged with an 8-bit context number. Derived from
 * translations, never observable. The tag of an entry is `page | context << 4`, so that one comparison checks page, context and alignment.
 */
export const FAST_ENTRIES = 1024;
const NOTHING = -1;
const CONTEXTS = 256;
const LAST_GENERATION = 0x7f_ffff;

/** Entry that a linear page falls on. */
export const fastIndex = (low: number, high: number): number => ((low >>> 12) ^ high) & (FAST_ENTRIES - 1);

export class FastPages {
  readonly readLow = new Int32Array(FAST_ENTRIES).fill(NOTHING);
  readonly readHigh = new Int32Array(FAST_ENTRIES);
  readonly writeLow = new Int32Array(FAST_ENTRIES).fill(NOTHING);
  readonly writeHigh = new Int32Array(FAST_ENTRIES);
  readonly readWords: Int32Array[];
  readonly readBytes: Uint8Array[];
  readonly writeWords: Int32Array[];
  readonly writeBytes: Uint8Array[];
  /** The context must be selected again before instructions run. */
  contextStale = true;

  private generation = 1;
  private current = 0;
  private contexts = 0;
  private readonly keys = new Float64Array(CONTEXTS * 4);
  /** Called when epoch numbers begin anew: whatever holds an old one must forget it. */
  onWrap: () => void = () => {};

  constructor() {
    const words = new Int32Array(1024);
    const bytes = new Uint8Array(words.buffer);
    this.readWords = new Array(FAST_ENTRIES).fill(words);
    this.readBytes = new Array(FAST_ENTRIES).fill(bytes);
    this.writeWords = new Array(FAST_ENTRIES).fill(words);
    this.writeBytes = new Array(FAST_ENTRIES).fill(bytes);
  }

  /** Number of the context with these governing values; a new one when it was not seen since the last flush. */
  select(key: number, cr3Low: number, cr3High: number, root: number): number {
    const keys = this.keys;
    const same = (at: number): boolean =>
      keys[at] === key && keys[at + 1] === cr3Low && keys[at + 2] === cr3High && keys[at + 3] === root;
    if (this.contexts > 0 && same(this.current * 4)) return this.current;
    for (let context = this.contexts - 1; context >= 0; context--)
      if (same(context * 4)) {
        this.current = context;
        return context;
      }
    if (this.contexts === CONTEXTS) this.flush();
    const at = this.contexts * 4;
    keys[at] = key;
    keys[at + 1] = cr3Low;
    keys[at + 2] = cr3High;
    keys[at + 3] = root;
    this.current = this.contexts++;
    return this.current;
  }

  /** Links between blocks are valid while this number is the same: it changes with the context and with every flush. */
  epoch(): number {
    return (this.generation << 8) | this.current;
  }

  /** Invalidates links between blocks in every context. */
  unlink(): void {
    this.generation++;
    if (this.generation < LAST_GENERATION) return;
    this.generation = 1;
    this.onWrap();
  }

  /** Drops everything; the current context stays known, as number 0. */
  flush(): void {
    this.dropReads();
    this.dropWrites();
    if (this.contexts > 0) {
      this.keys.copyWithin(0, this.current * 4, this.current * 4 + 4);
      this.contexts = 1;
    }
    this.current = 0;
    this.unlink();
  }

  dropReads(): void {
    this.readLow.fill(NOTHING);
  }

  dropWrites(): void {
    this.writeLow.fill(NOTHING);
  }

  fillRead(low: number, high: number, tag: number, page: Page): void {
    const at = fastIndex(low, high);
    this.readLow[at] = (low & -4096) | tag;
    this.readHigh[at] = high;
    this.readWords[at] = page.words;
    this.readBytes[at] = page.bytes;
  }

  fillWrite(low: number, high: number, tag: number, page: Page): void {
    const at = fastIndex(low, high);
    this.writeLow[at] = (low & -4096) | tag;
    this.writeHigh[at] = high;
    this.writeWords[at] = page.words;
    this.writeBytes[at] = page.bytes;
  }
}
