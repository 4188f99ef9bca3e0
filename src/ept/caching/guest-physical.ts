import {
  ENTRY,
  entryAddress,
  frameOfEntry,
  leafFrame,
  type MappingShift,
  numberAt,
  type PagingFormat,
  shiftAt,
} from '../../core';
import {
  type CachedAccess,
  type CachedEntry,
  type GuestPhysicalTag,
  guestPhysicalTag,
  type Mapping,
  NO_TABLE,
  type SecondStage,
  type StageWay,
  type TableMemory,
  type TranslationCaches,
  type WalkPath,
} from '../../cpu/caching';
import { EPT_ENTRY, EPT_RIGHTS } from '../entry';
import { highHalf, lowHalf } from '../nested-walk';
import { eptAllows, eptFetchRight } from '../violation';

const { accessed: ACCESSED, dirty: DIRTY } = EPT_ENTRY;
const FLAGS_TO_SET = ' ept';
const TYPE_SHIFT = 3;
const TYPE_BITS = 15;
const NOTHING: readonly never[] = Object.freeze([]);

/** EPT as a processor uses it: `EptWalk` is one. */
export interface EptInUse {
  readonly format: PagingFormat;
  /** Byte address of the top table: bits 51:12 of the EPTP. */
  readonly root: number;
  /** Bit 6 of the EPTP. */
  readonly accessedDirty: boolean;
  /** Mode-based execute control is on. */
  readonly modeBased: boolean;
}

const NO_WAY = { frame: 0, shift: 12, dirty: false, memoryType: 0, unset: '', updates: NOTHING } as const;
/** Of a path that begins. */
const UNCHANGED = { unset: '', updates: NOTHING, fills: NOTHING } as const;

/** The ways to translate one guest-physical address. */
class GuestPhysicalWays {
  private readonly low: number;
  private readonly high: number;

  constructor(
    private readonly ept: EptInUse,
    private readonly tag: GuestPhysicalTag,
    private readonly caches: TranslationCaches,
    private readonly memory: TableMemory,
    private readonly address: number,
    private readonly write: boolean,
  ) {
    this.low = lowHalf(address);
    this.high = highHalf(address);
  }

  *all(): Generator<StageWay> {
    const { format, root } = this.ept;
    const space = this.caches.space(this.tag.key);
    if (format.levels === 4 && this.high >>> 16 !== 0) {
      yield {
        ...NO_WAY,
        end: 'absent',
        rights: 0,
        accessed: false,
        from: NOTHING,
        used: NOTHING,
        fills: NOTHING,
      };
      return;
    }
    if (space !== undefined) {
      for (const page of space.covering('page', this.low, this.high))
        if (page.dirty || !this.write || (page.eptRights & EPT_RIGHTS.write) === 0)
          yield this.ofPage(page, { ...UNCHANGED, from: page.from, used: [page] });
      for (const table of [...space.covering('table', this.low, this.high)]) {
        const { shift, frame, eptRights: rights, from } = table;
        const start = { ...UNCHANGED, rights, accessed: true, from, used: [table] };
        yield this.walk(this.levelBelow(shift), frame, start);
      }
    }
    const start = { ...UNCHANGED, rights: format.allRights, accessed: true, from: NOTHING, used: NOTHING };
    yield this.walk(format.levels, root / 4096, start);
  }

  private levelBelow(shift: MappingShift): number {
    let level = 1;
    while (shiftAt(this.ept.format, level + 1) !== shift) level++;
    return level;
  }

  private ofPage(
    { frame, shift, eptRights: rights, dirty, memoryType }: Mapping,
    path: Pick<WalkPath, 'from' | 'used' | 'fills' | 'unset' | 'updates'>,
  ): StageWay {
    const offset = numberAt(this.low, this.high, 12) % 2 ** (shift - 12);
    return {
      end: 'mapped',
      frame: frame + offset,
      shift,
      rights,
      dirty,
      accessed: true,
      memoryType,
      ...path,
    };
  }

