import {
  type CacheDrop,
  type CachePolicy,
  type CurrentTags,
  currentPcid,
  EMPTY_CACHES,
  type Fill,
  type Mapping,
  MOST_MAPPINGS,
  type Remembered,
  remember,
  type SecondStage,
  TableIndex,
  type TableWrite,
  type Way,
  withCaches,
  withMost,
  withoutWrites,
  withUse,
  withWrite,
} from '../caching';
import type { WalkingMemory } from './walking-memory';

/** In place of an EP4TA. */
export const NO_EPT = -1;

/** What one processor has remembered, as part of its state, and what follows from it: the policy bounds it. */
export class RememberedState {
  /** What mappings came from: writes to that must be seen. */
  protected readonly index: TableIndex;
  /** The state has changed, perhaps by another processor's store. */
  onChanged: () => void = () => {};
  protected ownKey = '';
  protected globalKey = '';

  constructor(
    protected readonly host: WalkingMemory,
    readonly policy: CachePolicy,
  ) {
    this.index = new TableIndex(this.speculates);
  }

  protected get state(): Remembered {
    return this.host.cpu.remembered;
  }
  protected set state(state: Remembered) {
    const { cpu } = this.host;
    if (state === cpu.remembered) return;
    const { newTable, gone } = this.index.follow(state.caches);
    cpu.remembered = gone.length === 0 ? state : withoutWrites(state, gone);
    if (newTable) this.host.dropWrites();
    this.onChanged();
  }

  /** The processor was given another state. */
  loaded(): void {
    if (this.index.follow(this.state.caches).newTable) this.host.dropWrites();
  }

  /** Whether something is remembered from entries in a frame. */
  hasTable(frame: number): boolean {
    return this.index.hasTable(frame);
  }

  /** Whether bytes of memory are part of an entry that something is remembered from. */
  hasEntry(address: number, bytes: number): boolean {
    return this.index.hasEntry(address, bytes);
  }

  protected stage(): SecondStage | undefined {
    const { cpu } = this.host;
    return cpu.nonRoot ? cpu.virtualization!.secondStage(cpu) : undefined;
  }

  protected vpid(): number {
    const { cpu } = this.host;
    return cpu.nonRoot ? cpu.virtualization!.currentVpid(cpu) : 0;
  }

  /** What selects mappings now. */
  now(): CurrentTags {
    return {
      vpid: this.vpid(),
      pcid: currentPcid(this.host.cpu.W),
      ep4ta: this.stage()?.ep4ta ?? NO_EPT,
    };
  }

  protected decides(site: 'spurious-fault' | 'speculative-fill'): boolean {
    const seed = this.policy.kind === 'adversarial' ? this.policy.seed : 0;
    return this.host.cpu.decide(site, 2n, BigInt(seed)) === 1n;
  }

  protected remember(way: Pick<Way, 'page' | 'fills' | 'used'>, low: number, high: number): void {
    const { page } = way;
    const fills = this.counted(way);
    const before = this.state;
    const state = remember(before, fills);
    if (state === before) return;
    this.state = this.policy.kind === 'lru' ? withMost(state, this.policy.entries) : state;
    // Where there are several answers now, the fast arrays may hold one that the caches would not give first.
    if (page !== undefined && this.knowsPage(before, low, high)) this.host.flush();
    if (this.index.mappings > MOST_MAPPINGS) this.drop(() => EMPTY_CACHES);
  }

  /** With what is counted of stores, and under the policy `lru` of uses. */
  private counted({ fills, used }: Pick<Way, 'fills' | 'used'>): readonly Fill[] {
    const { stores } = this.state;
    let { uses } = this.state;
    // What came by way of something remembered is no newer than that.
    const since = used.reduce((least, mapping) => Math.min(least, mapping.since), stores);
    if (this.policy.kind !== 'lru')
      return since === 0 ? fills : fills.map(({ tag, mapping }) => ({ tag, mapping: { ...mapping, since } }));
    const counted = fills.map(({ tag, mapping }) => ({ tag, mapping: { ...mapping, since, used: ++uses } }));
    this.state = Object.freeze({ ...this.state, uses });
    return counted;
  }

  /** Mappings are used; the last one anew costs nothing. */
  protected use(mappings: readonly Mapping[]): void {
    for (const mapping of mappings) {
      if (mapping.used !== this.state.uses) this.state = withUse(this.state, mapping);
    }
  }

  private knowsPage({ caches }: Remembered, low: number, high: number): boolean {
    return [this.ownKey, this.globalKey].some(
      (key) => caches.space(key)?.covering('page', low, high).next().done === false,
    );
  }

  /** An operation invalidates; whether anything was dropped. */
  drop(drop: CacheDrop): boolean {
    const before = this.state;
    const caches = drop(before.caches, this.now());
    if (caches === before.caches) return false;
    this.state = withCaches(before, caches);
    this.host.flush();
    return true;
  }

  /** Whether `beforeWrite` and `dropped` do anything. */
  get speculates(): boolean {
    return this.policy.kind === 'adversarial';
  }

  /** An entry of a table was written. */
  written(address: number, write: Omit<TableWrite, 'number' | 'reported'>): void {
    const number = this.state.stores + 1;
    this.state = withWrite(this.state, address, { ...write, number, reported: false });
  }
}
