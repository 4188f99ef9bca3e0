import { shiftRightWide } from '../../core';
import type { MemoryOperand } from '../decode/instruction';
import type { ProcessorDraft } from '../processor-draft';
import { linearAddress } from '../segmented-address';
import { effectiveAddress } from './system/operands';

/** Bytes that the slow path moves at once. */
const WORD = 8;
const PAGE = 4096n;

/** Little-endian bytes of a value. */
export const bytesOf = (value: bigint, count: number): Uint8Array => {
  const words = new BigUint64Array(Math.ceil(count / WORD));
  for (let index = 0; index < words.length; index++)
    words[index] = BigInt.asUintN(64, index === 0 ? value : shiftRightWide(value, 64 * index));
  return new Uint8Array(words.buffer, 0, count);
};

/** The value of little-endian bytes. */
export const wordOf = (bytes: Uint8Array, from = 0, count = bytes.length): bigint => {
  let value = 0n;
  for (let index = count - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[from + index]);
  return value;
};

/**
 * Memory of an operand that is larger than a word: an image, or a vector. Made with the checks of the segment over all its bytes; #GP(0) when it
 * is not aligned as the instruction demands, whatever CR0.AM. Reads and writes may leave with #PF or a VM exit.
 */
export class MemoryArea {
  readonly linear: bigint;
  private readonly cpu: ProcessorDraft;
  private readonly mask: bigint;

  constructor(cpu: ProcessorDraft, operand: MemoryOperand, bytes: number, write: boolean, aligned = 1) {
    this.cpu = cpu;
    this.mask = cpu.mode64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
    this.linear = linearAddress(cpu, operand.segment, effectiveAddress(cpu, operand), bytes, write, 1);
    if ((this.linear & BigInt(aligned - 1)) !== 0n) cpu.generalProtection();
  }

  private at(offset: number): bigint {
    return (this.linear + BigInt(offset)) & this.mask;
  }

  read(offset: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count; ) {
      const step = count - done >= WORD ? WORD : count - done >= 4 ? 4 : count - done >= 2 ? 2 : 1;
      bytes.set(bytesOf(this.cpu.mmu.read(this.at(offset + done), step), step), done);
      done += step;
    }
    return bytes;
  }

  /** Whether all of it can be written is known before the first byte is: no page is left half-written. */
  probe(offset: number, count: number): void {
    this.cpu.mmu.probeWrite(this.at(offset), 1);
    const first = PAGE - (this.at(offset) & (PAGE - 1n));
    for (let ahead = Number(first); ahead < count; ahead += Number(PAGE))
      this.cpu.mmu.probeWrite(this.at(offset + ahead), 1);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.probe(offset, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done;
      const step = left >= WORD ? WORD : left >= 4 ? 4 : left >= 2 ? 2 : 1;
      this.cpu.mmu.write(this.at(offset + done), step, wordOf(bytes, done, step));
      done += step;
    }
  }
}
