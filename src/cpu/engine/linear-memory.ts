import {
  ENTRY,
  type EntrySource,
  high32,
  join,
  low32,
  type MemoryDraft,
  type Page,
  type PagingFormat,
  RadixWalk,
} from '../../core';
import { VECTOR } from '../event';
import { dataBreakpoint } from '../events/debug';
import type { LinearAccess, Mmu } from '../mmu';
import { accessAllowed, type PagingRights, pageFaultErrorCode } from '../page-fault';
import { ia32ePaging, PTE } from '../paging-format';
import { LEFT, type ProcessorDraft } from '../processor-draft';
import { CR0, CR4, EFER, FLAG, SLOT } from '../slots';
import type { PhysicalAccess } from '../virtualization';
import { FastPages } from './fast-pages';

const VALUE = 2 * SLOT.value;
const RFLAGS = 2 * SLOT.rflags;
const DR7 = 2 * SLOT.dr7;

/** Where non-root execution touched memory; for the resource-control criterion. */
export interface FrameObserver {
  frame(frame: number, use: 'data' | 'fetch' | 'paging-structure', write: boolean): void;
}

/** The physical pages that hold decoded instructions. */
export interface CodeFrames {
  has(frame: number): boolean;
  /** Whether a write to bytes of a frame hits decoded instructions. */
  hit(frame: number, offset: number, bytes: number): boolean;
  /** Forgets everything decoded from a frame. */
  drop(frame: number): void;
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

/** Bits 63:32 of the last canonical addresses of the lower half. */
const LAST_LOW_HIGH = 0x7fff;

/**
 * Linear memory of one processor: checks, walks, and the fast arrays. Semantically it walks on every access (policy `none`): frames that a walk
 * used are watched, and a write to one of them drops everything derived.
 */
export class LinearMemory implements Mmu {
  cpu!: ProcessorDraft;
  code!: CodeFrames;
  observer: FrameObserver | undefined;
  /** Whether the instruction runs alone: only then may it reach a device or overwrite code; else it is restarted alone. */
  alone = false;
  restartAlone = false;

  readonly fast = new FastPages();
  private readonly walkRegisters = new RadixWalk();
  private readonly entries: EntrySource;
  private readonly access = new CurrentAccess();
  /** Frames of the paging structures behind the fast arrays. */
  private readonly watched = new Set<number>();
  private format: PagingFormat;
  private formatNoExecute = true;
  private breakpointKey = 0;

