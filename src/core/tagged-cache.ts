import { eachTrieChange, type NumberTrie, trieDelete, trieEntries, trieGet, trieSet } from './number-trie';

/**
 * A store of what a processor remembers of table walks: for each tag the pages that it knows, and the tables that it knows for the upper bits of an address.
 * A value: whoever changes it gets a new one that shares what stayed.
 */

/** Sizes of what one mapping covers, as the number of address bits below it: pages of 4 KiB, 2 and 4 MiB and 1 GiB; the rest is for tables alone. */
export const MAPPING_SHIFTS = [12, 21, 22, 30, 39, 48] as const;
/** Address bits below what one mapping covers. */
export type MappingShift = (typeof MAPPING_SHIFTS)[number];

/** What a store needs to know of a mapping. */
export interface StoredMapping {
  /** A page, or the table for an address prefix. */
  readonly kind: 'page' | 'table';
  /** Address bits below those that select it. */
  readonly shift: MappingShift;
  /** The address bits that select it: the address divided by 2^shift. */
  readonly number: number;
  /** Address bits below the page that the tables define, where the mapping is a fraction of it; else `shift`. */
  readonly pageShift: MappingShift;
  /** Addresses of the table entries that it came from. */
  readonly from: readonly { readonly address: number }[];
}

/** Part of an address from bit `shift` on. */
export const numberAt = (low: number, high: number, shift: number): number =>
  shift < 32 ? (high >>> 0) * 2 ** (32 - shift) + (low >>> shift) : high >>> (shift - 32);

type Level<Mapping> = NumberTrie<readonly Mapping[]>;
type Levels<Mapping> = readonly Level<Mapping>[];

const NO_LEVELS: Levels<never> = Object.freeze(MAPPING_SHIFTS.map(() => undefined));
const NONE: readonly never[] = Object.freeze([]);

const fractionsIn = (bucket: readonly StoredMapping[]): number =>
  bucket.filter(({ shift, pageShift }) => shift !== pageShift).length;

const levelOf = (shift: MappingShift): number => MAPPING_SHIFTS.indexOf(shift);

const replaced = <Mapping>(levels: Levels<Mapping>, at: number, level: Level<Mapping>): Levels<Mapping> =>
  levels[at] === level ? levels : Object.freeze(levels.map((one, index) => (index === at ? level : one)));

/** Names a tag: equal texts, equal tags. */
export interface CacheTag {
  readonly key: string;
}

/** The mappings of one tag. */
export class CacheSpace<Tag extends CacheTag, Mapping extends StoredMapping> {
  constructor(
    readonly tag: Tag,
    private readonly pages: Levels<Mapping> = NO_LEVELS,
    private readonly tables: Levels<Mapping> = NO_LEVELS,
    /** How many mappings are fractions of their pages. */
    private readonly fractions = 0,
  ) {
    Object.freeze(this);
  }

  private copy(
    pages: Levels<Mapping>,
    tables: Levels<Mapping>,
    fractions = this.fractions,
  ): CacheSpace<Tag, Mapping> {
    return pages === this.pages && tables === this.tables && fractions === this.fractions
      ? this
      : new CacheSpace(this.tag, pages, tables, fractions);
  }

  private levels(kind: Mapping['kind']): Levels<Mapping> {
    return kind === 'page' ? this.pages : this.tables;
  }

  private withLevels(kind: Mapping['kind'], levels: Levels<Mapping>, fractions?: number) {
    return kind === 'page' ? this.copy(levels, this.tables, fractions) : this.copy(this.pages, levels);
  }

  get isEmpty(): boolean {
    return [...this.pages, ...this.tables].every((level) => level === undefined);
  }

  /** The mappings of one size for an address part, oldest first. */
  at(kind: Mapping['kind'], level: number, number: number): readonly Mapping[] {
    return trieGet(this.levels(kind)[level], number) ?? NONE;
  }

  /** The mappings for the same address part as a given one. */
  beside({ kind, shift, number }: Mapping): readonly Mapping[] {
    return this.at(kind, levelOf(shift), number);
  }

  /** Whether there is any mapping of a size; asked before `at`. */
  has(kind: Mapping['kind'], level: number): boolean {
    return this.levels(kind)[level] !== undefined;
  }

  /** The mappings that cover an address: smallest sizes first, of one size the oldest first. */
  *covering(kind: Mapping['kind'], low: number, high: number): Generator<Mapping> {
    for (const [level, shift] of MAPPING_SHIFTS.entries())
      if (this.has(kind, level)) yield* this.at(kind, level, numberAt(low, high, shift));
  }

  *mappings(): Generator<Mapping> {
    for (const levels of [this.pages, this.tables])
      for (const level of levels) for (const [, bucket] of trieEntries(level)) yield* bucket;
  }

  /** Adds what differs in another state of the space; undefined: it is empty. */
  addChanges(after: CacheSpace<Tag, Mapping> | undefined, to: CacheChange<Tag, Mapping>[]): void {
    const { tag } = this;
    const add = (_: number, old: readonly Mapping[] = NONE, now: readonly Mapping[] = NONE): void => {
      const gone = old.filter((one) => !now.includes(one));
      to.push({ tag, gone, come: now.filter((one) => !old.includes(one)) });
    };
    for (let level = 0; level < MAPPING_SHIFTS.length; level++) {
      eachTrieChange<readonly Mapping[]>(this.pages[level], after?.pages[level], add);
      eachTrieChange<readonly Mapping[]>(this.tables[level], after?.tables[level], add);
    }
  }

