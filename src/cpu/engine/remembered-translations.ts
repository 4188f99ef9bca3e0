import { type CacheSpace, MAPPING_SHIFTS, numberAt } from '../../core';
import {
  agreeing,
  type CachedAccess,
  type CurrentTags,
  combinedTag,
  contradicts,
  currentPcid,
  EMPTY_CACHES,
  guestPhysicalTag,
  isOfOtherOrigin,
  isTouched,
  type LinearHalves,
  linearTag,
  type Mapping,
  type MappingTag,
  NOTHING_REMEMBERED,
  type Origin,
  originOf,
  preferredWay,
  type SecondStage,
  UNPAGED,
  type Way,
  type WaySetup,
  waysOf,
  withAgreement,
} from '../caching';
import { accessAllowed, keyDenies, type PagingRights, supervisorKeys, userKeys } from '../page-fault';
import { SLOT } from '../slots';
import { FAST_ENTRIES, fastIndex } from './fast-pages';
import { NO_EPT, RememberedState } from './remembered-state';
import { staleReport } from './stale-report';

type Space = CacheSpace<MappingTag, Mapping>;

const CR3_LOW = 2 * SLOT.cr3;
const FRAME_BYTES = 4096;
const READ: CachedAccess = { write: false, fetch: false };
const WRITE: CachedAccess = { write: true, fetch: false };
const FETCH: CachedAccess = { write: false, fetch: true };
/** Of the sizes, those that pages have. */
const PAGE_LEVELS = 4;
/** What one processor remembers of its walks, as its policy says. SDM Vol. 3A, 4.10 Caching Translation Information */
export class RememberedTranslations extends RememberedState {
  private own: Space | undefined;
  private global: Space | undefined;
  private keysOf: CurrentTags = { vpid: -1, pcid: -1, ep4ta: NO_EPT };
  private selected = NOTHING_REMEMBERED;
  // Of what is derived: how it would be walked for now
  private cr3Low = 0;
  private cr3High = 0;
  private flagged = true;
  // Derived: the page that answers first, by linear page
  private epoch = 1;
  private readonly hotEpochs = new Float64Array(FAST_ENTRIES);
  private readonly hotLows = new Int32Array(FAST_ENTRIES);
  private readonly hotHighs = new Int32Array(FAST_ENTRIES);
  private readonly hotFrames = new Float64Array(FAST_ENTRIES);
  private readonly hotPages: Mapping[] = [];

  /** Registers may have changed that select tables, and no tag. */
  originChanged(): void {
    const { W } = this.host.cpu;
    const flagged = this.stage()?.accessedDirty ?? true;
    if (W[CR3_LOW] === this.cr3Low && W[CR3_LOW + 1] === this.cr3High && flagged === this.flagged) return;
    this.cr3Low = W[CR3_LOW];
    this.cr3High = W[CR3_LOW + 1];
    this.flagged = flagged;
    this.cool();
  }

  /** Drops what answers first. */
  cool(): void {
    this.epoch++;
  }

  /** The VPID or the EP4TA is another one: the fast arrays know neither. */
  contextChanged(): boolean {
    const { vpid, ep4ta } = this.keysOf;
    return this.vpid() !== vpid || (this.stage()?.ep4ta ?? NO_EPT) !== ep4ta;
  }

  private selectSpaces(stage: SecondStage | undefined): void {
    const vpid = this.vpid();
    const pcid = currentPcid(this.host.cpu.W);
    const ep4ta = stage?.ep4ta ?? NO_EPT;
    const { keysOf, state } = this;
    const same = keysOf.vpid === vpid && keysOf.pcid === pcid && keysOf.ep4ta === ep4ta;
    if (same && state === this.selected) return;
    this.selected = state;
    this.epoch++;
    if (!same) {
      this.keysOf = { vpid, pcid, ep4ta };
      const tag = (of: number | 'global'): MappingTag =>
        stage === undefined ? linearTag(vpid, of) : combinedTag(vpid, of, ep4ta);
      this.ownKey = tag(pcid).key;
      this.globalKey = tag('global').key;
    }
    this.own = state.caches.space(this.ownKey);
    this.global = state.caches.space(this.globalKey);
  }

