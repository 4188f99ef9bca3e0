import {
  ENTRY,
  entryAddress,
  frameOfEntry,
  leafFrame,
  type MappingShift,
  ModelError,
  numberAt,
  type PagingFormat,
  shiftAt,
} from '../../core';
import { protectionKey } from '../page-fault';
import { PTE } from '../paging-format';
import { NO_ROOT, type PagingMode } from '../paging-mode';
import { CR4, SLOT } from '../slots';
import {
  type CachedEntry,
  combinedTag,
  linearTag,
  type Mapping,
  type MappingTag,
  NO_TABLE,
  type Origin,
} from './mapping';
import { denial, FAULT_FREE, ofEpt, pageFault, pagingDenial, stageFault } from './refusal';
import { joined, NOTHING, originOf, START } from './walk-path';
import type { CachedAccess, StageWay, WalkPath, Way, WaySetup } from './way';

/** A walk on its way to a table. */
interface Place {
  readonly level: number;
  /** Frame of the table, host-physical. */
  readonly table: number;
  readonly path: WalkPath;
}

/** A leaf of the tables that the linear address selects. */
interface Leaf {
  readonly frame: number;
  readonly shift: number;
  readonly dirty: boolean;
  readonly global: boolean;
  readonly memoryType: number;
  readonly protectionKey: number;
}

/** Without paging, linear addresses are guest-physical. */
const unpaged = (low: number): Leaf => ({
  frame: low >>> 12,
  shift: 12,
  dirty: true,
  global: false,
  memoryType: 0,
  protectionKey: 0,
});
const READ: CachedAccess = { write: false, fetch: false };
const TYPE_BITS = PTE.pwt | PTE.pcd;

/** The ways to translate one linear address. */
class Ways {
  private readonly origin: Origin;
  private readonly own: MappingTag;
  private readonly global: MappingTag;
  /** Places from where the walk has gone on already. */
  private readonly seen = new Set<string>();

  constructor(
    private readonly setup: WaySetup,
    private readonly low: number,
    private readonly high: number,
  ) {
    const { vpid, pcid, stage } = setup;
    this.origin = originOf(setup, low);
    this.own = stage === undefined ? linearTag(vpid, pcid) : combinedTag(vpid, pcid, stage.ep4ta);
    this.global = stage === undefined ? linearTag(vpid, 'global') : combinedTag(vpid, 'global', stage.ep4ta);
  }

  *all(): Generator<Way> {
    const { mode, stage, caches } = this.setup;
    if (mode === undefined && stage === undefined) {
      yield { ...FAULT_FREE, frame: this.low >>> 12, from: NOTHING, used: NOTHING };
      return;
    }
    yield* this.remembered();
    if (mode === undefined) {
      yield* this.final(unpaged(this.low), START);
      return;
    }
    const tables = [...(caches.space(this.own.key)?.covering('table', this.low, this.high) ?? NOTHING)];
    for (const table of tables)
      if (table.entryBytes === mode.format.entryBytes) yield* this.from(this.placeOf(table, mode.format));
    yield* this.fromRoot(mode);
  }

  /** By translations that are remembered. SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs */
  private *remembered(): Generator<Way> {
    const { caches, access } = this.setup;
    for (const { key } of [this.own, this.global])
      for (const page of caches.space(key)?.covering('page', this.low, this.high) ?? NOTHING) {
        const way = this.ofPage(page, { ...START, from: page.from, used: [page] });
        // A write that is allowed walks to set the dirty flag.
        if (way.fault !== undefined || page.dirty || !access.write) yield way;
      }
  }

  /** An entry of a paging-structure cache stands for those above it too. SDM Vol. 3A, 4.10.3.1 Caches for Paging Structures */
  private placeOf(table: Mapping, format: PagingFormat): Place {
    const { rights, from } = table;
    let level = 1;
    while (shiftAt(format, level + 1) !== table.shift) level++;
    return { level, table: table.frame, path: { ...START, rights, from, used: [table] } };
  }

  private *fromRoot(mode: PagingMode): Generator<Way> {
    const root = mode.root(this.setup.W, this.low);
    if (root === NO_ROOT) yield pageFault(this.setup, false, false, START);
    else yield* this.toTable(root / 4096, mode.format.levels, START);
  }