  constructor(
    public memory: MemoryDraft,
    private readonly physicalAddressWidth: number,
  ) {
    this.format = ia32ePaging(physicalAddressWidth, true);
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

  // ---- context: what the fast arrays are tagged with

  contextChanged(): void {
    this.fast.contextStale = true;
  }

  /** Whether DR7 enables a breakpoint. */
  breakpointsArmed(): boolean {
    return (this.cpu.W[DR7] & 0xff) !== 0;
  }

  /** Brings the tag of the fast arrays up to date; called before instructions run. */
  selectContext(): void {
    const cpu = this.cpu;
    const W = cpu.W;
    const breakpoints =
      (W[DR7]! & 0xff) === 0
        ? 0
        : W[DR7]! ^
          W[2 * SLOT.dr0]! ^
          (W[2 * SLOT.dr1]! << 1) ^
          (W[2 * SLOT.dr2]! << 2) ^
          (W[2 * SLOT.dr3]! << 3);
    if (breakpoints !== this.breakpointKey) {
      this.breakpointKey = breakpoints;
      this.flush();
    }
    const cr4 = W[2 * SLOT.cr4]!;
    const user = cpu.cpl === 3;
    const key =
      (user ? 1 : 0) |
      ((W[2 * SLOT.cr0]! & CR0.wp) !== 0 ? 2 : 0) |
      ((cr4 & CR4.smep) !== 0 ? 4 : 0) |
      ((cr4 & CR4.smap) !== 0 && (W[RFLAGS]! & FLAG.ac) === 0 ? 8 : 0) |
      ((W[2 * SLOT.efer]! & EFER.nxe) !== 0 ? 16 : 0) |
      (cpu.paging ? 32 : 0) |
      (cpu.nonRoot ? 64 : 0) |
      ((W[RFLAGS]! & FLAG.ac) !== 0 && user && (W[2 * SLOT.cr0]! & CR0.am) !== 0 ? 128 : 0) |
      (cpu.codeSize << 8);
    const root = cpu.nonRoot ? cpu.virtualization!.translationRoot(cpu) : 0;
    W[2 * SLOT.engine] = this.fast.select(key, W[2 * SLOT.cr3]!, W[2 * SLOT.cr3 + 1]!, root) << 4;
    W[2 * SLOT.engine + 1] = this.fast.epoch();
    this.fast.contextStale = false;
  }

  flush(): void {
    this.fast.flush();
    this.watched.clear();
    this.onPagesReplaced();
    this.fast.contextStale = true;
    if (this.cpu === undefined) return;
    this.cpu.W[2 * SLOT.engine] = 0;
    this.cpu.W[2 * SLOT.engine + 1] = this.fast.epoch();
  }

  /** The memory was published: every page is shared now, and must be copied before it is written. */
  published(): void {
    this.fast.dropWrites();
  }

  /** A page of a table that translations go through, and that is not of a guest's making (EPT); a write to it drops what was derived. */
  watchedPage(frame: number): Page {
    this.watch(frame);
    return this.memory.page(frame);
  }

  /** Called when views of pages may have become stale. */
  onPagesReplaced: () => void = () => {};

  // ---- translation

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

  /** A write to this frame will drop everything derived from translations. */
  watch(frame: number): void {
    if (this.watched.has(frame)) return;
    this.watched.add(frame);
    this.fast.dropWrites();
  }

  private rights: PagingRights = {
    user: false,
    writeProtect: false,
    smep: false,
    smap: false,
    noExecute: false,
  };

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
      if (noExecute !== this.formatNoExecute) {
        this.format = ia32ePaging(this.physicalAddressWidth, noExecute);
        this.formatNoExecute = noExecute;
      }
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

  /** The page for writing; views of the old copy are dropped when it had to be copied. */
  private own(frame: number): Page {
    const before = this.memory.page(frame);
    if (this.memory.owns(before)) return before;
    const page = this.memory.ownedPage(frame);
    this.fast.dropReads();
    this.onPagesReplaced();
    return page;
  }

  // ---- accesses of instructions: called when the fast arrays do not answer

  /** Canonical and alignment checks, then `bytes` at a linear address into the value slot; returns its low half. */
  readSlow(low: number, high: number, bytes: number, stack: boolean, forWrite = false): number {
    this.checkAddress(low, high, bytes, stack);
    const offset = low & 4095;
    if (offset + bytes > 4096) return this.readCrossing(low, high, bytes, forWrite);
    const frame = this.translate(low, high, forWrite, false, false);
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, false);
    if (!this.cpu.bus.isRam(frame)) return this.readDevice(frame * 4096 + offset, bytes);
    if (forWrite) this.fillWrite(low, high, frame);
    else this.fillRead(low, high, frame);
    return this.readBytes(this.memory.page(frame), offset, bytes);
  }

  writeSlow(
    low: number,
    high: number,
    bytes: number,
    valueLow: number,
    valueHigh: number,
    stack: boolean,
  ): void {
    this.checkAddress(low, high, bytes, stack);
    const offset = low & 4095;
    if (offset + bytes > 4096) {
      this.writeCrossing(low, high, bytes, valueLow, valueHigh);
      return;
    }
    const frame = this.translate(low, high, true, false, false);
    if (this.cpu.bus.isRam(frame)) {
      if (!this.alone && this.code.hit(frame, offset, bytes)) this.restart();
      this.fillWrite(low, high, frame);
      this.writeBytes(frame, offset, bytes, valueLow, valueHigh);
    } else this.writeDevice(frame * 4096 + offset, bytes, valueLow, valueHigh);
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, true);
  }

