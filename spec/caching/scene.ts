import type { TranslationContext } from '../../src/api/caches';
import { hpa, indexAt, type MemoryRoot, PAGE_BYTES } from '../../src/core';
import { EPTP } from '../../src/ept';
import { APPARATUS, EPT_BYTES, EPT_TABLES, FRAMES, type FrameName } from './scene-memory';

export { FRAMES, type FrameName } from './scene-memory';

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

/** Accessed and dirty flags of EPT entries, and the bit of the EPTP that enables them. */
export const EPT_ACCESSED = 0x100n;
export const EPT_DIRTY = 0x200n;
export const EPTP_ACCESSED_DIRTY = 0x40n;

/** Linear addresses: M is in the same table as L, N in the same page directory, O in the same PDPT, X under another PML4E. */
export const L = 0x4020_1000n;
export const M = 0x4020_2000n;
export const N = 0x4040_1000n;
export const O = 0x8020_1000n;
export const X = 0x80_0020_1000n;

/** Bits of CR4, and its usual values. */
export const CR4_BITS = {
  pae: 0x20n,
  pge: 0x80n,
  la57: 0x1000n,
  pcide: 0x2_0000n,
  smep: 0x10_0000n,
  smap: 0x20_0000n,
  pke: 0x40_0000n,
} as const;
export const CR4 = CR4_BITS.pae | CR4_BITS.pge;
export const CR4_PCIDE = CR4 | CR4_BITS.pcide;
export const CR0 = 0x8001_0031n;
export const CR0_PG = 0x8000_0000n;
export const CR0_WP = 0x1_0000n;
export const EFER = 0xd00n;
export const EFER_LMA = 0x400n;
export const EFER_NXE = 0x800n;
/** Bit 63 of the source of MOV to CR3: nothing is invalidated. */
export const KEEPS = 1n << 63n;

/** One that fails or faults. */
export type FailingInstruction = 'invept' | 'invvpid' | 'invpcid' | 'movCr3';

export type AccessKind = 'read' | 'write' | 'fetch';

/** What selects translations on a logical processor. It is in non-root operation where `guest` says so, or where it has a VPID or EPT. */
export interface SceneContext extends TranslationContext {
  readonly guest?: boolean;
  /** Of the VMCS: exceptions that cause VM exits. */
  readonly exceptionBitmap?: number;
  /** Page-modification logging. */
  readonly pml?: boolean;
}

/** Memory that all processors of a scene share, and where its next tables come. */
export interface SceneWorld {
  memory: MemoryRoot;
  nextTable: number;
  nextEpt: number;
}

/** The first entry of the log. */
export const LOG_ENTRY = APPARATUS.regions.log * PAGE_BYTES + 8 * 511;
const FRAME_BITS = 0xf_ffff_ffff_f000n;
const BIT63 = 1n << 63n;
const shiftOf = (level: number): bigint => BigInt(3 + 9 * level);

/** The name of a frame: `A`, or `LARGE_A+1` within a large one. */
export const frameName = (frame: number): string => {
  for (const [name, first] of Object.entries(FRAMES))
    if (frame >= first && frame < first + (name.startsWith('LARGE') ? 512 : 1))
      return frame === first ? name : `${name}+${frame - first}`;
  return `frame ${frame.toString(16)}`;
};

/**
 * One logical processor with memory and tables. Methods with the name of an instruction do what it does; accesses give what they reach: the name of a frame, `#PF`,
 * `violation` or `misconfiguration`.
 */
export abstract class Scene {
  protected host: SceneContext | undefined;

  constructor(
    public now: SceneContext,
    protected readonly world: SceneWorld,
  ) {
    if (now.cr3 === 0n) this.now = this.withPdptes({ ...now, cr3: this.newRoot() });
  }

  abstract read(linear: bigint): string;
  abstract write(linear: bigint): string;
  abstract fetch(linear: bigint): string;
  /** One access of 8 bytes whose middle is the end of the page: what both parts reach. */
  abstract readAcross(linear: bigint): string;
  /** A read; PWT, PCD and PAT of what it used, as a number. */
  typeBits(_linear: bigint): string {
    throw new Error('the memory type of an access does not show here');
  }
  /** The processor may walk for an address by itself now; on a machine its policy decides that, and when. */
  abstract speculate(linear: bigint): this;
  /** A store of 8 bytes by another agent. */
  abstract store(at: number, value: bigint): this;
  /** Another logical processor with the same memory and registers, and caches of its own. */
  abstract get other(): Scene;