  /** To a table whose frame the guest names. */
  private *toTable(frame: number, level: number, path: WalkPath): Generator<Way> {
    const { stage, caches, memory, mode } = this.setup;
    if (stage === undefined) {
      yield* this.from({ level, table: frame, path });
      return;
    }
    const gpa = entryAddress(mode!.format, frame * 4096, this.low, this.high, level);
    for (const way of stage.ways(caches, memory, gpa, READ, true)) {
      const next = joined(path, way);
      if (way.end === 'mapped' && stage.allows(way.rights, READ, undefined))
        yield* this.from({ level, table: way.frame, path: this.tableFill(next, way, level) });
      else yield stageFault(way, gpa, next, ofEpt(path.updates), true);
    }
  }

  /** Walks that come to the same table with the same rights have the same end; one that used memory alone is told apart. */
  private isNew(...parts: readonly (number | string | boolean)[]): boolean {
    const key = parts.join(' ');
    if (this.seen.has(key)) return false;
    this.seen.add(key);
    return true;
  }

  private *from({ level, table, path }: Place): Generator<Way> {
    const known = path.used.length > 0;
    if (!this.isNew('at', level, table, path.rights, path.unset, known)) return;
    const { memory, mode } = this.setup;
    const { format } = mode!;
    const bytes = format.entryBytes;
    const address = entryAddress(format, table * 4096, this.low, this.high, level);
    memory.read(address, bytes);
    const { low } = memory;
    const high = bytes === 8 ? memory.high : 0;
    const kind = format.classify(low, high, level);
    const entry: CachedEntry = Object.freeze({ table: 'guest', level, address, low, high, bytes });
    const wanted = PTE.accessed | (kind === ENTRY.leaf && this.setup.access.write ? PTE.dirty : 0);
    const bits = wanted & ~low;
    const next: WalkPath = {
      ...path,
      unset: bits === 0 ? path.unset : `${path.unset} ${address}`,
      updates:
        bits === 0 ? path.updates : [...path.updates, { table: 'guest', address, bits, gpa: undefined }],
      rights: format.restrict(path.rights, low, high),
      accessed: path.accessed && (low & PTE.accessed) !== 0,
      from: [...path.from, entry],
    };
    if (kind === ENTRY.absent || kind === ENTRY.reserved)
      yield pageFault(this.setup, kind !== ENTRY.absent, kind === ENTRY.reserved, next);
    else if (kind === ENTRY.leaf) yield* this.final(this.leafOf(format, low, high, level), next);
    else {
      const frame = frameOfEntry(low, high);
      const known = this.setup.stage === undefined ? this.learned(next, frame, level) : next;
      yield* this.toTable(frame, level - 1, known);
    }
  }

  /** What comes by way of something remembered is of its origin. */
  private madeBy(used: readonly Mapping[]): Origin {
    let { root, flagged } = this.origin;
    for (const mapping of used) {
      if (mapping.root !== NO_TABLE) root = mapping.root;
      flagged &&= mapping.flagged;
    }
    return { root, flagged };
  }

  /** With an entry of a paging-structure cache for the entry just read, where it may be remembered. */
  private learned(path: WalkPath, frame: number, level: number): WalkPath {
    const { format } = this.setup.mode!;
    const shift = shiftAt(format, level) as MappingShift;
    if (!path.accessed) return path;
    const mapping: Mapping = {
      kind: 'table',
      shift,
      number: numberAt(this.low, this.high, shift),
      pageShift: shift,
      frame,
      guestFrame: frame,
      entryBytes: format.entryBytes,
      rights: path.rights,
      eptRights: 0,
      dirty: true,
      memoryType: 0,
      protectionKey: 0,
      from: path.from,
      ...this.madeBy(path.used),
      since: 0,
      used: 0,
    };
    return { ...path, fills: [...path.fills, { tag: this.own, mapping }] };
  }

  /** Under EPT an entry is known by where the next table is in host memory: known when that was translated. */
  private tableFill(path: WalkPath, way: StageWay, level: number): WalkPath {
    const { format } = this.setup.mode!;
    // Where accesses to tables count as writes, who uses the entry no longer sees that the table's page is to become dirty.
    return level === format.levels || !way.dirty ? path : this.learned(path, way.frame, level + 1);
  }

