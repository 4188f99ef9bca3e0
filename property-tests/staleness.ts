// A cached answer differs from a fresh walk only between a store and the invalidation that it requires.
import fc from 'fast-check';
import { requiredDrops } from '../spec/caching/required-drops';
import { CR4_PCIDE, FRAMES, G, L, M, N, USED, X } from '../spec/caching/scene';
import { EPT_TABLES } from '../spec/caching/scene-memory';
import { shown, ValueScene } from '../spec/caching/value-scene';
import { invalidations } from '../src/api/arbitraries';
import {
  EMPTY_CACHES,
  type Invalidation,
  type invalidate,
  type MappingShift,
  type MappingTag,
  permittedTranslations,
} from '../src/api/caches';
import { gpa, gva, PAGE_BYTES } from '../src/core';
import { combinedTag, guestPhysicalTag, linearTag } from '../src/cpu/caching';
import { mustBeEqual } from './theorem';

export type Invalidate = typeof invalidate;

const ADDRESSES = [L, M, N, X] as const;
const NAMES = ['A', 'B', 'C'] as const;
const VPIDS = [0, 1, 2] as const;
const PCIDS = [5, 6] as const;
/** The EPT hierarchies in the order in which a scene makes them. */
const EPTPS = [0, 0x10_0000].map((offset) => BigInt(EPT_TABLES.first + offset) | 0x1en);
const EP4TAS = EPTPS.map((eptp) => Number(eptp & ~0xfffn));
const TABLE_SHIFTS = [21, 30, 39] as const;
const LEVEL_2 = 2;

/** Something that may be remembered. */
interface Part {
  readonly tag: MappingTag;
  readonly kind: 'page' | 'table';
  readonly shift: MappingShift;
  readonly pageShift: MappingShift;
  readonly number: number;
}

const part = (tag: MappingTag, kind: Part['kind'], shift: MappingShift, address: number): Part => ({
  tag,
  kind,
  shift,
  pageShift: shift,
  number: Math.floor(address / 2 ** shift),
});
const covers = ({ shift, number }: Part, address: number): boolean =>
  Math.floor(address / 2 ** shift) === number;

const unique = (parts: readonly Part[]): readonly Part[] => [
  ...new Map(parts.map((one) => [`${one.tag.key} ${one.kind} ${one.shift} ${one.number}`, one])).values(),
];

const LINEAR_TAGS = VPIDS.flatMap((vpid) =>
  [...PCIDS, 'global' as const].flatMap((pcid) => [
    linearTag(vpid, pcid),
    ...EP4TAS.map((ep4ta) => combinedTag(vpid, pcid, ep4ta)),
  ]),
);
const partsOf = (tag: MappingTag, addresses: readonly number[], tables: boolean): readonly Part[] =>
  addresses.flatMap((address) => [
    part(tag, 'page', 12, address),
    ...(tables ? TABLE_SHIFTS.map((shift) => part(tag, 'table', shift, address)) : []),
  ]);
/** All that a run may remember of the addresses. */
const PARTS = unique([
  ...LINEAR_TAGS.flatMap((tag) => partsOf(tag, ADDRESSES.map(Number), tag.pcid !== 'global')),
  ...EP4TAS.flatMap((ep4ta) =>
    partsOf(
      guestPhysicalTag(ep4ta),
      NAMES.map((name) => FRAMES[name] * PAGE_BYTES),
      true,
    ),
  ),
]);

/** Where a processor translates. */
interface Space {
  readonly vpid: number;
  readonly pcid: number;
  readonly eptp: bigint | undefined;
}
const SPACES: readonly Space[] = VPIDS.flatMap((vpid) =>
  PCIDS.flatMap((pcid) => [undefined, ...EPTPS].map((eptp) => ({ vpid, pcid, eptp }))),
);

const isGlobal = (tag: MappingTag): boolean => tag.kind !== 'guest-physical' && tag.pcid === 'global';

