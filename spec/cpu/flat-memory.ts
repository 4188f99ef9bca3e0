import { shiftRight } from '../../src/core';
import { VECTOR } from '../../src/cpu/event';
import type { LinearAccess, Mmu } from '../../src/cpu/mmu';
import type { ProcessorDraft } from '../../src/cpu/processor-draft';

const PAGE = 4096;
const NOTHING = new Uint8Array(PAGE);

/** Linear memory without paging: sparse pages of zeroes. Pages in `absent` fault, and in `readOnly` when they are written. */
export class FlatMemory implements Mmu {
  readonly a20m = false;
  // One element at a time.
  fill = (): number => 0;
  copy = (): number => 0;

  /** Pages that were written, by linear page number. */
  readonly pages = new Map<bigint, Uint8Array>();
  readonly absent = new Set<bigint>();
  readonly readOnly = new Set<bigint>();
  cpu!: ProcessorDraft;
  flushes = 0;

  private check(linear: bigint, bytes: number, write: boolean, access?: LinearAccess): void {
    const user = this.cpu.cpl === 3 && access?.implicit !== true ? 4 : 0;
    for (const page of new Set([shiftRight(linear, 12n), shiftRight(linear + BigInt(bytes - 1), 12n)])) {
      if (this.absent.has(page)) this.cpu.raise(VECTOR.pf, user | (write ? 2 : 0), linear);
      if (write && this.readOnly.has(page)) this.cpu.raise(VECTOR.pf, user | 3, linear);
    }
  }

  get(linear: bigint): number {
    return this.pages.get(shiftRight(linear, 12n))?.[Number(linear & 4095n)] ?? 0;
  }
  put(linear: bigint, byte: number): void {
    let page = this.pages.get(shiftRight(linear, 12n));
    if (page === undefined) {
      page = new Uint8Array(PAGE);
      this.pages.set(shiftRight(linear, 12n), page);
    }
    page[Number(linear & 4095n)] = byte;
  }
  load(linear: bigint, bytes: Uint8Array): void {
    bytes.forEach((byte, index) => {
      this.put(linear + BigInt(index), byte);
    });
  }
  dump(linear: bigint, count: number): Uint8Array {
    return Uint8Array.from({ length: count }, (_, index) => this.get(linear + BigInt(index)));
  }

  read(linear: bigint, bytes: number, access?: LinearAccess): bigint {
    this.check(linear, bytes, false, access);
    let value = 0n;
    for (let index = bytes - 1; index >= 0; index--)
      value = (value << 8n) | BigInt(this.get(linear + BigInt(index)));
    return value;
  }
  write(linear: bigint, bytes: number, value: bigint, access?: LinearAccess): void {
    this.check(linear, bytes, true, access);
    for (let index = 0; index < bytes; index++)
      this.put(linear + BigInt(index), Number((value >> BigInt(8 * index)) & 0xffn));
  }
  probeWrite(linear: bigint, bytes: number, access?: LinearAccess): void {
    this.check(linear, bytes, true, access);
  }
  monitor(linear: bigint): number {
    return Number(linear);
  }
  fetch(linear: bigint): { readonly bytes: Uint8Array; readonly offset: number } {
    return { bytes: this.pages.get(shiftRight(linear, 12n)) ?? NOTHING, offset: Number(linear & 4095n) };
  }
  readPhysical(address: number, bytes: number): bigint {
    return this.read(BigInt(address), bytes);
  }
  writePhysical(address: number, bytes: number, value: bigint): void {
    this.write(BigInt(address), bytes, value);
  }
  setEntryFlags(address: number, flags: number): void {
    this.writePhysical(address, 4, this.readPhysical(address, 4) | BigInt(flags));
  }
  readPdpte(address: number): bigint {
    return this.readPhysical(address, 8);
  }
  flush(): void {
    this.flushes++;
  }
  invalidate(): void {
    this.flush();
  }
  forget(): void {}
  contextChanged(): void {}
}