  /** The host frame behind a linear address, as `WalkingMemory.walk` gives it. */
  translate(low: number, high: number, write: boolean, fetch: boolean, implicit: boolean): number {
    const { host } = this;
    const stage = this.stage();
    if (!host.cpu.paging && stage === undefined) return host.walk(low, high, write, fetch, implicit);
    const by = host.governing(implicit);
    this.selectSpaces(stage);
    const at = fastIndex(low, high);
    if (
      this.hotEpochs[at] === this.epoch &&
      this.hotLows[at] === (low & -4096) &&
      this.hotHighs[at] === high
    ) {
      const page = this.hotPages[at];
      if ((page.dirty || !write) && this.allows(page, write, fetch, by, stage)) {
        const frame = this.hotFrames[at];
        host.reached(frame, write, fetch);
        return frame;
      }
    }
    const page = this.known(low, high, write, fetch, by, stage);
    if (page !== undefined) {
      const frame = page.frame + (numberAt(low, high, 12) % 2 ** (page.shift - 12));
      if (this.policy.kind === 'lru') this.use([page]);
      host.reached(frame, write, fetch);
      return frame;
    }
    return this.lookUp(low, high, implicit, this.setup(write, fetch, by, stage));
  }

  /** A page that is remembered, allows the access, and was not touched since. */
  private known(
    low: number,
    high: number,
    write: boolean,
    fetch: boolean,
    by: PagingRights,
    stage: SecondStage | undefined,
  ): Mapping | undefined {
    let isFirst = true;
    const { cpu } = this.host;
    const root = cpu.paging ? this.host.pagingMode().root(cpu.W, low) / FRAME_BYTES : UNPAGED;
    const flagged = stage?.accessedDirty ?? true;
    for (const space of [this.own, this.global]) {
      if (space === undefined) continue;
      for (let level = 0; level < PAGE_LEVELS; level++) {
        if (!space.has('page', level)) continue;
        for (const page of space.at('page', level, numberAt(low, high, MAPPING_SHIFTS[level]))) {
          if (write && !page.dirty) {
            isFirst = false;
            continue;
          }
          if (!this.allows(page, write, fetch, by, stage) || isTouched(this.state, page)) return undefined;
          if (page.root !== root || (flagged && !page.flagged)) return undefined;
          if (isFirst) this.heat(page, low, high);
          return page;
        }
      }
    }
    return undefined;
  }

  /** Whether rights allow an access. */
  private allows(
    { rights, eptRights, protectionKey }: Mapping,
    write: boolean,
    fetch: boolean,
    by: PagingRights,
    stage: SecondStage | undefined,
  ): boolean {
    const { cpu } = this.host;
    if (cpu.paging) {
      const { W } = cpu;
      if (!accessAllowed(rights, write, fetch, by)) return false;
      const keys = !fetch && this.host.pagingMode().keys;
      if (keys && keyDenies(rights, protectionKey, write, by, userKeys(W), supervisorKeys(W))) return false;
    }
    return stage === undefined || stage.allows(eptRights, write ? WRITE : fetch ? FETCH : READ, rights);
  }

  /** The page that answers an address first, until anything that is remembered changes; each use counts under the policy `lru`. */
  private heat(page: Mapping, low: number, high: number): void {
    if (this.policy.kind === 'lru') return;
    const at = fastIndex(low, high);
    this.hotEpochs[at] = this.epoch;
    this.hotLows[at] = low & -4096;
    this.hotHighs[at] = high;
    this.hotPages[at] = page;
    this.hotFrames[at] = page.frame + (numberAt(low, high, 12) % 2 ** (page.shift - 12));
  }

  private setup(write: boolean, fetch: boolean, by: PagingRights, stage: SecondStage | undefined): WaySetup {
    const { cpu, tableMemory } = this.host;
    return {
      caches: this.state.caches,
      memory: tableMemory,
      mode: cpu.paging ? this.host.pagingMode() : undefined,
      W: cpu.W,
      vpid: this.vpid(),
      pcid: currentPcid(cpu.W),
      by,
      access: { write, fetch },
      stage,
    };
  }

  private lookUp(low: number, high: number, implicit: boolean, setup: WaySetup): number {
    const { host } = this;
    const { write, fetch } = setup.access;
    const way = this.chosen(setup, low, high);
    if (way.spurious) return host.refuse(way, low, high, write, fetch);
    if (this.policy.kind === 'lru') this.use(way.used);
    const origin = originOf(setup, low);
    const touched = way.used.some((mapping) => this.isDoubtful(mapping, origin));
    if (touched) {
      const current = preferredWay({ ...setup, caches: EMPTY_CACHES }, low, high);
      if (contradicts(way, current, write)) return this.useStale(way, current, low, high, setup);
      for (const mapping of way.used) this.agree(mapping, current, origin);
    }
    if (way.frame !== undefined && way.used.length === 1 && way.used[0] === way.page) {
      host.reached(way.frame, write, fetch);
      return way.frame;
    }
    const frame = host.walk(low, high, write, fetch, implicit);
    this.learn(setup, low, high);
    return frame;
  }