/** The parts that a translation may use or leave. */
const chains = new Map<Space, Map<number, readonly Part[]>>();
const chainOf = (space: Space, address: number): readonly Part[] => {
  const known = chains.get(space)?.get(address);
  if (known !== undefined) return known;
  const { vpid, pcid, eptp } = space;
  const ep4ta = eptp === undefined ? undefined : Number(eptp & ~0xfffn);
  const chain = PARTS.filter((one) => {
    const { tag } = one;
    if (tag.kind === 'guest-physical') return tag.ep4ta === ep4ta;
    if (tag.vpid !== vpid || (tag.kind === 'combined' ? tag.ep4ta : undefined) !== ep4ta) return false;
    return (tag.pcid === pcid || isGlobal(tag)) && covers(one, address);
  });
  chains.set(space, (chains.get(space) ?? new Map()).set(address, chain));
  return chain;
};

type Frame = (typeof NAMES)[number];
export type Action =
  | { readonly do: 'go'; readonly space: Space }
  | { readonly do: 'read' | 'write' | 'speculate'; readonly at: number }
  | { readonly do: 'store leaf'; readonly at: number; readonly frame: Frame; readonly bits: bigint }
  | { readonly do: 'store table'; readonly at: number; readonly level: 2 | 3 | 4; readonly frame: Frame }
  | {
      readonly do: 'store EPT leaf';
      readonly ept: number;
      readonly from: Frame;
      readonly to: Frame;
      readonly bits: bigint;
    }
  | { readonly do: 'store EPT table'; readonly ept: number }
  | { readonly do: 'invalidate'; readonly by: Invalidation };

/** What may be remembered, and of that what memory may contradict. */
class Parts {
  private readonly known = new Set<Part>();
  private readonly stale = new Set<Part>();

  constructor(private readonly globals: boolean) {}

  /** A store contradicts what is remembered. */
  contradict(of: (one: Part) => boolean): void {
    for (const one of this.known) if (of(one)) this.stale.add(one);
  }
  private chain(space: Space, address: number): readonly Part[] {
    const chain = chainOf(space, address);
    return this.globals ? chain : chain.filter(({ tag }) => !isGlobal(tag));
  }
  isStale(space: Space, address: number): boolean {
    return this.chain(space, address).some((one) => this.stale.has(one));
  }
  /** What comes of something stale is stale; tables come of those above them alone. */
  use(space: Space, address: number): void {
    const chain = this.chain(space, address);
    const spread = (from: (one: Part) => boolean, to: (one: Part) => boolean): void => {
      if (chain.some((one) => from(one) && this.stale.has(one)))
        for (const one of chain) if (to(one)) this.stale.add(one);
    };
    for (const one of chain) this.known.add(one);
    const isOfEpt = ({ tag }: Part): boolean => tag.kind === 'guest-physical';
    for (const shift of [39, 30] as const)
      for (const ept of [true, false])
        spread(
          (one) => one.kind === 'table' && one.shift === shift && isOfEpt(one) === ept,
          (one) => one.kind === 'table' && one.shift < shift && isOfEpt(one) === ept,
        );
    spread(
      (one) => isOfEpt(one) && one.kind === 'table',
      (one) => isOfEpt(one),
    );
    spread(
      () => true,
      (one) => !isOfEpt(one) && one.kind === 'page',
    );
  }
  invalidate(by: Invalidation): void {
    const goes = requiredDrops(by);
    for (const one of this.known)
      if (goes(one.tag, one)) {
        this.known.delete(one);
        this.stale.delete(one);
      }
  }
}

/** A run of actions on the caches, beside what may be stale by the manual. */
class Run {
  private readonly scene = new ValueScene({ cr3: 0n, cr4: CR4_PCIDE });
  private readonly parts: Parts;
  private space = SPACES[0];
  private readonly visited = new Set<Space>();