  abstract invlpg(linear: bigint): this;
  abstract invpcid(type: 0 | 1 | 2 | 3, descriptor?: { pcid?: number; address?: bigint }): this;
  /** EPTP: of the context when left out. */
  abstract invept(type: 1 | 2, eptp?: bigint): this;
  abstract invvpid(type: 0 | 1 | 2 | 3, descriptor?: { vpid?: number; address?: bigint }): this;
  protected abstract writeCr0(value: bigint): void;
  protected abstract writeCr3(value: bigint): void;
  protected abstract writeCr4(value: bigint): void;
  protected abstract writeEfer(value: bigint): void;
  protected abstract switchTask(cr3: bigint): void;
  protected abstract vmEntry(guest: SceneContext): void;
  protected abstract vmExit(): void;
  protected abstract switchEptp(eptp: bigint): void;
  /** VM entry whose MSR-load area holds IA32_EFER. */
  protected abstract vmEntryLoadingEfer(guest: SceneContext): void;
  /** VM entry that returns from SMM to the same context. */
  abstract returnFromSmm(): this;
  /** WRMSR to an MSR that selects no translation. */
  abstract wrmsr(index: number, value: bigint): this;
  /** RESET, then the registers of before. */
  abstract reset(): this;
  /** An instruction that fails or faults. */
  abstract failing(instruction: FailingInstruction): this;
  /** Instructions of VMX root operation with nothing to invalidate. */
  abstract vmx(...instructions: readonly ('vmxoff' | 'vmxon' | 'vmclear' | 'vmptrld')[]): this;

  get memory(): MemoryRoot {
    return this.world.memory;
  }

  // Registers

  /** Other registers from now on; nothing is invalidated. */
  become(changes: Partial<SceneContext>): this {
    this.now = { ...this.now, ...changes };
    return this;
  }
  movCr0(value: bigint): this {
    this.writeCr0(value);
    return this.become(this.withPdptes({ ...this.now, cr0: value }));
  }
  /** With `KEEPS` it is bit 63 of the source. */
  movCr3(value: bigint): this {
    this.writeCr3(value);
    return this.become(this.withPdptes({ ...this.now, cr3: value & ~BIT63 }));
  }
  movCr4(value: bigint): this {
    this.writeCr4(value);
    return this.become(this.withPdptes({ ...this.now, cr4: value }));
  }
  /** WRMSR to IA32_EFER. */
  wrmsrEfer(value: bigint): this {
    this.writeEfer(value);
    return this.become({ efer: value });
  }
  /** Loads CR3 from the new task. */
  taskSwitch(cr3: bigint): this {
    this.switchTask(cr3);
    return cr3 === this.now.cr3 ? this : this.become(this.withPdptes({ ...this.now, cr3 }));
  }
  /** VM entry to a guest with these registers, the others as before; "enable VPID" is 1 where it has a VPID. */
  enter(guest: Partial<SceneContext>): this {
    return this.entered(guest, (context) => this.vmEntry(context));
  }
  /** The same with IA32_EFER from the MSR-load area. */
  enterLoadingEfer(guest: Partial<SceneContext>): this {
    return this.entered(guest, (context) => this.vmEntryLoadingEfer(context));
  }
  private entered(guest: Partial<SceneContext>, enter: (context: SceneContext) => void): this {
    const context = this.withPdptes({ ...this.now, guest: true, ...guest });
    enter(context);
    this.host = this.now;
    this.now = context;
    return this;
  }
  /** VM exit, to the host that entered. */
  exit(): this {
    this.vmExit();
    this.now = this.host!;
    return this;
  }
  /** VMFUNC of leaf 0. */
  vmfunc(eptp: bigint): this {
    this.switchEptp(eptp);
    return this.become({ eptp });
  }

  // Page-modification logging

  /** Whether the last access of a guest was logged. */
  get logged(): 'logged' | 'nothing' {
    return this.entry(LOG_ENTRY) === 0n ? 'nothing' : 'logged';
  }
  clearLog(): this {
    this.put(LOG_ENTRY, 0n);
    return this;
  }

  // Tables

  private get is64(): boolean {
    return ((this.now.efer ?? EFER) & EFER_LMA) !== 0n;
  }
  private isPae({ efer = EFER, cr4 = CR4 }: SceneContext): boolean {
    return (efer & EFER_LMA) === 0n && (cr4 & CR4_BITS.pae) !== 0n;
  }
  /** PAE paging loads the PDPTE registers. SDM Vol. 3A, 4.4.1 PDPTE Registers */
  private withPdptes(context: SceneContext): SceneContext {
    if (!this.isPae(context)) return context;
    const pdptes = [0, 1, 2, 3].map((n) => this.entry(Number(context.cr3 & ~31n) + 8 * n));
    return { ...context, pdptes };
  }
  private get levels(): number {
    if (!this.is64) return 3;
    return ((this.now.cr4 ?? CR4) & CR4_BITS.la57) === 0n ? 4 : 5;
  }

