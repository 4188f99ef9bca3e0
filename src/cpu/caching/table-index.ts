import type { CachedEntry, Mapping, MappingTag, TranslationCaches } from './mapping';
import { EMPTY_CACHES } from './mapping';
import { slotOf } from './remembered';

/** Where a table stands in the walks that are remembered. */
interface TablePlace {
  readonly table: 'guest' | 'ept';
  /** Bytes of its entries. */
  readonly bytes: 4 | 8;
  /** Address bits below those that select an entry of it. */
  readonly shift: number;
  /** The address bits above them. */
  readonly number: number;
}

/** An address whose walk goes through an entry; guest-physical for a table of EPT. */
export interface AddressThrough {
  readonly table: 'guest' | 'ept';
  readonly address: number;
  /** Its halves. */
  readonly low: number;
  readonly high: number;
}

const PAGE = 4096;
/** Address bits that select an entry: 9 in a table of 512 entries, 10 in one of 1024. */
const indexBits = (bytes: 4 | 8): number => (bytes === 8 ? 9 : 10);

const placeOf = ({ table, level, bytes }: CachedEntry, { number, shift }: Mapping): TablePlace => {
  const bits = 12 + (level - 1) * indexBits(bytes);
  return { table, bytes, shift: bits, number: Math.floor(number * 2 ** (shift - bits - indexBits(bytes))) };
};

/** In an order that does not depend on how they came about. */
const inOrder = (a: TablePlace, b: TablePlace): number =>
  a.table === b.table
    ? a.bytes - b.bytes || a.shift - b.shift || a.number - b.number
    : a.table < b.table
      ? -1
      : 1;

/** Things counted; those that nothing counts any more are gone. */
class Counts<Key> {
  private readonly counts = new Map<Key, number>();

  has(key: Key): boolean {
    return this.counts.has(key);
  }

  /** Whether it is new, or gone. */
  change(key: Key, by: 1 | -1): boolean {
    const count = (this.counts.get(key) ?? 0) + by;
    if (count === 0) this.counts.delete(key);
    else this.counts.set(key, count);
    return count === (by === 1 ? 1 : 0);
  }
}

/** What mappings came from: derived from the mappings, and changed as they change. */
export class TableIndex {
  private indexed = EMPTY_CACHES;
  private readonly slots = new Counts<number>();
  private readonly frames = new Counts<number>();
  private readonly places = new Map<number, Map<string, { readonly place: TablePlace; count: number }>>();
  /** How many mappings there are. */
  mappings = 0;

  /** `withPlaces`: `addressesThrough` is asked for. */
  constructor(private readonly withPlaces: boolean) {}

  hasTable(frame: number): boolean {
    return this.frames.has(frame);
  }

  /** Whether bytes of memory are part of an entry that something is remembered from. */
  hasEntry(address: number, bytes: number): boolean {
    const last = slotOf(address + bytes - 1);
    for (let slot = slotOf(address); slot <= last; slot++) if (this.slots.has(slot)) return true;
    return false;
  }

  /** Takes over other mappings; `newTable`: a table came that nothing was remembered from; `gone`: entries that nothing is remembered from any more, by address divided by 8. */
  follow(caches: TranslationCaches): { readonly newTable: boolean; readonly gone: readonly number[] } {
    if (caches === this.indexed) return NOTHING_NEW;
    const changes = this.indexed.changesTo(caches);
    this.indexed = caches;
    let newTable = false;
    for (const { tag, come } of changes)
      for (const mapping of come) newTable = this.count(tag, mapping, 1, undefined) || newTable;
    const gone: number[] = [];
    for (const { tag, gone: mappings } of changes)
      for (const mapping of mappings) this.count(tag, mapping, -1, gone);
    return { newTable, gone };
  }

  private count(tag: MappingTag, mapping: Mapping, by: 1 | -1, gone: number[] | undefined): boolean {
    let newTable = false;
    this.mappings += by;
    for (const entry of mapping.from) {
      const slot = slotOf(entry.address);
      if (this.slots.change(slot, by)) gone?.push(slot);
      const frame = Math.floor(entry.address / PAGE);
      if (this.frames.change(frame, by)) newTable = true;
      // Tables of EPT that a combined mapping came from are found by guest-physical ones.
      const own = tag.kind === 'guest-physical' ? 'ept' : 'guest';
      if (this.withPlaces && entry.table === own) this.countPlace(frame, placeOf(entry, mapping), by);
    }
    return newTable;
  }

  private countPlace(frame: number, place: TablePlace, by: 1 | -1): void {
    const key = Object.values(place).join(' ');
    let places = this.places.get(frame);
    if (places === undefined) {
      places = new Map();
      this.places.set(frame, places);
    }
    const counted = places.get(key) ?? { place, count: 0 };
    counted.count += by;
    if (counted.count > 0) places.set(key, counted);
    else places.delete(key);
    if (places.size === 0) this.places.delete(frame);
  }

  /** The addresses whose walks go through entries that begin in 8 bytes of memory. */
  addressesThrough(address: number): readonly AddressThrough[] {
    const places = [...(this.places.get(Math.floor(address / PAGE))?.values() ?? [])]
      .map(({ place }) => place)
      .sort(inOrder);
    return places.flatMap(({ table, bytes, shift, number }) =>
      (bytes === 8 ? [0] : [0, 4]).map((offset) => {
        const index = ((address % PAGE) + offset) / bytes;
        const through = (number * 2 ** indexBits(bytes) + index) * 2 ** shift;
        const high = Math.floor(through / 2 ** 32) | 0;
        return { table, address: through, low: (through % 2 ** 32) | 0, high };
      }),
    );
  }
}

const NOTHING_NEW = Object.freeze({ newTable: false, gone: Object.freeze([] as number[]) });