  constructor(
    private readonly invalidate: Invalidate,
    { spaces: [first], globals }: Cast,
  ) {
    for (const linear of ADDRESSES) this.scene.map(linear, 'A', globals ? USED | G : USED);
    for (const _ of EPTPS) this.scene.newEpt();
    this.parts = new Parts(globals);
    this.go(first);
  }

  private go(space: Space): void {
    const { vpid, pcid, eptp } = space;
    this.space = space;
    this.visited.add(space);
    this.scene.become({ vpid, eptp, cr3: (this.scene.now.cr3 & ~0xfffn) | BigInt(pcid) });
  }

  take(action: Action): void {
    const { scene, parts } = this;
    switch (action.do) {
      case 'go':
        this.go(action.space);
        break;
      case 'read':
      case 'write':
      case 'speculate': {
        const linear = ADDRESSES[action.at];
        scene[action.do](linear);
        parts.use(this.space, Number(linear));
        break;
      }
      case 'store leaf': {
        const linear = ADDRESSES[action.at];
        scene.map(linear, action.frame, action.bits);
        this.changedBelow(12, linear);
        break;
      }
      case 'store table': {
        const linear = ADDRESSES[action.at];
        scene.store(scene.entryAt(linear, action.level), scene.newTable() | USED);
        scene.map(linear, action.frame);
        this.changedBelow(3 + 9 * action.level, linear);
        break;
      }
      case 'store EPT leaf': {
        const { from, to, bits, ept } = action;
        scene.mapEpt(from, to, bits, EPTPS[ept]);
        this.changedEpt(ept, (one) => one.kind === 'page' && covers(one, FRAMES[from] * PAGE_BYTES));
        break;
      }
      case 'store EPT table': {
        const { ept } = action;
        const table = scene.newTable();
        const entry = scene.eptEntryAt(FRAMES.A, LEVEL_2, EPTPS[ept]);
        scene.store(entry, table | 7n);
        for (const [n, name] of NAMES.entries())
          scene.mapEpt(name, NAMES[(n + 1) % NAMES.length], 7n, EPTPS[ept]);
        this.changedEpt(ept, (one) => one.kind === 'page' || one.shift === 21);
        break;
      }
      case 'invalidate':
        scene.caches = this.invalidate(scene.caches, action.by);
        parts.invalidate(action.by);
        break;
    }
  }

  /** An entry of the guest changed whose address bits below it are so many. */
  private changedBelow(shift: number, linear: bigint): void {
    const under = Math.floor(Number(linear) / 2 ** shift);
    this.parts.contradict(
      ({ tag, ...one }) =>
        tag.kind !== 'guest-physical' &&
        one.shift <= shift &&
        Math.floor(one.number / 2 ** (shift - one.shift)) === under,
    );
  }
  private changedEpt(ept: number, of: (one: Part) => boolean): void {
    this.parts.contradict((one) => {
      const { tag } = one;
      if (tag.kind === 'linear' || tag.ep4ta !== EP4TAS[ept]) return false;
      return tag.kind === 'combined' ? one.kind === 'page' : of(one);
    });
  }

  /** In the space that is in use. */
  check(accesses: readonly ('read' | 'write')[] = ['read']): void {
    const { scene, parts } = this;
    for (const linear of ADDRESSES)
      for (const access of accesses) {
        const request = { ...scene.now, address: gva(linear), access };
        const fresh = permittedTranslations(EMPTY_CACHES, scene.memory, request).map(shown);
        const answers = scene.answers(linear, access);
        mustBeEqual('memory is always an answer', fresh.length === 1 && answers.includes(fresh[0]), true);
        if (!parts.isStale(this.space, Number(linear)))
          mustBeEqual('the only answer after the invalidation', answers, fresh);
      }
  }
  checkAll(): void {
    for (const space of this.visited) {
      this.go(space);
      this.check(['read', 'write']);
    }
  }
}