  private leafOf(format: PagingFormat, low: number, high: number, level: number): Leaf {
    const { W, mode } = this.setup;
    const pat = level === 1 ? low & PTE.pat : (low & PTE.largePat) >> 5;
    return {
      frame: leafFrame(format, low, high, level, this.low),
      shift: shiftAt(format, level),
      dirty: (low & PTE.dirty) !== 0,
      global: (low & PTE.global) !== 0 && (W[2 * SLOT.cr4] & CR4.pge) !== 0,
      memoryType: (low & TYPE_BITS) | pat,
      protectionKey: mode!.keys ? protectionKey(high) : 0,
    };
  }

  /** The final address: through EPT where it is on. */
  private *final(leaf: Leaf, path: WalkPath): Generator<Way> {
    const { stage, caches, memory, access } = this.setup;
    if (stage === undefined) {
      yield this.known(leaf, path, leaf.frame, leaf.shift as MappingShift, 0, leaf.dirty, leaf.memoryType);
      return;
    }
    const refused = pagingDenial(this.setup, path.rights, leaf.protectionKey);
    if (refused !== undefined) {
      yield {
        ...FAULT_FREE,
        fault: refused,
        spurious: path.used.length > 0,
        updates: ofEpt(path.updates),
        from: path.from,
        used: path.used,
      };
      return;
    }
    const gpa = leaf.frame * 4096 + (this.low & 4095);
    for (const way of stage.ways(caches, memory, gpa, access, false)) {
      const next = joined(path, way);
      const { frame, rights, memoryType } = way;
      const known = next.used.length > 0;
      const to = ['to', leaf.frame, leaf.shift, path.rights, leaf.memoryType, next.unset, known] as const;
      if (!this.isNew(...to, way.end, frame, rights, memoryType)) continue;
      if (way.end !== 'mapped') yield stageFault(way, gpa, next, path.updates, false);
      else {
        const shift = Math.min(way.shift, leaf.shift) as MappingShift;
        const type = leaf.memoryType | (way.memoryType << 8);
        const found = this.known(leaf, next, way.frame, shift, way.rights, leaf.dirty && way.dirty, type);
        yield found.fault === undefined ? found : { ...found, updates: path.updates };
      }
    }
  }

  /** A page that was walked to. */
  private known(
    leaf: Leaf,
    path: WalkPath,
    frame: number,
    shift: MappingShift,
    eptRights: number,
    dirty: boolean,
    memoryType: number,
  ): Way {
    const number = numberAt(this.low, this.high, shift);
    const offset = numberAt(this.low, this.high, 12) % 2 ** (shift - 12);
    const page: Mapping = {
      kind: 'page',
      shift,
      number,
      pageShift: Math.max(shift, leaf.shift) as MappingShift,
      frame: frame - offset,
      guestFrame: leaf.frame - offset,
      entryBytes: 8,
      rights: path.rights,
      eptRights,
      dirty,
      memoryType,
      protectionKey: leaf.protectionKey,
      from: path.from,
      ...this.madeBy(path.used),
      since: 0,
      used: 0,
    };
    const tag = leaf.global ? this.global : this.own;
    const fills = path.accessed ? [...path.fills, { tag, mapping: page }] : path.fills;
    return this.ofPage(page, { ...path, fills });
  }

  private ofPage(page: Mapping, { updates, from, used, fills }: WalkPath): Way {
    const fault = denial(this.setup, this.low, this.high, page);
    if (fault !== undefined)
      return { ...FAULT_FREE, fault, spurious: used.length > 0, page, from, used, fills };
    const offset = numberAt(this.low, this.high, 12) % 2 ** (page.shift - 12);
    return { ...FAULT_FREE, frame: page.frame + offset, page, updates, from, used, fills };
  }
}

/**
 * Every way in which a processor may translate a linear address: by pages that it remembers (smallest first), by the tables that it remembers, and from
 * the root. Entries of tables come from memory as it is. SDM Vol. 3A, 4.10.3.2 Using the Paging-Structure Caches to Translate Linear Addresses
 */
export const waysOf = (setup: WaySetup, low: number, high: number): Iterable<Way> =>
  new Ways(setup, low, high).all();

/** The way that a processor takes which keeps what it may: by what it remembers, but it walks anew before it faults on rights that it remembers. */
export const preferredWay = (setup: WaySetup, low: number, high: number): Way => {
  for (const way of waysOf(setup, low, high)) if (!way.spurious) return way;
  throw new ModelError('a walk from the root ended nowhere');
};
