import {
  access,
  EMPTY_CACHES,
  type Invalidation,
  invalidate,
  permittedTranslations,
  speculate,
  type Translation,
  type TranslationCaches,
  type TranslationContext,
} from '../../src/api/caches';
import { EMPTY_MEMORY, gpa, gva, hpa, indexAt, type MemoryRoot, PAGE_BYTES } from '../../src/core';
import { EPTP, EptTables } from '../../src/ept';

/** Bits of guest entries. */
export const P = 1n;
export const W = 2n;
export const U = 4n;
export const PWT = 8n;
export const PCD = 16n;
export const ACCESSED = 32n;
export const DIRTY = 64n;
export const LARGE = 128n;
export const G = 256n;
export const XD = 1n << 63n;
export const key = (value: bigint): bigint => value << 59n;
/** Present, writable, user, accessed: nothing that a walk would still set for a read. */
export const USED = P | W | U | ACCESSED;

/** Frames of data by name; each is of 4 KiB, and `LARGE_A` and `LARGE_B` begin pages of 2 MiB. */
export const FRAMES = { A: 0x300, B: 0x301, C: 0x302, D: 0x303, LARGE_A: 0x400, LARGE_B: 0x600 } as const;
export type FrameName = keyof typeof FRAMES;
const FIRST_TABLE = 0x100;
const MEMORY_BYTES = 0x80_0000;
const EPT_TABLES = 0x1000_0000;

/** Linear addresses: M is in the same table as L, N in the same page directory, O in the same PDPT, X under another PML4E. */
export const L = 0x4020_1000n;
export const M = 0x4020_2000n;
export const N = 0x4040_1000n;
export const O = 0x8020_1000n;
export const X = 0x80_0020_1000n;

const shiftOf = (level: number): bigint => BigInt(3 + 9 * level);

/** What one answer shows: the name of the frame (`A`, `LARGE_A+1`), `#PF`, `violation` or `misconfiguration`. */
export const shown = ({ outcome }: Translation): string => {
  if (outcome.ok) {
    const frame = Math.floor(outcome.value / PAGE_BYTES);
    for (const [name, first] of Object.entries(FRAMES))
      if (frame >= first && frame < first + (name.startsWith('LARGE') ? 512 : 1))
        return frame === first ? name : `${name}+${frame - first}`;
    return `frame ${frame.toString(16)}`;
  }
  const { kind } = outcome.fault;
  return kind === 'page-fault' ? '#PF' : kind.replace('ept-', '');
};

/** One logical processor, as its caches, its memory and the registers that select translations. */
export class Scene {
  caches: TranslationCaches = EMPTY_CACHES;
  memory: MemoryRoot = EMPTY_MEMORY;
  private nextTable = FIRST_TABLE;
  private nextEpt = EPT_TABLES;

  constructor(public now: TranslationContext = { cr3: 0n }) {
    if (now.cr3 === 0n) this.now = { ...now, cr3: this.newRoot() };
  }

  /** A PML4 of its own, as a value of CR3. */
  newRoot(): bigint {
    return BigInt(this.nextTable++ * PAGE_BYTES);
  }

  /** EPT that maps the memory of the scene to itself in 4-KiB pages; its EPTP. */
  newEpt(bits = 0n): bigint {
    const tables = new EptTables(this.memory, hpa(this.nextEpt)).mapRange(
      { gpa: gpa(0), hpa: hpa(0) },
      MEMORY_BYTES,
    );
    this.nextEpt += 0x10_0000;
    this.memory = tables.publish();
    return tables.eptp | bits;
  }

  private root(cr3: bigint): number {
    return Number(cr3 & ~0xfffn);
  }

  entry(at: number): bigint {
    const { words } = this.memory.page(Math.floor(at / PAGE_BYTES));
    return new BigUint64Array(new Int32Array(words).buffer)[(at % PAGE_BYTES) / 8];
  }

  /** A store that no cache sees. */
  store(at: number, value: bigint): this {
    this.memory = this.memory.write(at, new Uint8Array(new BigUint64Array([value]).buffer));
    return this;
  }

  /** Where the entry of a level for an address is: 1 a PTE, 2 a PDE... Tables above it are made when they are absent. */
  entryAt(linear: bigint, level = 1, cr3 = this.now.cr3): number {
    let table = this.root(cr3);
    for (let at = 4; ; at--) {
      const entry = table + Number((linear >> shiftOf(at)) & 511n) * 8;
      if (at === level) return entry;
      if ((this.entry(entry) & P) === 0n) this.store(entry, BigInt(this.nextTable++ * PAGE_BYTES) | USED);
      table = Number(this.entry(entry) & 0xf_ffff_ffff_f000n);
    }
  }

  /** Maps a page of 4 KiB, or of 2 MiB where the frame is large. */
  map(linear: bigint, frame: FrameName, bits = USED, cr3 = this.now.cr3): this {
    const large = frame.startsWith('LARGE');
    const value = BigInt(FRAMES[frame] * PAGE_BYTES) | bits | (large ? LARGE : 0n);
    return this.store(this.entryAt(linear, large ? 2 : 1, cr3), value);
  }

  /** Where the EPT leaf or table entry for a frame is. */
  eptEntryAt(frame: number, level = 1, eptp = this.now.eptp!): number {
    let table = Number(EPTP.get(eptp, 'rootAddress')) * PAGE_BYTES;
    for (let at = 4; ; at--) {
      const address = frame * PAGE_BYTES;
      const entry = table + indexAt(address | 0, Math.floor(address / 2 ** 32), at) * 8;
      if (at === level) return entry;
      table = Number(this.entry(entry) & 0xf_ffff_ffff_f000n);
    }
  }

  /** Sends the guest-physical page of a frame to another frame. */
  mapEpt(frame: FrameName, to: FrameName | undefined, bits = 7n, eptp = this.now.eptp!): this {
    const value = to === undefined ? 0n : BigInt(FRAMES[to] * PAGE_BYTES) | bits | (6n << 3n);
    return this.store(this.eptEntryAt(FRAMES[frame], 1, eptp), value);
  }

  private use(linear: bigint, kind: 'read' | 'write' | 'fetch'): string {
    const result = access(this.caches, this.memory, { ...this.now, address: gva(linear), access: kind });
    this.caches = result.caches;
    this.memory = result.memory;
    return shown(result.translation);
  }
  read = (linear: bigint): string => this.use(linear, 'read');
  write = (linear: bigint): string => this.use(linear, 'write');
  fetch = (linear: bigint): string => this.use(linear, 'fetch');

  /** Every answer that a processor may give, without making the access. */
  may(linear: bigint, kind: 'read' | 'write' | 'fetch' = 'read'): readonly Translation[] {
    return permittedTranslations(this.caches, this.memory, {
      ...this.now,
      address: gva(linear),
      access: kind,
    });
  }

  /** The names of those answers, in order. */
  answers(linear: bigint, kind: 'read' | 'write' | 'fetch' = 'read'): readonly string[] {
    return [...new Set(this.may(linear, kind).map(shown))].sort();
  }

  speculate(linear: bigint): this {
    this.caches = speculate(this.caches, this.memory, { ...this.now, address: gva(linear) });
    return this;
  }

  invalidate(by: Invalidation): this {
    this.caches = invalidate(this.caches, by);
    return this;
  }

  /** Other registers from now on; nothing is invalidated. */
  become(changes: Partial<TranslationContext>): this {
    this.now = { ...this.now, ...changes };
    return this;
  }
}

/** CR4 with PAE, PGE and PCIDE. */
export const CR4_PCIDE = 0x2_00a0n;