const frame = fc.constantFrom(...NAMES);
const LEAF_BITS = [USED, USED | 64n, USED & ~2n, USED & ~32n, 0n];
/** What a run is among: few spaces and addresses, so that it comes back to them. */
interface Cast {
  readonly spaces: readonly Space[];
  readonly addresses: readonly number[];
  /** Pages are global at first, and may be. */
  readonly globals: boolean;
}
const cast: fc.Arbitrary<Cast> = fc.record({
  spaces: fc.uniqueArray(fc.constantFrom(...SPACES), { minLength: 1, maxLength: 3 }),
  addresses: fc.uniqueArray(fc.nat(ADDRESSES.length - 1), { minLength: 1, maxLength: 3 }),
  globals: fc.boolean(),
});
const orElse = <Item>(items: readonly Item[], others: readonly Item[]): readonly Item[] =>
  items.length === 0 ? others : items;

const operations = ({ spaces, addresses }: Cast): fc.Arbitrary<Invalidation> =>
  invalidations({
    vpids: orElse(
      spaces.flatMap(({ vpid }) => (vpid === 0 ? [] : [vpid])),
      [1],
    ),
    pcids: spaces.map(({ pcid }) => pcid),
    addresses: addresses.map((at) => gva(ADDRESSES[at])),
    eptps: orElse(
      spaces.flatMap(({ eptp }) => (eptp === undefined ? [] : [eptp])),
      EPTPS,
    ),
    gpas: NAMES.map((name) => gpa(FRAMES[name] * PAGE_BYTES)),
  });

const action = (among: Cast, isAsked: (by: Invalidation) => boolean): fc.Arbitrary<Action> => {
  const { spaces, addresses, globals } = among;
  const at = fc.constantFrom(...addresses);
  const ept = fc.constantFrom(
    ...orElse(
      spaces.flatMap(({ eptp }) => (eptp === undefined ? [] : [EPTPS.indexOf(eptp)])),
      [0],
    ),
  );
  const does = <const Name extends Action['do']>(...names: readonly Name[]) => fc.constantFrom(...names);
  const bits = fc.constantFrom(...LEAF_BITS, ...(globals ? LEAF_BITS.map((one) => one | G) : []));
  const level = fc.constantFrom(2 as const, 3 as const, 4 as const);
  const eptBits = fc.constantFrom(7n, 5n, 4n);
  return fc.oneof(
    { weight: 2, arbitrary: fc.record({ do: does('go'), space: fc.constantFrom(...spaces) }) },
    { weight: 5, arbitrary: fc.record({ do: does('read', 'write', 'speculate'), at }) },
    { weight: 2, arbitrary: fc.record({ do: does('store leaf'), at, frame, bits }) },
    { weight: 1, arbitrary: fc.record({ do: does('store table'), at, level, frame }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: does('store EPT leaf'), ept, from: frame, to: frame, bits: eptBits }),
    },
    { weight: 1, arbitrary: fc.record({ do: does('store EPT table'), ept }) },
    {
      weight: 5,
      arbitrary: fc.record({ do: does('invalidate'), by: operations(among).filter(isAsked) }),
    },
  );
};

const runs = (isAsked: (by: Invalidation) => boolean, most: number) =>
  cast.chain((among) =>
    fc.record({
      among: fc.constant(among),
      actions: fc.array(action(among, isAsked), { minLength: 1, maxLength: most }),
    }),
  );

/** The theorem, about one way to invalidate, with the operations that are asked for. */
export const staleOnlyBefore = (
  how: Invalidate,
  isAsked: (by: Invalidation) => boolean = () => true,
  most = 30,
): fc.IProperty<[{ readonly among: Cast; readonly actions: readonly Action[] }]> =>
  fc.property(runs(isAsked, most), ({ among, actions }) => {
    const run = new Run(how, among);
    for (const one of actions) {
      run.take(one);
      if (one.do === 'invalidate') run.check();
    }
    run.checkAll();
  });
