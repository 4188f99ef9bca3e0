/**
 * Physical memory as a persistent 64-way radix trie of 4-KiB pages. A published root never changes; a draft writes pages that it
 * owns in place and copies shared ones first. An absent page reads as zero.
 */

export const PAGE_BYTES = 4096;
const FAN_BITS = 6;
const FAN = 1 << FAN_BITS;
const TOP_SHIFT = 24;
/** Frames of 4 KiB that the trie can hold: 2^30, that is 4 TiB. */
export const FRAME_LIMIT = 2 ** (TOP_SHIFT + FAN_BITS);

/** `bytes` bytes of physical memory from address `base` on. */
export interface MemoryRange {
  readonly base: number;
  readonly bytes: number;
}

/** Who may write a node or page in place. A fresh token is made at each publication. */
interface Owner {
  readonly token: 'owner';
}

/** Two views of the same 4096 bytes. */
export interface Page {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly owner: Owner | null;
}

class TrieNode {
  constructor(
    readonly owner: Owner | null,
    readonly children: (TrieNode | Page | undefined)[],
  ) {}
}

const SLAB_BYTES = 65536;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsed = 0;

// Pages are carved from slabs: one ArrayBuffer a page would cost more than the copy itself.
const newPage = (owner: Owner | null, from: Page | undefined): Page => {
  if (slabUsed === SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsed = 0;
  }
  const words = new Int32Array(slab, slabUsed, PAGE_BYTES / 4);
  const bytes = new Uint8Array(slab, slabUsed, PAGE_BYTES);
  slabUsed += PAGE_BYTES;
  if (from !== undefined) words.set(from.words);
  return { words, bytes, owner };
};

const ZERO_PAGE: Page = newPage(null, undefined);

const emptyNode = (owner: Owner | null): TrieNode => new TrieNode(owner, new Array(FAN).fill(undefined));

const find = (root: TrieNode, frame: number): Page | undefined => {
  let node = root;
  for (let shift = TOP_SHIFT; shift > 0; shift -= FAN_BITS) {
    const child = node.children[(frame >>> shift) & (FAN - 1)];
    if (child === undefined) return undefined;
    node = child as TrieNode;
  }
  return node.children[frame & (FAN - 1)] as Page | undefined;
};

/** Immutable contents of physical memory; an opaque value inside the published state. */
export class MemoryRoot {
  /** @internal */
  constructor(readonly trie: TrieNode) {
    Object.freeze(this);
  }

  /** The page at a frame number; the shared zero page where nothing was written, and beyond what the trie can hold. Never write to it. */
  page(frame: number): Page {
    return frame < FRAME_LIMIT ? (find(this.trie, frame) ?? ZERO_PAGE) : ZERO_PAGE;
  }

  /** `length` bytes from a physical address on. */
  read(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const offset = (address + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - offset, length - done);
      out.set(
        this.page(Math.floor((address + done) / PAGE_BYTES)).bytes.subarray(offset, offset + count),
        done,
      );
      done += count;
    }
    return out;
  }

  /** A new root in which `bytes` stand at a physical address. */
  write(address: number, bytes: Uint8Array): MemoryRoot {
    const draft = new MemoryDraft(this);
    draft.write(address, bytes);
    return draft.publish();
  }
}

export const EMPTY_MEMORY: MemoryRoot = new MemoryRoot(emptyNode(null));

/** Memory under change: belongs to one running engine. */
export class MemoryDraft {
  private root: TrieNode;
  private owner: Owner = { token: 'owner' };

  /** `base` is what was published last. */
  constructor(private base: MemoryRoot) {
    this.root = base.trie;
  }

  /** Whether something may have been written since the last publication. */
  get isWritten(): boolean {
    return this.root.owner === this.owner;
  }

  /** The page for reading; the shared zero page where nothing was written. */
  page(frame: number): Page {
    return find(this.root, frame) ?? ZERO_PAGE;
  }

  /** Whether a page may be written in place. */
  owns(page: Page): boolean {
    return page.owner === this.owner;
  }

  /** The page for writing: copied first when it is shared. */
  ownedPage(frame: number): Page {
    const owner = this.owner;
    let node = this.root;
    if (node.owner !== owner) this.root = node = new TrieNode(owner, node.children.slice());
    for (let shift = TOP_SHIFT; shift > 0; shift -= FAN_BITS) {
      const index = (frame >>> shift) & (FAN - 1);
      let child = node.children[index] as TrieNode | undefined;
      if (child === undefined) node.children[index] = child = emptyNode(owner);
      else if (child.owner !== owner)
        node.children[index] = child = new TrieNode(owner, child.children.slice());
      node = child;
    }
    const index = frame & (FAN - 1);
    let page = node.children[index] as Page | undefined;
    if (page === undefined || page.owner !== owner) node.children[index] = page = newPage(owner, page);
    return page;
  }

  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const offset = (address + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - offset, bytes.length - done);
      const page = this.ownedPage(Math.floor((address + done) / PAGE_BYTES));
      page.bytes.set(bytes.subarray(done, done + count), offset);
      done += count;
    }
  }

  /** The contents so far as a value, in O(1), the last one when nothing was written; from here on every page is shared and copied before it is written. */
  publish(): MemoryRoot {
    if (this.isWritten) {
      this.base = new MemoryRoot(this.root);
      this.owner = { token: 'owner' };
    }
    return this.base;
  }
}

const samePage = (a: Page, b: Page): boolean => {
  for (let i = 0; i < a.words.length; i++) if (a.words[i] !== b.words[i]) return false;
  return true;
};

/** The frames whose contents differ between two roots, ascending; costs O(pages written since they parted). */
export const differingFrames = (a: MemoryRoot, b: MemoryRoot): readonly number[] => {
  const frames: number[] = [];
  const compare = (
    left: TrieNode | undefined,
    right: TrieNode | undefined,
    shift: number,
    base: number,
  ): void => {
    if (left === right) return;
    for (let index = 0; index < FAN; index++) {
      const leftChild = left?.children[index];
      const rightChild = right?.children[index];
      if (leftChild === rightChild) continue;
      const at = base + index * 2 ** shift;
      if (shift > 0)
        compare(leftChild as TrieNode | undefined, rightChild as TrieNode | undefined, shift - FAN_BITS, at);
      else if (
        !samePage((leftChild as Page | undefined) ?? ZERO_PAGE, (rightChild as Page | undefined) ?? ZERO_PAGE)
      )
        frames.push(at);
    }
  };
  compare(a.trie, b.trie, TOP_SHIFT, 0);
  return frames;
};

/** The frames that hold something other than zeros, ascending. */
export const writtenFrames = (root: MemoryRoot): readonly number[] => differingFrames(EMPTY_MEMORY, root);
