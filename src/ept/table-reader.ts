import type { EntrySource, Page } from '../core';

const SLOTS = 64;

/**
 * Reads table entries from memory and remembers where the pages of the last tables are, so that a walk does not search the trie. Whoever
 * replaces a page (copies it before a write) calls `forget`.
 */
export class TableReader implements EntrySource {
  low = 0;
  high = 0;
  private readonly frames = new Float64Array(SLOTS).fill(-1);
  private readonly pages: Int32Array[] = [];

  constructor(private readonly pageOf: (frame: number) => Page) {
    for (let slot = 0; slot < SLOTS; slot++) this.pages.push(new Int32Array(0));
  }

  read(address: number, _level: number): boolean {
    const offset = address & 4095;
    const frame = (address - offset) / 4096;
    const slot = frame & (SLOTS - 1);
    if (this.frames[slot] !== frame) this.fill(slot, frame);
    const words = this.pages[slot];
    this.low = words[offset >> 2];
    this.high = words[(offset >> 2) + 1];
    return true;
  }

  /** Every page is looked up anew. */
  forget(): void {
    this.frames.fill(-1);
  }

  private fill(slot: number, frame: number): void {
    this.pages[slot] = this.pageOf(frame).words;
    this.frames[slot] = frame;
  }
}
