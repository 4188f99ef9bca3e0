import { high32, low32 } from '../../core';
import { dataBreakpoint } from '../events/debug';
import type { LinearAccess, Mmu } from '../mmu';
import { SLOT } from '../slots';
import { OperandMemory, putBytes } from './operand-memory';

/** Memory of one processor. Here: what system instructions, event delivery and string instructions ask for. */
export class LinearMemory extends OperandMemory implements Mmu {
  read(linear: bigint, bytes: number, access?: LinearAccess): bigint {
    const low = low32(linear);
    const high = high32(linear);
    const implicit = access?.implicit === true;
    const quick = this.quick && !implicit;
    const known = quick ? this.knownPage(low, high, (low & 4095) + bytes, false) : undefined;
    if (known !== undefined) {
      this.readBytes(known, low & 4095, bytes);
      return this.cpu.R[SLOT.value]!;
    }
    const first = Math.min(bytes, 4096 - (low & 4095));
    const frame = this.translate(low, high, false, false, implicit);
    let value: bigint;
    if (first === bytes) {
      this.reachKept(frame, low & 4095, bytes, 'read', implicit);
      if (quick && this.cpu.bus.isRam(frame)) this.fillRead(low, high, frame);
      value = this.readPart(frame, low & 4095, bytes);
    } else {
      // Both pages are asked for before a device on the first one is read.
      const [nextLow, nextHigh] = this.nextPage(low, high, implicit);
      const next = this.translate(nextLow, nextHigh, false, false, implicit);
      this.reachKept(frame, low & 4095, first, 'read', implicit);
      this.reachKept(next, 0, bytes - first, 'read', implicit);
      value =
        this.readPart(frame, low & 4095, first) |
        (this.readPart(next, 0, bytes - first) << BigInt(8 * first));
    }
    if (this.breakpointsArmed() && !implicit) dataBreakpoint(this.cpu, linear, bytes, 'read');
    return value;
  }

  private readPart(frame: number, offset: number, bytes: number): bigint {
    if (this.cpu.bus.isMemory(frame)) {
      this.readBytes(this.memory.page(frame).bytes, offset, bytes);
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
    const known = this.knownForWrite(low, high, bytes, implicit);
    if (known !== undefined) {
      putBytes(known, low & 4095, bytes, low32(value), high32(value));
      return;
    }
    const first = Math.min(bytes, 4096 - (low & 4095));
    const frame = this.translate(low, high, true, false, implicit);
    if (first === bytes) {
      if (this.cpu.bus.isRam(frame)) {
        this.reachKept(frame, low & 4095, bytes, 'write', implicit);
        if (!implicit) this.requireAlone(frame, low & 4095, bytes);
        if (this.quick && !implicit) this.fillWrite(low, high, frame);
        this.writeBytes(frame, low & 4095, bytes, low32(value), high32(value));
      } else this.writeDevice(frame * 4096 + (low & 4095), bytes, low32(value), high32(value));
    } else {
      const [nextLow, nextHigh] = this.nextPage(low, high, implicit);
      const next = this.translate(nextLow, nextHigh, true, false, implicit);
      this.reachKept(frame, low & 4095, first, 'write', implicit);
      this.reachKept(next, 0, bytes - first, 'write', implicit);
      if (!implicit) {
        this.requireAlone(frame, low & 4095, first);
        this.requireAlone(next, 0, bytes - first);
      }
      for (let i = 0; i < bytes; i++) {
        const byte = Number((value >> BigInt(8 * i)) & 255n);
        const [at, offset] = i < first ? [frame, (low & 4095) + i] : [next, i - first];
        if (this.cpu.bus.isRam(at)) this.writeBytes(at, offset, 1, byte, 0);
        else this.writeDevice(at * 4096 + offset, 1, byte, 0);
      }
    }
    if (this.breakpointsArmed() && !implicit) dataBreakpoint(this.cpu, linear, bytes, 'write');
  }

  private knownForWrite(low: number, high: number, bytes: number, implicit: boolean): Uint8Array | undefined {
    if (!this.quick || implicit) return undefined;
    return this.knownPage(low, high, (low & 4095) + bytes, true);
  }

  probeWrite(linear: bigint, bytes: number, access?: LinearAccess): void {
    const low = low32(linear);
    const high = high32(linear);
    const implicit = access?.implicit === true;
    const update = access?.update === true;
    if (this.knownForWrite(low, high, bytes, implicit) !== undefined) return;
    const first = Math.min(bytes, 4096 - (low & 4095));
    const frame = this.translate(low, high, true, false, implicit, update);
    let next = frame;
    if (first < bytes) {
      const [nextLow, nextHigh] = this.nextPage(low, high, implicit);
      next = this.translate(nextLow, nextHigh, true, false, implicit, update);
    }
    if (implicit) return;
    this.requireAlone(frame, low & 4095, first);
    if (first < bytes) this.requireAlone(next, 0, bytes - first);
  }

  monitor(linear: bigint): number | undefined {
    const low = low32(linear);
    const frame = this.translate(low, high32(linear), false, false, false);
    if (!this.cpu.bus.isMemory(frame)) return undefined;
    this.dropWrites();
    return frame * 4096 + (low & 4095);
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
    if (!this.cpu.bus.isMemory(source) || this.kept.has(source)) return 0;
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
    return this.cpu.bus.isRam(frame) && !this.isDerivedFrom(frame);
  }

  fetch(linear: bigint): { readonly bytes: Uint8Array; readonly offset: number } {
    const low = low32(linear);
    return { bytes: this.memory.page(this.fetchFrame(low, high32(linear))).bytes, offset: low & 4095 };
  }

  readPhysical(address: number, bytes: number): bigint {
    const offset = address & 4095;
    if (offset + bytes > 4096) {
      const first = 4096 - offset;
      return (
        this.readPhysical(address, first) |
        (this.readPhysical(address + first, bytes - first) << BigInt(8 * first))
      );
    }
    const frame = Math.floor(address / 4096);
    if (!this.cpu.bus.isMemory(frame)) return (1n << BigInt(8 * bytes)) - 1n;
    this.readBytes(this.memory.page(frame).bytes, offset, bytes);
    return this.cpu.R[SLOT.value]!;
  }

  writePhysical(address: number, bytes: number, value: bigint): void {
    const offset = address & 4095;
    if (offset + bytes > 4096) {
      const first = 4096 - offset;
      this.writePhysical(address, first, value);
      this.writePhysical(address + first, bytes - first, value >> BigInt(8 * first));
      return;
    }
    const frame = Math.floor(address / 4096);
    if (!this.cpu.bus.isRam(frame)) return;
    this.writesKept = -1;
    this.writeBytes(frame, offset, bytes, low32(value), high32(value));
  }
}
