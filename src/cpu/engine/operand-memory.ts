import { join, type Page } from '../../core';
import { VECTOR } from '../event';
import { dataBreakpoint } from '../events/debug';
import { LEFT } from '../processor-draft';
import { CR0, FLAG, SLOT } from '../slots';
import { CONTEXT_AT, VALUE_AT, VALUE_HIGH_AT } from './engine-slots';
import { Translation } from './translation';

const RFLAGS = 2 * SLOT.rflags;
/** Bits 63:32 of the last canonical addresses of the lower half. */
const LAST_LOW_HIGH = 0x7fff;

/** Accesses of instructions that the fast arrays do not answer: checks, breakpoints, page crossings and devices. */
export abstract class OperandMemory extends Translation {
  /** Whether the instruction runs alone: only then may it reach a device or overwrite code; else it is restarted alone. */
  alone = false;
  restartAlone = false;

  /** Canonical and alignment checks, then `bytes` at a linear address into the value slot; returns its low half. */
  readSlow(low: number, high: number, bytes: number, stack: boolean, forWrite = false): number {
    this.checkAddress(low, high, bytes, stack);
    const offset = low & 4095;
    if (offset + bytes > 4096) return this.readCrossing(low, high, bytes, forWrite);
    const frame = this.translate(low, high, forWrite, false, false);
    if (this.breakpointsArmed()) this.dataBreakpoints(low, high, bytes, false);
    if (!this.cpu.bus.isRam(frame)) return this.readDevice(frame * 4096 + offset, bytes);
    if (forWrite) this.requireAlone(frame, offset, bytes);
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
      this.requireAlone(frame, offset, bytes);
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

  protected restart(): never {
    this.restartAlone = true;
    throw LEFT;
  }

  /**
   * A write to code, or to a paging structure that a translation came from, may change what the next instruction is: it is made alone, and
   * asked for before anything changes, since the instruction begins again.
   */
  protected requireAlone(frame: number, offset: number, bytes: number): void {
    if (!this.alone && (this.code.hit(frame, offset, bytes) || this.watched.has(frame))) this.restart();
  }

  private dataBreakpoints(low: number, high: number, bytes: number, write: boolean): void {
    dataBreakpoint(this.cpu, join(low, high), bytes, write ? 'write' : 'read');
  }

  private fillRead(low: number, high: number, frame: number): void {
    if (!this.breakpointsArmed())
      this.fast.fillRead(low, high, this.cpu.W[CONTEXT_AT]!, this.memory.page(frame));
  }

  private fillWrite(low: number, high: number, frame: number): void {
    if (this.breakpointsArmed() || this.watched.has(frame) || this.code.has(frame)) return;
    const page = this.own(frame);
    this.fast.fillWrite(low, high, this.cpu.W[CONTEXT_AT]!, page);
  }

  protected readBytes(page: Page, offset: number, bytes: number): number {
    const b = page.bytes;
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
      const byte = this.cpu.bus.isRam(frame)
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

  /** The first byte of the page after the one that holds an address; addresses wrap at 4 GiB outside 64-bit mode. */
  protected nextPage(low: number, high: number): readonly [number, number] {
    const next = ((low & -4096) + 4096) | 0;
    const nextHigh = next === 0 && this.cpu.mode64 ? (high + 1) | 0 : high;
    return [next, nextHigh];
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
