import { ENTRY, type EntrySource, join, type MemoryDraft, RadixWalk } from '../../core';
import {
  type CacheDrop,
  type CachePolicy,
  type EntryUpdate,
  type LinearHalves,
  type TableMemory,
  type Way,
  withoutFaultingPage,
} from '../caching';
import { VECTOR } from '../event';
import {
  accessAllowed,
  keyDenies,
  type PagingRights,
  pageFaultErrorCode,
  protectionKey,
  supervisorKeys,
  userKeys,
} from '../page-fault';
import { ALL_RIGHTS, PTE } from '../paging-format';
import { NO_ROOT, PagingMode, pagingFeatures } from '../paging-mode';
import type { Processor } from '../presets';
import { canonicalShift } from '../segmented-address';
import { CR0, CR4, FLAG, SLOT } from '../slots';
import type { PhysicalAccess } from '../virtualization';
import { DerivedPages } from './derived-pages';
import { RememberedTranslations } from './remembered-translations';

const RFLAGS = 2 * SLOT.rflags;

/** Where non-root execution touched memory; for the resource-control criterion. */
export interface FrameObserver {
  frame(frame: number, use: 'data' | 'fetch' | 'paging-structure', write: boolean): void;
}

/** The access being translated, with its linear address computed only when an exit needs it. */
class CurrentAccess implements PhysicalAccess {
  read = true;
  write = false;
  fetch = false;
  pagingStructure = false;
  linearRights: number = ALL_RIGHTS;
  update = false;
  low = 0;
  high = 0;
  get linear(): bigint {
    return join(this.low, this.high);
  }
}

/** The load of a PDPTE register. SDM Vol. 3A, 4.4.1 PDPTE Registers */
const PDPTE_LOAD: PhysicalAccess = {
  read: true,
  write: false,
  fetch: false,
  pagingStructure: false,
  linearRights: ALL_RIGHTS,
  update: false,
  linear: undefined,
};

/** Table entries as the walk reads them: ones where there is no memory. */
class BoardMemory implements TableMemory {
  low = 0;
  high = 0;
  constructor(private readonly pages: Pick<DerivedPages, 'cpu' | 'memory'>) {}

  read(address: number, bytes: 4 | 8): void {
    const frame = Math.floor(address / 4096);
    const { cpu, memory } = this.pages;
    if (!cpu.bus.isMemory(frame)) {
      this.low = -1;
      this.high = -1;
      return;
    }
    const { words } = memory.page(frame);
    const index = (address & 4095) >> 2;
    this.low = words[index];
    this.high = bytes === 8 ? words[index + 1] : 0;
  }
}

/** What translation needs to know of a processor. */
export type TranslatingProcessor = Pick<Processor, 'physicalAddressWidth' | 'features'> &
  Partial<Pick<Processor, 'hasA20m'>>;

/** Bit 20 of an address and the same of a frame. */
const LINE_20 = { address: 1 << 20, frame: 1 << 8 } as const;

/** From linear addresses to frames: the walk, its rights and its accessed and dirty flags. */
export abstract class Translation extends DerivedPages {
  observer: FrameObserver | undefined;
  private readonly walkRegisters = new RadixWalk();
  private readonly entries: EntrySource;
  private readonly access = new CurrentAccess();
  private readonly paging: PagingMode;
  private readonly hasA20m: boolean;
  private rights: PagingRights = {
    user: false,
    writeProtect: false,
    smep: false,
    smap: false,
    noExecute: false,
  };

  constructor(memory: MemoryDraft, processor: TranslatingProcessor) {
    super(memory);
    this.paging = new PagingMode(pagingFeatures(processor));
    this.hasA20m = processor.hasA20m === true;
    const self = this;
    this.entries = {
      low: 0,
      high: 0,
      read(address: number, _level: number): boolean {
        self.readEntry(address);
        return true;
      },
    };
  }

  get a20m(): boolean {
    const { cpu } = this;
    return cpu.bus.assertsA20m && this.hasA20m && cpu.virtualization?.blocksA20m(cpu) !== true;
  }

  /** A physical address as it leaves the processor. SDM Vol. 3A, 9.7.13.4 External Signal Compatibility */
  private onBus(address: number): number {
    return this.a20m ? address - (address & LINE_20.address) : address;
  }