  /** A table of its own. */
  newTable(): bigint {
    return BigInt(this.world.nextTable++ * PAGE_BYTES);
  }
  /** A root of its own, as a value of CR3; it maps what the processor itself needs at the highest addresses. */
  newRoot(): bigint {
    return this.newRootOf(this.levels);
  }
  protected newRootOf(levels: number): bigint {
    const root = this.newTable();
    for (const [index, value] of APPARATUS.roots[levels]) this.put(Number(root) + 8 * index, value);
    return root;
  }
  /** EPT of its own that maps the memory of the scene to itself in 4-KiB pages; its EPTP. */
  newEpt(bits = 0n): bigint {
    const at = this.world.nextEpt;
    if (at >= EPT_TABLES.end) throw new Error('no more EPT tables');
    this.world.nextEpt += EPT_BYTES;
    return BigInt(at) | 0x1en | bits;
  }

  entry(at: number): bigint {
    const { words } = this.memory.page(Math.floor(at / PAGE_BYTES));
    return new BigUint64Array(new Int32Array(words).buffer)[(at % PAGE_BYTES) / 8];
  }
  /** A bit of an entry, as a digit. */
  flag(at: number, bit: bigint): '0' | '1' {
    return (this.entry(at) & bit) === 0n ? '0' : '1';
  }
  /** Memory as it was from the start: before anything is remembered of it. */
  protected put(at: number, value: bigint): void {
    this.world.memory = this.memory.write(at, new Uint8Array(new BigUint64Array([value]).buffer));
  }

  /** Where the entry of a level for an address is: 1 a PTE, 2 a PDE... Tables above it are made when they are absent. */
  entryAt(linear: bigint, level = 1, cr3 = this.now.cr3): number {
    let table = Number(cr3 & FRAME_BITS);
    for (let at = this.levels; ; at--) {
      const entry = table + Number((linear >> shiftOf(at)) & 511n) * 8;
      if (at === level) return entry;
      // A PDPTE of PAE paging has no rights.
      const bits = at === 3 && !this.is64 ? P : USED;
      if ((this.entry(entry) & P) === 0n) {
        this.put(entry, this.newTable() | bits);
        if (cr3 === this.now.cr3) this.now = this.withPdptes(this.now);
      }
      table = Number(this.entry(entry) & FRAME_BITS);
    }
  }
  /** Maps a page of 4 KiB, or of 2 MiB where the frame is large. */
  map(linear: bigint, frame: FrameName, bits = USED, cr3 = this.now.cr3): this {
    const large = frame.startsWith('LARGE');
    const value = BigInt(FRAMES[frame] * PAGE_BYTES) | bits | (large ? LARGE : 0n);
    return this.store(this.entryAt(linear, large ? 2 : 1, cr3), value);
  }
  /** Clears the PTE. */
  unmap(linear: bigint, cr3 = this.now.cr3): this {
    return this.store(this.entryAt(linear, 1, cr3), 0n);
  }
  /** Stores an entry with bits set and others cleared. */
  change(at: number, { set = 0n, clear = 0n }: { readonly set?: bigint; readonly clear?: bigint }): this {
    return this.store(at, (this.entry(at) & ~clear) | set);
  }

  /** Where the EPT entry of a level for a guest-physical frame is. */
  eptEntryAt(frame: number, level = 1, eptp = this.now.eptp!): number {
    let table = Number(EPTP.get(eptp, 'rootAddress')) * PAGE_BYTES;
    for (let at = 4; ; at--) {
      const address = frame * PAGE_BYTES;
      const entry = table + indexAt(address | 0, Math.floor(address / 2 ** 32), at) * 8;
      if (at === level) return hpa(entry);
      table = Number(this.entry(entry) & FRAME_BITS);
    }
  }
  /** Sends the guest-physical page of a frame to another frame, or to nowhere. */
  mapEpt(frame: FrameName, to: FrameName | undefined, bits = 7n, eptp = this.now.eptp!): this {
    const value = to === undefined ? 0n : BigInt(FRAMES[to] * PAGE_BYTES) | bits | (6n << 3n);
    return this.store(this.eptEntryAt(FRAMES[frame], 1, eptp), value);
  }
}