  private checkAddress(low: number, high: number, bytes: number, stack: boolean): void {
    const cpu = this.cpu;
    if (cpu.mode64) {
      const top = high >> 15;
      const ends = high === LAST_LOW_HIGH && (low >>> 0) + bytes > 0x1_0000_0000;
      if ((top !== 0 && top !== -1) || ends) cpu.raise(stack ? VECTOR.ss : VECTOR.gp, 0);
    }
    if (
      (low & (bytes - 1)) !== 0 &&
      (cpu.W[RFLAGS]! & FLAG.ac) !== 0 &&
      (cpu.W[2 * SLOT.cr0]! & CR0.am) !== 0 &&
      cpu.cpl === 3
    )
      cpu.raise(VECTOR.ac, 0);
  }

  private restart(): never {
    this.restartAlone = true;
    throw LEFT;
  }

  private dataBreakpoints(low: number, high: number, bytes: number, write: boolean): void {
    dataBreakpoint(this.cpu, join(low, high), bytes, write ? 'write' : 'read');
  }

  private fillRead(low: number, high: number, frame: number): void {
    if (!this.breakpointsArmed())
      this.fast.fillRead(low, high, this.cpu.W[2 * SLOT.engine]!, this.memory.page(frame));
  }

  private fillWrite(low: number, high: number, frame: number): void {
    if (this.breakpointsArmed() || this.watched.has(frame) || this.code.has(frame)) return;
    const page = this.own(frame);
    this.fast.fillWrite(low, high, this.cpu.W[2 * SLOT.engine]!, page);
  }

  private readBytes(page: Page, offset: number, bytes: number): number {
    const b = page.bytes;
    const W = this.cpu.W;
    let low = b[offset]!;
    let high = 0;
    for (let i = 1; i < bytes; i++) {
      if (i < 4) low |= b[offset + i]! << (8 * i);
      else high |= b[offset + i]! << (8 * i - 32);
    }
    W[VALUE] = low;
    W[VALUE + 1] = high;
    return low;
  }

  /** Writes to RAM: whatever was derived from these bytes is dropped. */
  private writeBytes(
    frame: number,
    offset: number,
    bytes: number,
    valueLow: number,
    valueHigh: number,
  ): void {
    if (this.code.hit(frame, offset, bytes)) this.code.drop(frame);
    const b = this.own(frame).bytes;
    for (let i = 0; i < bytes; i++) b[offset + i] = i < 4 ? valueLow >>> (8 * i) : valueHigh >>> (8 * i - 32);
    if (this.watched.has(frame)) this.flush();
  }