  private readEntry(address: number): void {
    const cpu = this.cpu;
    let physical = address;
    if (cpu.nonRoot) {
      const access = this.access;
      const { read, write, fetch } = access;
      access.pagingStructure = true;
      access.read = true;
      access.write = false;
      access.fetch = false;
      physical = cpu.virtualization!.translateGuestPhysical(cpu, address, access);
      access.pagingStructure = false;
      access.read = read;
      access.write = write;
      access.fetch = fetch;
    } else physical = this.onBus(address);
    const frame = Math.floor(physical / 4096);
    if (!cpu.bus.isMemory(frame)) {
      this.entries.low = -1;
      this.entries.high = -1;
      return;
    }
    this.watch(frame);
    if (this.observer !== undefined && cpu.nonRoot) this.observer.frame(frame, 'paging-structure', false);
    const words = this.memory.page(frame).words;
    const index = (physical & 4095) >> 2;
    this.entries.low = words[index]!;
    this.entries.high = this.paging.format.entryBytes === 8 ? words[index + 1]! : 0;
  }

  /** 8 bytes of a page-directory-pointer table at a guest-physical address; ones where there is no memory. May leave with a VM exit. */
  readPdpte(address: number): bigint {
    const cpu = this.cpu;
    const physical = cpu.nonRoot
      ? cpu.virtualization!.translateGuestPhysical(cpu, address, PDPTE_LOAD)
      : this.onBus(address);
    const frame = Math.floor(physical / 4096);
    if (!cpu.bus.isMemory(frame)) return 0xffff_ffff_ffff_ffffn;
    if (this.observer !== undefined && cpu.nonRoot) this.observer.frame(frame, 'paging-structure', false);
    const { words } = this.memory.page(frame);
    const index = (physical & 4095) >> 2;
    return join(words[index]!, words[index + 1]!);
  }

  /**
   * The host frame behind a linear address; raises #PF or leaves with a VM exit. Sets accessed and dirty flags as the access does. `update`: the
   * instruction reads what it writes. SDM Vol. 3A, 4.6 Access Rights, 4.8 Accessed and Dirty Flags
   */
  translate(
    low: number,
    high: number,
    write: boolean,
    fetch: boolean,
    implicit: boolean,
    update = false,
  ): number {
    const { remembered } = this;
    this.access.update = update;
    // In A20M mode nothing is remembered, nor is what was before used: a processor may forget at any time.
    return remembered === undefined || this.a20m
      ? this.walk(low, high, write, fetch, implicit)
      : remembered.translate(low, high, write, fetch, implicit);
  }

  /** The same by a walk through memory. */
  walk(low: number, high: number, write: boolean, fetch: boolean, implicit: boolean): number {
    const cpu = this.cpu;
    const W = cpu.W;
    const access = this.access;
    access.low = low;
    access.high = high;
    let guestFrame: number;
    if (!cpu.paging) {
      access.linearRights = ALL_RIGHTS;
      guestFrame = low >>> 12;
    } else {
      const paging = this.paging;
      paging.follow(W);
      const walk = this.walkRegisters;
      access.read = !write && !fetch;
      access.write = write;
      access.fetch = fetch;
      const root = paging.root(W, low);
      const end = root === NO_ROOT ? ENTRY.absent : walk.run(paging.format, this.entries, root, low, high);
      const by = this.governing(implicit);
      if (end !== ENTRY.leaf)
        this.pageFault(end !== ENTRY.absent, end === ENTRY.reserved, write, fetch, false);
      const denied = paging.keys && !fetch && this.keyDenies(walk, write);
      if (denied || !accessAllowed(walk.rights, write, fetch, by))
        this.pageFault(true, false, write, fetch, denied);
      guestFrame = walk.frame;
      access.linearRights = walk.rights;
      this.setAccessedAndDirty(walk, write);
    }
    let frame = guestFrame;
    if (cpu.nonRoot) {
      access.pagingStructure = false;
      access.read = !write && !fetch;
      access.write = write;
      access.fetch = fetch;
      frame = Math.floor(
        cpu.virtualization!.translateGuestPhysical(cpu, guestFrame * 4096 + (low & 4095), access) / 4096,
      );
      if (this.observer !== undefined) this.observer.frame(frame, fetch ? 'fetch' : 'data', write);
    } else if (this.a20m) frame -= frame & LINE_20.frame;
    return frame;
  }

  /** What governs the rights of an access, with the paging mode in use. */
  governing(implicit: boolean): PagingRights {
    const { cpu } = this;
    const { W } = cpu;
    const paging = this.pagingMode();
    const cr4 = W[2 * SLOT.cr4]!;
    const by = this.rights as { -readonly [K in keyof PagingRights]: boolean };
    by.user = !implicit && cpu.cpl === 3;
    by.writeProtect = (W[2 * SLOT.cr0]! & CR0.wp) !== 0;
    by.smep = (cr4 & CR4.smep) !== 0;
    by.smap = (cr4 & CR4.smap) !== 0 && (implicit || (W[RFLAGS]! & FLAG.ac) === 0);
    by.noExecute = paging.noExecute;
    return by;
  }

  pagingMode(): PagingMode {
    this.paging.follow(this.cpu.W);
    return this.paging;
  }