  /** With the mappings of one size for an address part changed. */
  private withBucket(
    kind: Mapping['kind'],
    level: number,
    number: number,
    bucket: readonly Mapping[],
  ): CacheSpace<Tag, Mapping> {
    const levels = this.levels(kind);
    const before = this.at(kind, level, number);
    const fractions = this.fractions + fractionsIn(bucket) - fractionsIn(before);
    const trie =
      bucket.length === 0
        ? trieDelete(levels[level], number)
        : trieSet(levels[level], number, Object.freeze(bucket));
    return this.withLevels(kind, replaced(levels, level, trie), fractions);
  }

  /** With a mapping; the first one that `supersedes` tells to be no better gives its place. */
  with(mapping: Mapping, supersedes: (old: Mapping) => boolean): CacheSpace<Tag, Mapping> {
    const level = levelOf(mapping.shift);
    const before = this.at(mapping.kind, level, mapping.number);
    const at = before.findIndex(supersedes);
    const bucket = at < 0 ? [...before, mapping] : before.map((old, index) => (index === at ? mapping : old));
    return this.withBucket(mapping.kind, level, mapping.number, bucket);
  }

  /** Without the mappings that cover an address, and without the other fractions of their pages. */
  withoutPage(low: number, high: number): CacheSpace<Tag, Mapping> {
    if (this.fractions > 0)
      return this.filter(
        (one) =>
          one.kind === 'table' ||
          Math.floor(one.number / 2 ** (one.pageShift - one.shift)) !== numberAt(low, high, one.pageShift),
      );
    return this.withoutTranslation(low, high);
  }

  /** Without the pages that cover an address; other fractions of them stay. */
  withoutTranslation(low: number, high: number): CacheSpace<Tag, Mapping> {
    return this.withoutCovering('page', low, high);
  }

  /** Without the tables that a walk for an address would use. */
  withoutPath(low: number, high: number): CacheSpace<Tag, Mapping> {
    return this.withoutCovering('table', low, high);
  }

  private withoutCovering(kind: Mapping['kind'], low: number, high: number): CacheSpace<Tag, Mapping> {
    let space: CacheSpace<Tag, Mapping> = this;
    for (const [level, shift] of MAPPING_SHIFTS.entries())
      if (this.has(kind, level)) space = space.withBucket(kind, level, numberAt(low, high, shift), []);
    return space;
  }

  /** Without all pages. */
  withoutPages(): CacheSpace<Tag, Mapping> {
    return this.copy(NO_LEVELS, this.tables, 0);
  }

  /** Without all tables. */
  withoutTables(): CacheSpace<Tag, Mapping> {
    return this.copy(this.pages, NO_LEVELS);
  }

  /** With those mappings alone that `keeps` tells. */
  filter(keeps: (mapping: Mapping) => boolean): CacheSpace<Tag, Mapping> {
    let space: CacheSpace<Tag, Mapping> = this;
    for (const mapping of this.mappings()) if (!keeps(mapping)) space = space.without(mapping);
    return space;
  }

  without(mapping: Mapping): CacheSpace<Tag, Mapping> {
    const level = levelOf(mapping.shift);
    const before = this.at(mapping.kind, level, mapping.number);
    return this.withBucket(
      mapping.kind,
      level,
      mapping.number,
      before.filter((one) => one !== mapping),
    );
  }
}

/** The mappings of one address part that went and that came. */
export interface CacheChange<Tag, Mapping> {
  readonly tag: Tag;
  readonly gone: readonly Mapping[];
  readonly come: readonly Mapping[];
}

/** Mappings by tag. */
export class TaggedCache<Tag extends CacheTag, Mapping extends StoredMapping> {
  /** In the order of their keys. */
  constructor(readonly spaces: readonly CacheSpace<Tag, Mapping>[] = NONE) {
    Object.freeze(this);
  }

  /** The mappings of a tag. */
  space(key: string): CacheSpace<Tag, Mapping> | undefined {
    return this.spaces.find(({ tag }) => tag.key === key);
  }

  /** With a mapping under a tag. */
  insert(tag: Tag, mapping: Mapping, supersedes: (old: Mapping) => boolean): TaggedCache<Tag, Mapping> {
    const { spaces } = this;
    const at = spaces.findIndex((space) => space.tag.key >= tag.key);
    const place = at < 0 ? spaces.length : at;
    const found = at >= 0 && spaces[at].tag.key === tag.key;
    const space = found ? spaces[at] : new CacheSpace<Tag, Mapping>(tag);
    return new TaggedCache(
      Object.freeze([
        ...spaces.slice(0, place),
        space.with(mapping, supersedes),
        ...spaces.slice(place + (found ? 1 : 0)),
      ]),
    );
  }

  /** With every space changed as told; those that are empty then go. The same cache when nothing changed. */
  change(
    what: (space: CacheSpace<Tag, Mapping>) => CacheSpace<Tag, Mapping> | undefined,
  ): TaggedCache<Tag, Mapping> {
    const next = this.spaces.map(what);
    if (next.every((space, at) => space === this.spaces[at])) return this;
    return new TaggedCache(
      Object.freeze(next.filter((space) => space !== undefined && !space.isEmpty) as typeof this.spaces),
    );
  }

  /** What differs in another state of the cache; it costs what changed. */
  changesTo(after: TaggedCache<Tag, Mapping>): readonly CacheChange<Tag, Mapping>[] {
    const changes: CacheChange<Tag, Mapping>[] = [];
    for (const space of this.spaces) {
      const now = after.space(space.tag.key);
      if (now !== space) space.addChanges(now, changes);
    }
    for (const space of after.spaces)
      if (this.space(space.tag.key) === undefined)
        new CacheSpace<Tag, Mapping>(space.tag).addChanges(space, changes);
    return changes;
  }

  *mappings(): Generator<readonly [Tag, Mapping]> {
    for (const space of this.spaces) for (const mapping of space.mappings()) yield [space.tag, mapping];
  }
}
