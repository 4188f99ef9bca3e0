import type { PhysicalRange } from './plan';

const PAGE = 4096;
/** Above the real-mode vectors and the page that start-up code of other processors uses, below the video memory. */
const LOW_FIRST = 0x9000;
const LOW_END = 0xa_0000;
const HIGH_FIRST = 0x10_0000;
/** The interrupt controllers' pages begin here. */
export const DEVICE_FIRST = 0xfec0_0000;

export const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

const overlaps = (a: PhysicalRange, b: PhysicalRange): boolean =>
  a.length > 0 && b.length > 0 && a.address < b.address + b.length && b.address < a.address + a.length;

/** Physical memory in use while a plan is made; the only mutable thing in a load, and it never leaves it. */
export class Placement {
  /** Disjoint, in address order. */
  private readonly taken: PhysicalRange[] = [];

  constructor(readonly memoryBytes: number) {}

  /** Takes a range that conflicts with none. */
  take(range: PhysicalRange): void {
    if (range.length > 0) this.taken.splice(this.firstEndingAfter(range.address), 0, range);
  }

  /** The first range taken that overlaps this one. */
  conflict(range: PhysicalRange): PhysicalRange | undefined {
    const other = this.taken[this.firstEndingAfter(range.address)];
    return other !== undefined && overlaps(range, other) ? other : undefined;
  }

  /** End of the highest range taken. */
  top(): number {
    const last = this.taken.at(-1);
    return last === undefined ? 0 : last.address + last.length;
  }

  private firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.taken.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { address: start, length } = this.taken[middle];
      if (start + length > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /**
   * Takes `length` free bytes: below 640 KiB when they fit there, else from 1 MiB, else anywhere above page 0. Gives the address,
   * `undefined` when nothing below `limit` fits.
   */
  allocate(length: number, alignment = PAGE, limit = DEVICE_FIRST): number | undefined {
    const end = Math.min(this.memoryBytes, limit);
    const address =
      this.search(length, alignment, LOW_FIRST, Math.min(end, LOW_END)) ??
      this.search(length, alignment, HIGH_FIRST, end) ??
      this.search(length, alignment, PAGE, end);
    if (address !== undefined) this.take({ address, length });
    return address;
  }

  /** Takes `length` free bytes at or above an address, as low as possible. */
  allocateAbove(first: number, length: number, alignment = PAGE, limit = DEVICE_FIRST): number | undefined {
    const address = this.search(length, alignment, first, Math.min(this.memoryBytes, limit));
    if (address !== undefined) this.take({ address, length });
    return address;
  }

  private search(length: number, alignment: number, first: number, end: number): number | undefined {
    let address = alignUp(first, alignment);
    while (address + length <= end) {
      const other = this.conflict({ address, length: Math.max(length, 1) });
      if (other === undefined) return address;
      address = alignUp(other.address + other.length, alignment);
    }
    return undefined;
  }
}