  /** Down the tables as memory has them. SDM Vol. 3C, 29.3.2 EPT Translation Mechanism */
  private walk(first: number, top: number, start: WalkPath): StageWay {
    const { format, accessedDirty } = this.ept;
    const { memory, low: addressLow, high: addressHigh } = this;
    let table = top;
    let path = start;
    for (let level = first; ; level--) {
      const address = entryAddress(format, table * 4096, addressLow, addressHigh, level);
      memory.read(address, 8);
      const { low, high } = memory;
      const entry: CachedEntry = Object.freeze({ table: 'ept', level, address, low, high, bytes: 8 });
      const kind = format.classify(low, high, level);
      const wanted = accessedDirty ? ACCESSED | (kind === ENTRY.leaf && this.write ? DIRTY : 0) : 0;
      const bits = wanted & ~low;
      path = {
        ...path,
        unset: bits === 0 ? path.unset : FLAGS_TO_SET,
        updates:
          bits === 0 ? path.updates : [...path.updates, { table: 'ept', address, bits, gpa: this.address }],
        rights: format.restrict(path.rights, low, high),
        accessed: path.accessed && (!accessedDirty || (low & ACCESSED) !== 0),
        from: [...path.from, entry],
      };
      if (kind === ENTRY.absent) return { ...NO_WAY, ...path, end: 'absent', rights: 0 };
      if (kind === ENTRY.reserved) return { ...NO_WAY, ...path, end: 'misconfiguration' };
      const shift = shiftAt(format, level) as MappingShift;
      const leaf = kind === ENTRY.leaf;
      const frame = leaf ? leafFrame(format, low, high, level, addressLow) : frameOfEntry(low, high);
      const offset = leaf ? numberAt(addressLow, addressHigh, 12) % 2 ** (shift - 12) : 0;
      const mapping: Mapping = {
        kind: leaf ? 'page' : 'table',
        shift,
        number: numberAt(addressLow, addressHigh, shift),
        pageShift: shift,
        frame: frame - offset,
        guestFrame: frame - offset,
        entryBytes: 8,
        rights: 0,
        eptRights: path.rights,
        dirty: !leaf || !accessedDirty || (low & DIRTY) !== 0,
        memoryType: leaf ? (low >> TYPE_SHIFT) & TYPE_BITS : 0,
        protectionKey: 0,
        from: path.from,
        root: NO_TABLE,
        flagged: accessedDirty && path.used.every((one) => one.flagged),
        since: 0,
        used: 0,
      };
      if (path.accessed) path = { ...path, fills: [...path.fills, { tag: this.tag, mapping }] };
      if (leaf) return { ...this.ofPage(mapping, path), accessed: path.accessed };
      table = frame;
    }
  }
}

/** EPT as the second stage of translation, with what is remembered of it; it follows what `ept` says. SDM Vol. 3C, 29.4.1 Information That May Be Cached */
export class EptStage implements SecondStage {
  private tag: GuestPhysicalTag;

  constructor(private readonly ept: EptInUse) {
    this.tag = guestPhysicalTag(ept.root);
  }

  get ep4ta(): number {
    return this.ept.root;
  }
  get accessedDirty(): boolean {
    return this.ept.accessedDirty;
  }

  ways(
    caches: TranslationCaches,
    memory: TableMemory,
    address: number,
    { write }: CachedAccess,
    pagingStructure: boolean,
  ): Iterable<StageWay> {
    const { ept } = this;
    if (this.tag.ep4ta !== ept.root) this.tag = guestPhysicalTag(ept.root);
    // With accessed and dirty flags, accesses to the guest's paging structures count as writes.
    const writes = pagingStructure ? ept.accessedDirty : write;
    return new GuestPhysicalWays(ept, this.tag, caches, memory, address, writes).all();
  }

  allows(rights: number, { write, fetch }: CachedAccess, linearRights: number | undefined): boolean {
    const { accessedDirty, modeBased } = this.ept;
    if (linearRights === undefined)
      return eptAllows(rights, { read: true, write: accessedDirty, fetch: false });
    if (fetch) return (rights & eptFetchRight(modeBased, linearRights)) !== 0;
    return (rights & (write ? EPT_RIGHTS.write : EPT_RIGHTS.read)) !== 0;
  }
}
