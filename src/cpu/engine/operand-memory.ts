import { join } from '../../core';
import { VECTOR } from '../event';
import { dataBreakpoint } from '../events/debug';
import { LEFT } from '../processor-draft';
import { canonicalShift } from '../segmented-address';
import { CR0, FLAG, SLOT } from '../slots';
import { CONTEXT_AT, VALUE_AT, VALUE_HIGH_AT } from './engine-slots';
import { fastIndex } from './fast-pages';
import { Translation } from './translation';

const RFLAGS = 2 * SLOT.rflags;
/** Accessed and dirty flags of guest and EPT entries. */
const FLAGS = 0x360;

/** What a slow access must know of its segment: it is SS; it was not checked, for base and limit are 0 and 4 GiB (the access may yet wrap around). */
export const ACCESS_KIND = { stack: 1, flat: 2 } as const;

export const putBytes = (
  target: Uint8Array,
  offset: number,
  bytes: number,
  valueLow: number,
  valueHigh: number,
): void => {
  for (let i = 0; i < bytes; i++)
    target[offset + i] = i < 4 ? valueLow >>> (8 * i) : valueHigh >>> (8 * i - 32);
};

/** Accesses of instructions that the fast arrays do not answer: checks, breakpoints, page crossings and devices. */
export abstract class OperandMemory extends Translation {
  /** Whether the instruction runs alone: only then may it reach a device or overwrite code; else it is restarted alone. */
  alone = false;
  restartAlone = false;
  /** The context is that of the instruction in execution: the fast arrays may answer `read` and `write` too. */
  quick = false;

