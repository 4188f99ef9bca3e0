import { ENTRY, type EntrySource, join, type MemoryDraft, type PagingFormat, RadixWalk } from '../../core';
import { VECTOR } from '../event';
import { accessAllowed, type PagingRights, pageFaultErrorCode } from '../page-fault';
import { ia32ePaging, PTE } from '../paging-format';
import type { Processor } from '../presets';
import { CR0, CR4, EFER, FLAG, SLOT } from '../slots';
import type { PhysicalAccess } from '../virtualization';
import { DerivedPages } from './derived-pages';

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
  low = 0;
  high = 0;
  get linear(): bigint {
    return join(this.low, this.high);
  }
}

/** What translation needs to know of a processor. */
export type TranslatingProcessor = Pick<Processor, 'physicalAddressWidth' | 'features'>;

/** From linear addresses to frames: the walk, its rights and its accessed and dirty flags. */
export abstract class Translation extends DerivedPages {
  observer: FrameObserver | undefined;
  private readonly walkRegisters = new RadixWalk();
  private readonly entries: EntrySource;
  private readonly access = new CurrentAccess();
  private format: PagingFormat;
  /** By IA32_EFER.NXE. */
  private readonly formats: { readonly noExecute: PagingFormat; readonly plain: PagingFormat };
  private rights: PagingRights = {
    user: false,
    writeProtect: false,
    smep: false,
    smap: false,
    noExecute: false,
  };

  constructor(memory: MemoryDraft, { physicalAddressWidth, features }: TranslatingProcessor) {
    super(memory);
    const gigabytePages = features.has('page-1gib');
    this.formats = {
      noExecute: ia32ePaging(physicalAddressWidth, true, 4, gigabytePages),
      plain: ia32ePaging(physicalAddressWidth, false, 4, gigabytePages),
    };
    this.format = this.formats.noExecute;
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
    }
    const frame = Math.floor(physical / 4096);
    if (!cpu.bus.isRam(frame)) {
      this.entries.low = -1;
      this.entries.high = -1;
      return;
    }
    this.watch(frame);
    if (this.observer !== undefined && cpu.nonRoot) this.observer.frame(frame, 'paging-structure', false);
    const words = this.memory.page(frame).words;
    const index = (physical % 4096) >> 2;
    this.entries.low = words[index]!;
    this.entries.high = words[index + 1]!;
  }

  /**
   * The host frame behind a linear address; raises #PF or leaves with a VM exit. Sets accessed and dirty flags as the access does.
   * SDM Vol. 3A, 4.6 Access Rights, 4.8 Accessed and Dirty Flags
   */
  translate(low: number, high: number, write: boolean, fetch: boolean, implicit: boolean): number {
    const cpu = this.cpu;
    const W = cpu.W;
    const access = this.access;
    access.low = low;
    access.high = high;
    let guestFrame: number;
    if (!cpu.paging) guestFrame = low >>> 12;
    else {
      const noExecute = (W[2 * SLOT.efer]! & EFER.nxe) !== 0;
      this.format = noExecute ? this.formats.noExecute : this.formats.plain;
      const walk = this.walkRegisters;
      const root = (W[2 * SLOT.cr3 + 1]! & 0xfffff) * 0x1_0000_0000 + ((W[2 * SLOT.cr3]! & -4096) >>> 0);
      access.read = !write && !fetch;
      access.write = write;
      access.fetch = fetch;
      const end = walk.run(this.format, this.entries, root, low, high);
      const cr4 = W[2 * SLOT.cr4]!;
      const user = !implicit && cpu.cpl === 3;
      const by = this.rights as { -readonly [K in keyof PagingRights]: boolean };
      by.user = user;
      by.writeProtect = (W[2 * SLOT.cr0]! & CR0.wp) !== 0;
      by.smep = (cr4 & CR4.smep) !== 0;
      by.smap = (cr4 & CR4.smap) !== 0 && (implicit || (W[RFLAGS]! & FLAG.ac) === 0);
      by.noExecute = noExecute;
      if (end !== ENTRY.leaf) this.pageFault(end !== ENTRY.absent, end === ENTRY.reserved, write, fetch, by);
      if (!accessAllowed(walk.rights, write, fetch, by)) this.pageFault(true, false, write, fetch, by);
      guestFrame = walk.frame;
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
    }
    return frame;
  }

  private pageFault(
    present: boolean,
    reserved: boolean,
    write: boolean,
    fetch: boolean,
    by: PagingRights,
  ): never {
    this.cpu.raise(VECTOR.pf, pageFaultErrorCode(present, reserved, write, fetch, by), this.access.linear);
  }

  private setAccessedAndDirty(walk: RadixWalk, write: boolean): void {
    const leaf = walk.level;
    for (let level = this.format.levels; level >= leaf; level--) {
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
    }
    const frame = Math.floor(physical / 4096);
    if (!cpu.bus.isRam(frame)) return;
    if (this.observer !== undefined && cpu.nonRoot) this.observer.frame(frame, 'paging-structure', true);
    const offset = physical % 4096;
    if (this.code.hit(frame, offset, 8)) this.code.drop(frame);
    this.own(frame).words[offset >> 2]! |= bits;
  }

  /** The frame that instructions at a linear address come from. */
  fetchFrame(low: number, high: number): number {
    if (this.cpu.mode64) {
      const top = high >> 15;
      if (top !== 0 && top !== -1) this.cpu.generalProtection();
    }
    const frame = this.translate(low, high, false, true, false);
    if (!this.cpu.bus.isRam(frame)) this.cpu.unbuilt('instruction fetch from a device');
    return frame;
  }
}