  /** Whether memory may contradict a mapping: an entry that it came from was written, or a walk would begin elsewhere. */
  private isDoubtful(mapping: Mapping, origin: Origin): boolean {
    return isTouched(this.state, mapping) || isOfOtherOrigin(mapping, origin);
  }

  /** A mapping did not matter to an access; it is beyond doubt only where it can matter to none. */
  private agree(mapping: Mapping, { fills }: Way, origin: Origin): void {
    if (!this.isDoubtful(mapping, origin)) return;
    const fill = agreeing(mapping, fills);
    if (fill !== undefined) this.state = withAgreement(this.state, mapping, fill.mapping);
  }

  /** Processors walk anew before they fault on what they remember; the policy `adversarial` may not. */
  private chosen(setup: WaySetup, low: number, high: number): Way {
    if (this.policy.kind === 'adversarial')
      for (const way of waysOf(setup, low, high)) {
        if (!way.spurious) return way;
        if (this.decides('spurious-fault')) return way;
      }
    return preferredWay(setup, low, high);
  }

  /** What the walk just made may be remembered of. */
  private learn(setup: WaySetup, low: number, high: number): void {
    const { caches } = this.state;
    this.remember(preferredWay({ ...setup, caches }, low, high), low, high);
    if (this.policy.kind !== 'adversarial') return;
    // The next page, as processors that prefetch do.
    const next = ((low & -4096) + 4096) | 0;
    if (next !== 0 && this.decides('speculative-fill')) this.speculate(next, high);
  }

  /** Remembers an address that no program touched. SDM Vol. 3A, 4.10.2.3 Details of TLB Use */
  private speculate(low: number, high: number): void {
    const stage = this.stage();
    if (!this.host.cpu.paging && stage === undefined) return;
    const setup = this.setup(false, false, this.host.governing(true), stage);
    for (const way of waysOf(setup, low, high)) this.remember(way, low, high);
  }

  /** Memory says otherwise by now: legal, and reported once. */
  private useStale(way: Way, current: Way, low: number, high: number, setup: WaySetup): number {
    const { host } = this;
    const { write, fetch } = setup.access;
    const { cpu } = host;
    const stale = staleReport(cpu, this.state, this.keysNow(setup), setup, low, high, way, current);
    if (stale !== undefined) {
      this.state = stale.told;
      cpu.watcher?.staleTranslation?.(cpu, stale.report);
    }
    host.setFlags(way.updates);
    if (way.frame === undefined) return host.refuse(way, low, high, write, fetch);
    this.remember(preferredWay({ ...setup, caches: this.state.caches }, low, high), low, high);
    host.reached(way.frame, write, fetch);
    return way.frame;
  }

  private keysNow({ stage }: WaySetup): readonly string[] {
    const keys = [this.ownKey, this.globalKey];
    return stage === undefined ? keys : [...keys, guestPhysicalTag(stage.ep4ta).key];
  }

  /** An address was invalidated: the policy `adversarial` may remember at once what memory says of it. */
  dropped({ low, high }: LinearHalves): void {
    if (this.speculates && this.decides('speculative-fill')) this.speculate(low, high);
  }

  /** 8 bytes of a table are about to be written: the policy `adversarial` remembers what they still say. */
  beforeWrite(address: number): void {
    const stage = this.stage();
    for (const { table, address: through, low, high } of this.index.addressesThrough(address)) {
      // While EPT is off, nothing comes of its tables.
      if (table === 'ept' && stage === undefined) continue;
      if (!this.decides('speculative-fill')) continue;
      if (table === 'guest') this.speculate(low, high);
      else this.speculateGuestPhysical(stage!, through);
    }
  }

  /** The same for a guest-physical address. SDM Vol. 3C, 29.4.2 Creating and Using Cached Translation Information */
  private speculateGuestPhysical(stage: SecondStage, address: number): void {
    const { tableMemory } = this.host;
    for (const { fills, used } of stage.ways(this.state.caches, tableMemory, address, READ, false))
      this.remember({ page: undefined, fills, used }, 0, 0);
  }
}
