import type { Page } from '../../core';

/**
 * The fast arrays: direct-mapped by linear page, one set for reads and one for writes, tagged with an 8-bit context number. Derived from
 * translations, never observable. The tag of an entry is `page | context << 4`, so that one comparison checks page, context and alignment.
 */
export const FAST_ENTRIES = 1024;
const NOTHING = -1;
const CONTEXTS = 256;
const PLACES = 256;
const LAST_GENERATION = 0x7f_ffff;

/** Entry that a linear page falls on. */
export const fastIndex = (low: number, high: number): number => ((low >>> 12) ^ high) & (FAST_ENTRIES - 1);

/** Small numbers for tuples of four numbers. */
class TupleNumbers {
  private readonly values: Float64Array;
  private count = 0;
  private last = 0;

  constructor(private readonly most: number) {
    this.values = new Float64Array(most * 4);
  }

  private isAt(number: number, a: number, b: number, c: number, d: number): boolean {
    const { values } = this;
    const at = number * 4;
    return values[at] === a && values[at + 1] === b && values[at + 2] === c && values[at + 3] === d;
  }

  /** The number of a tuple, a new one when it has none; -1 when there is no number left. */
  of(a: number, b: number, c: number, d: number): number {
    if (this.count > 0 && this.isAt(this.last, a, b, c, d)) return this.last;
    let number = this.count - 1;
    while (number >= 0 && !this.isAt(number, a, b, c, d)) number--;
    if (number < 0) {
      if (this.count === this.most) return -1;
      number = this.count++;
      this.values.set([a, b, c, d], number * 4);
    }
    this.last = number;
    return number;
  }

  /** Forgets all tuples but one, which becomes number 0, perhaps with another first value. */
  keepOnly(number: number, first = this.values[number * 4]): void {
    if (this.count === 0) return;
    this.values.copyWithin(0, number * 4, number * 4 + 4);
    this.values[0] = first;
    this.count = 1;
    this.last = 0;
  }
}

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
  private place = 0;
  private readonly contexts = new TupleNumbers(CONTEXTS);
  private readonly places = new TupleNumbers(PLACES);
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
    let context = this.contexts.of(key, cr3Low, cr3High, root);
    if (context < 0) {
      this.flush();
      context = this.contexts.of(key, cr3Low, cr3High, root);
    }
    this.current = context;
    return context;
  }

  /** Where code runs: links are for the selected context, a mode, and base and limit of CS where these count. */
  selectPlace(mode: number, codeBase: number, codeLimit: number): void {
    let place = this.places.of(this.current, mode, codeBase, codeLimit);
    if (place < 0) {
      this.places.keepOnly(this.place);
      this.unlink();
      place = this.places.of(this.current, mode, codeBase, codeLimit);
    }
    this.place = place;
  }

  /** Links between blocks are valid while this number is the same: it changes with the place and with every flush. */
  epoch(): number {
    return (this.generation << 8) | this.place;
  }

  /** Invalidates links between blocks in every place. */
  unlink(): void {
    this.generation++;
    if (this.generation < LAST_GENERATION) return;
    this.generation = 1;
    this.onWrap();
  }

  /** Drops everything; the current context and place stay known, as number 0. */
  flush(): void {
    this.dropReads();
    this.dropWrites();
    this.contexts.keepOnly(this.current);
    this.current = 0;
    this.places.keepOnly(this.place, 0);
    this.place = 0;
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
