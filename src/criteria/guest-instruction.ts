import { ENTRY, type EntrySource, hex, high32, low32, type Page, RadixWalk } from '../core';
import { decode, disassemble, type Instruction } from '../cpu/decode';
import { NO_ROOT, PagingMode, pagingFeatures } from '../cpu/paging-mode';
import type { Processor } from '../cpu/presets';
import type { ProcessorDraft } from '../cpu/processor-draft';
import { CR0, SLOT } from '../cpu/slots';
import type { GuestMemory } from './guest-memory';

const LONGEST = 15;

/** Page tables of a guest, read without leaving a trace. */
class GuestTables implements EntrySource {
  low = 0;
  high = 0;
  /** Entries have 8 bytes; those of 4 have no high half. */
  wide = true;

  constructor(private readonly page: (guestFrame: number) => Page | undefined) {}

  read(address: number): boolean {
    const words = this.page(Math.floor(address / 4096))?.words;
    if (words === undefined) return false;
    this.low = words[(address % 4096) >> 2];
    this.high = this.wide ? words[((address % 4096) >> 2) + 1] : 0;
    return true;
  }
}

/** An instruction of a guest as a report shows it. */
export interface GuestInstruction {
  /** Linear address. */
  readonly address: bigint;
  /** In Intel syntax; in parentheses why there is none. */
  readonly text: string;
}

/** Reads a guest's code, for reports and classification; it changes neither memory nor caches. */
export class GuestCode {
  private readonly walk = new RadixWalk();
  private readonly tables: GuestTables;
  private readonly mode: PagingMode;
  private readonly window = new Uint8Array(2 * LONGEST);

  constructor(
    private readonly cpu: ProcessorDraft,
    page: (machineFrame: number) => Page,
    memory: GuestMemory,
    processor: Processor,
  ) {
    this.page = (frame) => {
      const machine = memory.machineFrame(frame);
      return machine < 0 ? undefined : page(machine);
    };
    this.tables = new GuestTables(this.page);
    this.mode = new PagingMode(pagingFeatures(processor));
  }

  private readonly page: (guestFrame: number) => Page | undefined;

  private guestFrame(linear: bigint): number {
    const { W } = this.cpu;
    if ((W[2 * SLOT.cr0] & CR0.pg) === 0) return low32(linear) >>> 12;
    this.mode.follow(W);
    const root = this.mode.root(W, low32(linear));
    if (root === NO_ROOT) return -1;
    this.tables.wide = this.mode.format.entryBytes === 8;
    const end = this.walk.run(this.mode.format, this.tables, root, low32(linear), high32(linear));
    return end === ENTRY.leaf ? this.walk.frame : -1;
  }

  private bytesAt(linear: bigint): Uint8Array | undefined {
    const offset = Number(linear & 4095n);
    const first = this.page(this.guestFrame(linear))?.bytes;
    if (first === undefined || offset + LONGEST <= 4096)
      return first?.subarray(offset, Math.min(4096, offset + LONGEST));
    const head = first.subarray(offset);
    const rest = this.page(this.guestFrame((linear | 4095n) + 1n))?.bytes;
    if (rest === undefined) return head;
    this.window.set(head);
    this.window.set(rest.subarray(0, LONGEST - head.length), head.length);
    return this.window.subarray(0, LONGEST);
  }

  /** The instruction at an offset in the code segment; undefined when none can be fetched and decoded there. */
  at(rip: bigint): Instruction | undefined {
    const { cpu } = this;
    const linear = cpu.mode64 ? rip : BigInt.asUintN(32, cpu.R[SLOT.csBase] + rip);
    const bytes = this.bytesAt(linear);
    if (bytes === undefined) return undefined;
    const result = decode(bytes, cpu.codeSize, 0);
    return result.kind === 'instruction' ? result.instruction : undefined;
  }

  /** The same, for reading. */
  describe(rip: bigint): GuestInstruction {
    const instruction = this.at(rip);
    return {
      address: rip,
      text: instruction === undefined ? `(no instruction at ${hex(rip)})` : disassemble(instruction, rip),
    };
  }
}
