import { PAGE_BYTES } from '../../core';
import type { PhysicalReader } from './context';

interface KnownPage {
  readonly bytes: DataView;
  /** 1 for each byte that was given. */
  readonly known: Uint8Array;
}

/** Memory of which some bytes are known: rules that need others are not evaluated. */
export class PartialMemory implements PhysicalReader {
  private readonly pages = new Map<number, KnownPage>();

  /** `beneath` says what is known of the rest. */
  constructor(private readonly beneath?: PhysicalReader) {}

  /** Makes 8 bytes known: an unsigned word, little-endian. */
  put64(address: number, word: bigint): this {
    for (let place = 0; place < 8; place++)
      this.put8(address + place, Number((word >> BigInt(8 * place)) & 0xffn));
    return this;
  }

  private put8(address: number, byte: number): void {
    const number = Math.floor(address / PAGE_BYTES);
    let page = this.pages.get(number);
    if (page === undefined) {
      page = { bytes: new DataView(new ArrayBuffer(PAGE_BYTES)), known: new Uint8Array(PAGE_BYTES) };
      this.pages.set(number, page);
    }
    page.bytes.setUint8(address % PAGE_BYTES, byte);
    page.known[address % PAGE_BYTES] = 1;
  }

  private at(address: number): KnownPage | undefined {
    const page = this.pages.get(Math.floor(address / PAGE_BYTES));
    return page?.known[address % PAGE_BYTES] === 1 ? page : undefined;
  }

  readonly isKnown = (address: number, bytes: number): boolean => {
    for (let at = address; at < address + bytes; at++)
      if (this.at(at) === undefined && !(this.beneath !== undefined && isKnown(this.beneath, at, 1)))
        return false;
    return true;
  };

  /** What is not known reads as 0. */
  readonly read8 = (address: number): number => {
    const page = this.at(address);
    if (page !== undefined) return page.bytes.getUint8(address % PAGE_BYTES);
    if (this.beneath === undefined) return 0;
    const place = address % 4;
    return (this.beneath.read32(address - place) >>> (8 * place)) & 0xff;
  };

  readonly read32 = (address: number): number =>
    [0, 1, 2, 3].reduce((word, place) => word + this.read8(address + place) * 2 ** (8 * place), 0);

  readonly read64 = (address: number): bigint =>
    (BigInt(this.read32(address + 4)) << 32n) | BigInt(this.read32(address));
}

/** Whether a reader knows these bytes; one that does not say knows all. */
export const isKnown = (memory: PhysicalReader, address: number, bytes: number): boolean =>
  memory.isKnown?.(address, bytes) ?? true;

/** Thrown by a `WatchedReader`, and caught by who made it. */
const NOT_KNOWN: Error = new Error('not known');

/** Reads through another reader, and stops whoever asks for what that does not know. */
export class WatchedReader implements PhysicalReader {
  constructor(private readonly memory: PhysicalReader) {}

  readonly read32 = (address: number): number => {
    if (!isKnown(this.memory, address, 4)) throw NOT_KNOWN;
    return this.memory.read32(address);
  };

  readonly read64 = (address: number): bigint => {
    if (!isKnown(this.memory, address, 8)) throw NOT_KNOWN;
    return this.memory.read64(address);
  };
}

/** What a test says; undefined when it asks for memory that is not known. */
export const asFarAsKnown = (test: () => boolean): boolean | undefined => {
  try {
    return test();
  } catch (error) {
    if (error === NOT_KNOWN) return undefined;
    throw error;
  }
};