  /** Canonical and alignment checks, then `bytes` at a linear address into the value slot; returns its low half. `kind` is a set of `ACCESS_KIND`. */
  readSlow(low: number, high: number, bytes: number, kind: number, forWrite = false): number {
    const offset = low & 4095;
    const known = this.knownPage(low, high, offset + bytes, forWrite);
    if (known !== undefined) return this.readBytes(known, offset, bytes);
    this.checkAddress(low, high, bytes, kind);
    if (offset + bytes > 4096) return this.readCrossing(low, high, bytes, forWrite);
    const frame = this.translate(low, high, forWrite, false, false, forWrite);
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, false);
    if (!this.cpu.bus.isMemory(frame)) return this.readDevice(frame * 4096 + offset, bytes);
    this.reachKept(frame, offset, bytes, 'read');
    if (forWrite) this.requireAlone(frame, offset, bytes);
    if (forWrite && this.cpu.bus.isRam(frame)) this.fillWrite(low, high, frame);
    else this.fillRead(low, high, frame);
    return this.readBytes(this.memory.page(frame).bytes, offset, bytes);
  }

  writeSlow(
    low: number,
    high: number,
    bytes: number,
    valueLow: number,
    valueHigh: number,
    kind: number,
  ): void {
    const offset = low & 4095;
    const known = this.knownPage(low, high, offset + bytes, true);
    if (known !== undefined) {
      putBytes(known, offset, bytes, valueLow, valueHigh);
      return;
    }
    this.checkAddress(low, high, bytes, kind);
    if (offset + bytes > 4096) {
      this.writeCrossing(low, high, bytes, valueLow, valueHigh);
      return;
    }
    const frame = this.translate(low, high, true, false, false);
    if (this.cpu.bus.isRam(frame)) {
      this.reachKept(frame, offset, bytes, 'write');
      this.requireAlone(frame, offset, bytes);
      this.fillWrite(low, high, frame);
      this.writeBytes(frame, offset, bytes, valueLow, valueHigh);
    } else this.writeDevice(frame * 4096 + offset, bytes, valueLow, valueHigh);
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, true);
  }

  /** Bytes of the page when the fast arrays know it and the access, which ends before `end` of the page, is only misaligned. */
  protected knownPage(low: number, high: number, end: number, forWrite: boolean): Uint8Array | undefined {
    const { fast } = this;
    const W = this.cpu.W;
    if (end > 4096 || (W[RFLAGS] & FLAG.ac) !== 0) return undefined;
    const at = fastIndex(low, high);
    const tag = (low & -4096) | W[CONTEXT_AT];
    if (forWrite)
      return fast.writeLow[at] === tag && fast.writeHigh[at] === high ? fast.writeBytes[at] : undefined;
    return fast.readLow[at] === tag && fast.readHigh[at] === high ? fast.readBytes[at] : undefined;
  }

  private checkAddress(low: number, high: number, bytes: number, kind: number): void {
    const cpu = this.cpu;
    if (cpu.mode64) {
      const shift = canonicalShift(cpu);
      const top = high >> shift;
      const ends = high === 2 ** shift - 1 && (low >>> 0) + bytes > 0x1_0000_0000;
      if ((top !== 0 && top !== -1) || ends)
        cpu.raise((kind & ACCESS_KIND.stack) !== 0 ? VECTOR.ss : VECTOR.gp, 0);
    } else if ((kind & ACCESS_KIND.flat) !== 0 && (low >>> 0) + bytes > 0x1_0000_0000)
      cpu.raise((kind & ACCESS_KIND.stack) !== 0 ? VECTOR.ss : VECTOR.gp, 0);
    if (
      (low & (bytes - 1)) !== 0 &&
      (cpu.W[RFLAGS]! & FLAG.ac) !== 0 &&
      (cpu.W[2 * SLOT.cr0]! & CR0.am) !== 0 &&
      cpu.cpl === 3
    )
      cpu.raise(VECTOR.ac, 0);
  }

  /** The frame whose keeper hears of writes to it; -1: none. */
  protected writesKept = -1;

  /** An access that can no longer fault reaches a frame; where a processor keeps it, the instruction runs alone. */
  protected reachKept(
    frame: number,
    offset: number,
    bytes: number,
    access: 'read' | 'write',
    implicit = false,
  ): void {
    const keeper = this.kept.size === 0 ? undefined : this.kept.get(frame);
    if (keeper === undefined) return;
    if (!implicit && !this.alone) this.restart();
    this.writesKept = -1;
    const heard = keeper.reached(this.cpu, { address: frame * 4096 + offset, bytes, access, implicit });
    if (heard && access === 'write') this.writesKept = frame;
  }

  protected restart(): never {
    this.restartAlone = true;
    throw LEFT;
  }

  /**
   * A write to code, or to a paging structure that a translation came from, may change what the next instruction is: it is made alone, and
   * asked for before anything changes, since the instruction begins again.
   */
  protected requireAlone(frame: number, offset: number, bytes: number): void {
    if (!this.alone && (this.code.hit(frame, offset, bytes) || this.isEntry(frame, offset, bytes)))
      this.restart();
  }

  private dataBreakpoints(low: number, high: number, bytes: number, write: boolean): void {
    dataBreakpoint(this.cpu, join(low, high), bytes, write ? 'write' : 'read');
  }

  protected fillRead(low: number, high: number, frame: number): void {
    if (!this.breakpointsArmed() && !this.eachUse && !this.kept.has(frame))
      this.fast.fillRead(low, high, this.cpu.W[CONTEXT_AT]!, this.memory.page(frame));
  }

  protected fillWrite(low: number, high: number, frame: number): void {
    if (this.breakpointsArmed() || this.eachUse || this.isDerivedFrom(frame)) return;
    const page = this.own(frame);
    this.fast.fillWrite(low, high, this.cpu.W[CONTEXT_AT]!, page);
  }

  protected readBytes(b: Uint8Array, offset: number, bytes: number): number {
    const W = this.cpu.W;
    let low = b[offset]!;
    let high = 0;
    for (let i = 1; i < bytes; i++) {
      if (i < 4) low |= b[offset + i]! << (8 * i);
      else high |= b[offset + i]! << (8 * i - 32);
    }
    W[VALUE_AT] = low;
    W[VALUE_HIGH_AT] = high;
    return low;
  }

  /** Writes to RAM: whatever was derived from these bytes is dropped. */
  protected writeBytes(
    frame: number,
    offset: number,
    bytes: number,
    valueLow: number,
    valueHigh: number,
  ): void {
    this.dropCode(frame, offset, bytes);
    this.triggerMonitors(frame, offset, bytes);
    const before = this.remembered === undefined ? undefined : this.beforeTableWrite(frame, offset, bytes);
    putBytes(this.own(frame).bytes, offset, bytes, valueLow, valueHigh);
    if (before !== undefined) this.tableWritten(frame, offset, before);
    this.dropTranslations(frame, offset, bytes);
    if (frame === this.writesKept) this.kept.get(frame)?.written(this.cpu);
  }

  /** What the entries hold that a write touches, from the first of 8 bytes on; undefined where nothing is remembered from them. */
  private beforeTableWrite(frame: number, offset: number, bytes: number): readonly number[] | undefined {
    const first = offset >> 3;
    const end = ((offset + bytes - 1) >> 3) + 1;
    for (const one of [this, ...this.peers])
      if (one.remembers(frame) && one.remembered!.speculates)
        for (let at = first; at < end; at++) one.remembered!.beforeWrite(frame * 4096 + 8 * at);
    if (!this.isEntry(frame, offset, bytes)) return undefined;
    return Array.from(this.memory.page(frame).words.subarray(2 * first, 2 * end));
  }

  private tableWritten(frame: number, offset: number, before: readonly number[]): void {
    const first = 2 * (offset >> 3);
    const { words } = this.memory.page(frame);
    const { cpu } = this;
    const { vpid, pcid } = this.remembered!.now();
    const write = {
      processor: cpu.number,
      rip: cpu.rip,
      clock: cpu.clock.now(),
      vpid,
      pcid,
    };
    for (let index = 0; index < before.length; index++) {
      const old = before[index];
      const now = words[first + index];
      // Flags that are set change no translation.
      if (old === now || ((old & ~now) === 0 && (now & ~old & ~FLAGS) === 0)) continue;
      const address = frame * 4096 + 4 * (first + index);
      for (const { remembered } of [this, ...this.peers])
        if (remembered!.hasEntry(address, 4)) remembered!.written(address, write);
    }
  }

  /** Whether translations of some processor came from bytes of a frame, or may come from them just before they are written: their write is made alone. */
  private isEntry(frame: number, offset: number, bytes: number): boolean {
    if (this.cameFrom(frame, offset, bytes)) return true;
    if (this.remembered === undefined) return false;
    return (
      (this.remembered.speculates && [this, ...this.peers].some((one) => one.remembers(frame))) ||
      this.peers.some((peer) => peer.cameFrom(frame, offset, bytes))
    );
  }

  private readCrossing(low: number, high: number, bytes: number, forWrite: boolean): number {
    const first = 4096 - (low & 4095);
    const [nextLow, nextHigh] = this.nextPage(low, high);
    const frames = [
      this.translate(low, high, forWrite, false, false, forWrite),
      this.translate(nextLow, nextHigh, forWrite, false, false, forWrite),
    ] as const;
    this.reachKept(frames[0], low & 4095, first, 'read');
    this.reachKept(frames[1], 0, bytes - first, 'read');
    if (forWrite) {
      this.requireAlone(frames[0], low & 4095, first);
      this.requireAlone(frames[1], 0, bytes - first);
    }
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, false);
    const W = this.cpu.W;
    let valueLow = 0;
    let valueHigh = 0;
    for (let i = 0; i < bytes; i++) {
      const frame = i < first ? frames[0] : frames[1];
      const offset = i < first ? (low & 4095) + i : i - first;
      const byte = this.cpu.bus.isMemory(frame)
        ? this.memory.page(frame).bytes[offset]!
        : this.readDevice(frame * 4096 + offset, 1);
      if (i < 4) valueLow |= byte << (8 * i);
      else valueHigh |= byte << (8 * i - 32);
    }
    W[VALUE_AT] = valueLow;
    W[VALUE_HIGH_AT] = valueHigh;
    return valueLow;
  }

  private writeCrossing(low: number, high: number, bytes: number, valueLow: number, valueHigh: number): void {
    const first = 4096 - (low & 4095);
    const [nextLow, nextHigh] = this.nextPage(low, high);
    const frames = [
      this.translate(low, high, true, false, false),
      this.translate(nextLow, nextHigh, true, false, false),
    ] as const;
    this.reachKept(frames[0], low & 4095, first, 'write');
    this.reachKept(frames[1], 0, bytes - first, 'write');
    this.requireAlone(frames[0], low & 4095, first);
    this.requireAlone(frames[1], 0, bytes - first);
    for (let i = 0; i < bytes; i++) {
      const frame = i < first ? frames[0] : frames[1];
      const offset = i < first ? (low & 4095) + i : i - first;
      const byte = (i < 4 ? valueLow >>> (8 * i) : valueHigh >>> (8 * i - 32)) & 255;
      if (this.cpu.bus.isRam(frame)) this.writeBytes(frame, offset, 1, byte, 0);
      else this.writeDevice(frame * 4096 + offset, 1, byte, 0);
    }
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, true);
  }

  /** The first byte of the page after the one that holds an address; addresses wrap at 4 GiB outside 64-bit mode, those of the processor's own structures outside IA-32e mode. */
  protected nextPage(low: number, high: number, implicit = false): readonly [number, number] {
    const next = ((low & -4096) + 4096) | 0;
    const wide = implicit ? this.cpu.longMode : this.cpu.mode64;
    return [next, next === 0 && wide ? (high + 1) | 0 : high];
  }

  protected readDevice(address: number, bytes: number): number {
    if (!this.alone) this.restart();
    const W = this.cpu.W;
    const bus = this.cpu.bus;
    this.cpu.iterationBudget = 0;
    const low = bus.readMmio(address, bytes === 8 ? 4 : (bytes as 1 | 2 | 4)) | 0;
    W[VALUE_HIGH_AT] = bytes === 8 ? bus.readMmio(address + 4, 4) | 0 : 0;
    W[VALUE_AT] = low;
    this.cpu.boundaryWork = true;
    return low;
  }

  protected writeDevice(address: number, bytes: number, low: number, high: number): void {
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
}
