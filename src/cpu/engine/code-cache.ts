import { type Block, ONE_PAGE } from './block';
import type { CodeFrames } from './derived-pages';
import type { FastPages } from './fast-pages';

const GRANULE_SHIFT = 6;

/** What was decoded from one physical frame. */
class CodePage {
  readonly blocks = new Map<number, Block>();
  /** Which 64-byte granules hold decoded bytes. */
  readonly granules = new Uint8Array(4096 >> GRANULE_SHIFT);
  /** Frames with blocks that also have bytes of this frame. */
  readonly shared = new Set<number>();
}

/**
 * Decoded blocks by physical frame. A write to decoded bytes drops the frame's blocks, and whatever crosses into or out of it; links die with the epoch.
 */
export class CodeCache implements CodeFrames {
  private readonly pages = new Map<number, CodePage>();

  constructor(
    private readonly fast: FastPages,
    private readonly epochChanged: () => void,
    /** No entry for writing may remain for a frame that holds code, of no processor. */
    private readonly dropWrites: () => void,
  ) {}

  has(frame: number): boolean {
    return this.pages.has(frame);
  }

  hit(frame: number, offset: number, bytes: number): boolean {
    const page = this.pages.get(frame);
    if (page === undefined) return false;
    const last = (offset + bytes - 1) >> GRANULE_SHIFT;
    for (let granule = offset >> GRANULE_SHIFT; granule <= last; granule++)
      if (page.granules[granule] !== 0) return true;
    return false;
  }

  drop(frame: number): void {
    const page = this.pages.get(frame);
    if (page === undefined) return;
    this.pages.delete(frame);
    for (const other of page.shared) this.drop(other);
    this.fast.unlink();
    this.epochChanged();
  }

  /** Forgets all blocks; whoever calls has seen to their links. */
  forget(): void {
    this.pages.clear();
  }

  clear(): void {
    this.pages.clear();
    this.fast.unlink();
    this.epochChanged();
  }

  find(frame: number, key: number): Block | undefined {
    return this.pages.get(frame)?.blocks.get(key);
  }

  /** Keeps a block that begins at a byte offset of `frame`; writes to its bytes, also those on its next frame, will drop it. */
  add(frame: number, key: number, block: Block, offset: number): void {
    const { length } = block;
    const page = this.page(frame);
    page.blocks.set(key, block);
    const end = Math.min(4096, offset + length);
    for (let at = offset >> GRANULE_SHIFT; at <= (end - 1) >> GRANULE_SHIFT; at++) page.granules[at] = 1;
    const next = block.nextFrame;
    if (next === ONE_PAGE) return;
    const second = this.page(next);
    for (let at = 0; at <= (offset + length - 4097) >> GRANULE_SHIFT; at++) second.granules[at] = 1;
    page.shared.add(next);
    second.shared.add(frame);
  }

  private page(frame: number): CodePage {
    let page = this.pages.get(frame);
    if (page === undefined) {
      page = new CodePage();
      this.pages.set(frame, page);
      this.dropWrites();
    }
    return page;
  }
}