  /** Table entries of host memory. */
  readonly tableMemory: TableMemory = new BoardMemory(this);

  /** A frame was reached by what is remembered. */
  reached(frame: number, write: boolean, fetch: boolean): void {
    if (this.observer !== undefined && this.cpu.nonRoot)
      this.observer.frame(frame, fetch ? 'fetch' : 'data', write);
  }

  /** Ends the instruction with the fault of a translation that is remembered. */
  refuse({ fault, from }: Way, low: number, high: number, write: boolean, fetch: boolean): never {
    const { cpu, access } = this;
    access.low = low;
    access.high = high;
    if (fault!.kind === 'page-fault') this.raisePageFault(fault!.errorCode);
    access.read = !write && !fetch;
    access.write = write;
    access.fetch = fetch;
    const last = from.at(-1);
    const entryHigh = last?.table === 'ept' ? last.high : -1;
    return cpu.virtualization!.refuseTranslation(cpu, fault!, access, entryHigh);
  }

  private raisePageFault(errorCode: number): never {
    const { low, high, linear } = this.access;
    this.forget((caches, now) => withoutFaultingPage(caches, { low, high }, now));
    this.cpu.raise(VECTOR.pf, errorCode, linear);
  }

  invalidate(drop: CacheDrop, again?: LinearHalves): void {
    this.remembered?.drop(drop);
    this.flush();
    if (again !== undefined) this.remembered?.dropped(again);
  }

  forget(drop: CacheDrop): void {
    this.remembered?.drop(drop);
  }

  /** What the processor remembers, from now on by this policy. */
  remember(policy: CachePolicy): void {
    this.eachUse = policy.kind === 'lru';
    this.remembered = policy.kind === 'none' ? undefined : new RememberedTranslations(this, policy);
  }

  private pageFault(
    present: boolean,
    reserved: boolean,
    write: boolean,
    fetch: boolean,
    keyDenied: boolean,
  ): never {
    const errorCode = pageFaultErrorCode(present, reserved, write, fetch, this.rights, keyDenied);
    this.raisePageFault(errorCode);
  }

  private keyDenies({ rights, high }: RadixWalk, write: boolean): boolean {
    const { W } = this.cpu;
    return keyDenies(rights, protectionKey(high), write, this.rights, userKeys(W), supervisorKeys(W));
  }

  private setAccessedAndDirty(walk: RadixWalk, write: boolean): void {
    const leaf = walk.level;
    for (let level = this.paging.format.levels; level >= leaf; level--) {
      const wanted = write && level === leaf ? PTE.accessed | PTE.dirty : PTE.accessed;
      if ((walk.lows[level]! & wanted) !== wanted) this.updateEntry(walk.addresses[level]!, wanted);
    }
  }

  private updateEntry(address: number, bits: number): void {
    const cpu = this.cpu;
    let physical = address;
    if (cpu.nonRoot) {
      const access = this.access;
      access.pagingStructure = true;
      access.read = true;
      access.write = true;
      access.fetch = false;
      physical = cpu.virtualization!.translateGuestPhysical(cpu, address, access);
    } else physical = this.onBus(address);
    const frame = Math.floor(physical / 4096);
    if (this.observer !== undefined && cpu.nonRoot && cpu.bus.isRam(frame))
      this.observer.frame(frame, 'paging-structure', true);
    this.setEntryFlags(physical, bits);
  }

  setFlags(updates: readonly EntryUpdate[]): void {
    const { cpu } = this;
    for (let at = 0; at < updates.length; ) {
      const { table, address, bits, gpa } = updates[at];
      let end = at + 1;
      if (table === 'guest') this.setEntryFlags(address, bits);
      else {
        while (end < updates.length && updates[end].table === 'ept' && updates[end].gpa === gpa) end++;
        cpu.virtualization!.setStageFlags(cpu, gpa!, updates.slice(at, end));
      }
      at = end;
    }
  }

  setEntryFlags(address: number, flags: number): void {
    const frame = Math.floor(address / 4096);
    if (!this.cpu.bus.isRam(frame)) return;
    const offset = address & 4095;
    this.dropCode(frame, offset, 4);
    this.triggerMonitors(frame, offset, 4);
    this.own(frame).words[offset >> 2]! |= flags;
  }

  /** The frame that instructions at a linear address come from. */
  fetchFrame(low: number, high: number): number {
    if (this.cpu.mode64) {
      const top = high >> canonicalShift(this.cpu);
      if (top !== 0 && top !== -1) this.cpu.generalProtection();
    }
    const frame = this.translate(low, high, false, true, false);
    if (!this.cpu.bus.isMemory(frame)) this.cpu.unbuilt('instruction fetch from a device');
    return frame;
  }
}