  private readCrossing(low: number, high: number, bytes: number, forWrite: boolean): number {
    const first = 4096 - (low & 4095);
    const [nextLow, nextHigh] = this.nextPage(low, high);
    const frames = [
      this.translate(low, high, forWrite, false, false),
      this.translate(nextLow, nextHigh, forWrite, false, false),
    ] as const;
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, false);
    const W = this.cpu.W;
    let valueLow = 0;
    let valueHigh = 0;
    for (let i = 0; i < bytes; i++) {
      const frame = i < first ? frames[0] : frames[1];
      const offset = i < first ? (low & 4095) + i : i - first;
      const byte = this.cpu.bus.isRam(frame)
        ? this.memory.page(frame).bytes[offset]!
        : this.readDevice(frame * 4096 + offset, 1);
      if (i < 4) valueLow |= byte << (8 * i);
      else valueHigh |= byte << (8 * i - 32);
    }
    W[VALUE] = valueLow;
    W[VALUE + 1] = valueHigh;
    return valueLow;
  }

  private writeCrossing(low: number, high: number, bytes: number, valueLow: number, valueHigh: number): void {
    const first = 4096 - (low & 4095);
    const [nextLow, nextHigh] = this.nextPage(low, high);
    const frames = [
      this.translate(low, high, true, false, false),
      this.translate(nextLow, nextHigh, true, false, false),
    ] as const;
    if (
      !this.alone &&
      (this.code.hit(frames[0], low & 4095, first) || this.code.hit(frames[1], 0, bytes - first))
    )
      this.restart();
    for (let i = 0; i < bytes; i++) {
      const frame = i < first ? frames[0] : frames[1];
      const offset = i < first ? (low & 4095) + i : i - first;
      const byte = (i < 4 ? valueLow >>> (8 * i) : valueHigh >>> (8 * i - 32)) & 255;
      if (this.cpu.bus.isRam(frame)) this.writeBytes(frame, offset, 1, byte, 0);
      else this.writeDevice(frame * 4096 + offset, 1, byte, 0);
    }
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, true);
  }

  /** The first byte of the page after the one that holds an address; addresses wrap at 4 GiB outside 64-bit mode. */
  private nextPage(low: number, high: number): readonly [number, number] {
    const next = ((low & -4096) + 4096) | 0;
    const nextHigh = next === 0 && this.cpu.mode64 ? (high + 1) | 0 : high;
    return [next, nextHigh];
  }

  // ---- devices

  private readDevice(address: number, bytes: number): number {
    if (!this.alone) this.restart();
    const W = this.cpu.W;
    const bus = this.cpu.bus;
    this.cpu.iterationBudget = 0;
    W[VALUE + 1] = bytes === 8 ? bus.readMmio(address + 4, 4) | 0 : 0;
    W[VALUE] = bus.readMmio(address, bytes === 8 ? 4 : (bytes as 1 | 2 | 4)) | 0;
    this.cpu.boundaryWork = true;
    return W[VALUE]!;
  }

  private writeDevice(address: number, bytes: number, low: number, high: number): void {
    if (!this.alone) this.restart();
    const bus = this.cpu.bus;
    this.cpu.iterationBudget = 0;
    bus.writeMmio(
      address,
      bytes === 8 ? 4 : (bytes as 1 | 2 | 4),
      bytes === 1 ? low & 255 : bytes === 2 ? low & 65535 : low >>> 0,
    );
    if (bytes === 8) bus.writeMmio(address + 4, 4, high >>> 0);
    this.cpu.boundaryWork = true;
  }

  // ---- Mmu: system instructions and event delivery

  read(linear: bigint, bytes: number, access?: LinearAccess): bigint {
    const low = low32(linear);
    const high = high32(linear);
    const implicit = access?.implicit === true;
    const first = Math.min(bytes, 4096 - (low & 4095));
    let value = this.readPart(this.translate(low, high, false, false, implicit), low & 4095, first);
    if (first < bytes) {
      const [nextLow, nextHigh] = this.nextPage(low, high);
      value |=
        this.readPart(this.translate(nextLow, nextHigh, false, false, implicit), 0, bytes - first) <<
        BigInt(8 * first);
    }
    if (this.breakpointsArmed() && !implicit) dataBreakpoint(this.cpu, linear, bytes, 'read');
    return value;
  }

  private readPart(frame: number, offset: number, bytes: number): bigint {
    if (this.cpu.bus.isRam(frame)) {
      this.readBytes(this.memory.page(frame), offset, bytes);
      return this.cpu.R[SLOT.value]!;
    }
    if (bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8) {
      this.readDevice(frame * 4096 + offset, bytes);
      return this.cpu.R[SLOT.value]! & ((1n << BigInt(8 * bytes)) - 1n);
    }
    let value = 0n;
    for (let i = 0; i < bytes; i++)
      value |= BigInt(this.readDevice(frame * 4096 + offset + i, 1) & 255) << BigInt(8 * i);
    return value;
  }

  write(linear: bigint, bytes: number, value: bigint, access?: LinearAccess): void {
    const low = low32(linear);
    const high = high32(linear);
    const implicit = access?.implicit === true;
    const first = Math.min(bytes, 4096 - (low & 4095));
    const frame = this.translate(low, high, true, false, implicit);
    if (first === bytes) {
      if (this.cpu.bus.isRam(frame)) {
        if (!this.alone && !implicit && this.code.hit(frame, low & 4095, bytes)) this.restart();
        this.writeBytes(frame, low & 4095, bytes, low32(value), high32(value));
      } else this.writeDevice(frame * 4096 + (low & 4095), bytes, low32(value), high32(value));
    } else {
      const [nextLow, nextHigh] = this.nextPage(low, high);
      const next = this.translate(nextLow, nextHigh, true, false, implicit);
      for (let i = 0; i < bytes; i++) {
        const byte = Number((value >> BigInt(8 * i)) & 255n);
        const [at, offset] = i < first ? [frame, (low & 4095) + i] : [next, i - first];
        if (this.cpu.bus.isRam(at)) this.writeBytes(at, offset, 1, byte, 0);
        else this.writeDevice(at * 4096 + offset, 1, byte, 0);
      }
    }
    if (this.breakpointsArmed() && !implicit) dataBreakpoint(this.cpu, linear, bytes, 'write');
  }

  probeWrite(linear: bigint, bytes: number, access?: LinearAccess): void {
    const low = low32(linear);
    const high = high32(linear);
    const implicit = access?.implicit === true;
    this.translate(low, high, true, false, implicit);
    if ((low & 4095) + bytes > 4096) {
      const [nextLow, nextHigh] = this.nextPage(low, high);
      this.translate(nextLow, nextHigh, true, false, implicit);
    }
  }

  fill(linear: bigint, bytes: number, count: number, value: bigint): number {
    const low = low32(linear);
    const offset = low & 4095;
    const elements = Math.min(count, Math.floor((4096 - offset) / bytes));
    if (elements < 2 || this.breakpointsArmed()) return 0;
    const frame = this.translate(low, high32(linear), true, false, false);
    if (!this.isPlain(frame)) return 0;
    const target = this.own(frame).bytes;
    const length = elements * bytes;
    for (let i = 0; i < bytes; i++) target[offset + i] = Number((value >> BigInt(8 * i)) & 255n);
    // Doubles what is there until the range is full.
    for (let done = bytes; done < length; done *= 2)
      target.copyWithin(offset + done, offset, offset + Math.min(done, length - done));
    return elements;
  }

  copy(from: bigint, to: bigint, bytes: number, count: number): number {
    const fromLow = low32(from);
    const toLow = low32(to);
    const fromOffset = fromLow & 4095;
    const toOffset = toLow & 4095;
    const elements = Math.min(
      count,
      Math.floor((4096 - fromOffset) / bytes),
      Math.floor((4096 - toOffset) / bytes),
    );
    if (elements < 2 || this.breakpointsArmed()) return 0;
    const source = this.translate(fromLow, high32(from), false, false, false);
    if (!this.cpu.bus.isRam(source)) return 0;
    const target = this.translate(toLow, high32(to), true, false, false);
    if (!this.isPlain(target)) return 0;
    // An ascending copy onto bytes that are still to be read repeats them: element by element then.
    const length = elements * bytes;
    if (source === target && toOffset > fromOffset && toOffset < fromOffset + length) return 0;
    const bytesOfTarget = this.own(target).bytes;
    bytesOfTarget.set(this.memory.page(source).bytes.subarray(fromOffset, fromOffset + length), toOffset);
    return elements;
  }

  /** RAM from which nothing was derived. */
  private isPlain(frame: number): boolean {
    return this.cpu.bus.isRam(frame) && !this.watched.has(frame) && !this.code.has(frame);
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

  fetch(linear: bigint): { readonly bytes: Uint8Array; readonly offset: number } {
    const low = low32(linear);
    return { bytes: this.memory.page(this.fetchFrame(low, high32(linear))).bytes, offset: low & 4095 };
  }

  readPhysical(address: number, bytes: number): bigint {
    const offset = address % 4096;
    if (offset + bytes > 4096) {
      const first = 4096 - offset;
      return (
        this.readPhysical(address, first) |
        (this.readPhysical(address + first, bytes - first) << BigInt(8 * first))
      );
    }
    const frame = Math.floor(address / 4096);
    if (!this.cpu.bus.isRam(frame)) return (1n << BigInt(8 * bytes)) - 1n;
    this.readBytes(this.memory.page(frame), offset, bytes);
    return this.cpu.R[SLOT.value]!;
  }

  writePhysical(address: number, bytes: number, value: bigint): void {
    const offset = address % 4096;
    if (offset + bytes > 4096) {
      const first = 4096 - offset;
      this.writePhysical(address, first, value);
      this.writePhysical(address + first, bytes - first, value >> BigInt(8 * first));
      return;
    }
    const frame = Math.floor(address / 4096);
    if (this.cpu.bus.isRam(frame)) this.writeBytes(frame, offset, bytes, low32(value), high32(value));
  }
}
