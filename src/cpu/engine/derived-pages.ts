import type { MemoryDraft, Page } from '../../core';
import { supervisorKeys, userKeys } from '../page-fault';
import { monitorLineBytes } from '../presets/features';
import type { ProcessorDraft } from '../processor-draft';
import { CR0, CR4, EFER, FLAG, SLOT } from '../slots';
import { type CodeMode, CodeModes } from './code-mode';
import { CONTEXT_AT, EPOCH_AT } from './engine-slots';
import { FastPages } from './fast-pages';
import type { FrameKeeper, KeptFrames } from './kept-frames';
import type { RememberedTranslations } from './remembered-translations';

const RFLAGS = 2 * SLOT.rflags;
const DR7 = 2 * SLOT.dr7;
const CR3_HIGH = 2 * SLOT.cr3 + 1;
const KEY_LIMIT = 2 ** 20;
const CS_BASE = 2 * SLOT.csBase;
const CS_LIMIT = 2 * SLOT.csLimit;

/** The physical pages that hold decoded instructions. */
export interface CodeFrames {
  has(frame: number): boolean;
  /** Whether a write to bytes of a frame hits decoded instructions. */
  hit(frame: number, offset: number, bytes: number): boolean;
  /** Forgets everything decoded from a frame. */
  drop(frame: number): void;
}

/**
 * What is derived from translations and code: the fast arrays with the context that they are tagged with, and the frames that a write must be
 * looked for in. Semantically memory walks on every access (policy `none`): frames that a walk used are watched, and a write to one of them
 * drops everything derived.
 */
export abstract class DerivedPages {
  cpu!: ProcessorDraft;
  code!: CodeFrames;
  readonly fast = new FastPages();
  /** Frames of the paging structures behind the fast arrays. */
  protected readonly watched = new Set<number>();
  /** What the processor remembers of its walks; undefined under the policy `none`. */
  remembered: RememberedTranslations | undefined;
  /** Each use of a translation counts (policy `lru`): nothing enters the fast arrays, and instructions run one at a time. */
  eachUse = false;
  /** Breakpoints are armed: then nothing enters the fast arrays. */
  private armed = false;
  private readonly modes = new CodeModes();
  /** What code is made for now; up to date after `selectContext`. */
  mode!: CodeMode;
  /** Called when views of pages may have become stale. */
  onPagesReplaced: () => void = () => {};
  /** Called when a store has triggered the processor's monitor. */
  onMonitorTriggered: () => void = () => {};
  /** Frames that ordinary accesses must not reach unseen, the same for all processors on this memory. */
  kept: KeptFrames = new Map();
  /** The same of the other processors on this memory: what one writes, the others have derived from. */
  peers: readonly DerivedPages[] = [];

  constructor(public memory: MemoryDraft) {}

  contextChanged(): void {
    this.fast.contextStale = true;
    this.remembered?.originChanged();
  }

  /** Whether DR7 enables a breakpoint. */
  breakpointsArmed(): boolean {
    return (this.cpu.W[DR7] & 0xff) !== 0;
  }

  /** Brings the tag of the fast arrays up to date; called before instructions run. */
  selectContext(): void {
    const cpu = this.cpu;
    const W = cpu.W;
    const armed = this.breakpointsArmed();
    if (armed !== this.armed) {
      this.armed = armed;
      this.flush();
    }
    if (this.remembered?.contextChanged() === true) this.flush();
    const mode = this.modes.now(cpu);
    this.mode = mode;
    const wide = mode.codeSize === 64;
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
      (wide ? 1 << 8 : 0) |
      (cpu.longMode ? 1 << 9 : 0) |
      ((cr4 & (CR4.pse | CR4.pae)) << 6) |
      (cr4 & CR4.la57);
    W[CONTEXT_AT] = this.contextNumber(key) << 4;
    this.fast.selectPlace(mode.number, wide ? 0 : W[CS_BASE], wide ? 0 : W[CS_LIMIT]);
    W[EPOCH_AT] = this.fast.epoch();
    this.fast.contextStale = false;
  }

  private contextNumber(key: number): number {
    const { cpu } = this;
    const { W } = cpu;
    const root = cpu.nonRoot ? cpu.virtualization!.translationRoot(cpu) : 0;
    // Numbers of 52 bits: the key and PKRU, the upper half of CR3 and IA32_PKRS; small integers where no keys are in use, as nearly always.
    const pkru = userKeys(W);
    const pkrs = supervisorKeys(W);
    const cr3High = W[CR3_HIGH]! & 0xfffff;
    const keyAndPkru = pkru === 0 ? key : key + (pkru >>> 0) * KEY_LIMIT;
    const cr3AndPkrs = pkrs === 0 ? cr3High : cr3High + (pkrs >>> 0) * KEY_LIMIT;
    return this.fast.select(keyAndPkru, W[CR3_HIGH - 1]!, cr3AndPkrs, root);
  }

  flush(): void {
    this.fast.flush();
    this.watched.clear();
    this.remembered?.cool();
    this.onPagesReplaced();
    this.fast.contextStale = true;
    if (this.cpu === undefined) return;
    this.cpu.W[CONTEXT_AT] = 0;
    this.cpu.W[EPOCH_AT] = this.fast.epoch();
  }

  /** The memory was published: every page is shared now, and must be copied before it is written. */
  published(): void {
    this.dropWrites();
  }

  /** No processor has a page at hand for writing. */
  dropWrites(): void {
    this.fast.dropWrites();
    for (const peer of this.peers) peer.fast.dropWrites();
  }

  /** A page of a table that translations go through, and that is not of a guest's making (EPT); a write to it drops what was derived. */
  watchedPage(frame: number): Page {
    this.watch(frame);
    return this.memory.page(frame);
  }

  /** A write to this frame will drop everything derived from translations. */
  watch(frame: number): void {
    // What is remembered is watched by itself, and nothing else is derived from tables then.
    if (this.remembered !== undefined || this.watched.has(frame)) return;
    this.watched.add(frame);
    this.dropWrites();
  }

  /** Whether translations came from a frame. */
  protected watches(frame: number): boolean {
    return this.watched.has(frame) || this.remembers(frame);
  }

  /** Whether translations came from bytes of a frame, or of any of its entries where that is not known. */
  cameFrom(frame: number, offset: number, bytes: number): boolean {
    return this.watched.has(frame) || this.remembered?.hasEntry(frame * 4096 + offset, bytes) === true;
  }

  /** Whether something is remembered of a frame. */
  remembers(frame: number): boolean {
    return this.remembered?.hasTable(frame) === true;
  }

  /** Whether a processor has derived something from a frame: then writes to it must be seen. */
  protected isDerivedFrom(frame: number): boolean {
    if (this.watches(frame) || this.code.has(frame) || this.monitors(frame) || this.kept.has(frame))
      return true;
    for (const peer of this.peers)
      if (peer.watches(frame) || peer.code.has(frame) || peer.monitors(frame)) return true;
    return false;
  }

  /** Bytes of a frame are written: what was decoded from them is dropped. */
  protected dropCode(frame: number, offset: number, bytes: number): void {
    if (this.code.hit(frame, offset, bytes)) this.code.drop(frame);
    for (const { code } of this.peers) if (code.hit(frame, offset, bytes)) code.drop(frame);
  }

  /** A frame was written: what was translated through it is dropped. */
  protected dropTranslations(frame: number, offset: number, bytes: number): void {
    if (this.cameFrom(frame, offset, bytes)) this.flush();
    for (const peer of this.peers) if (peer.cameFrom(frame, offset, bytes)) peer.flush();
  }

  /** Whether the processor's monitor is armed for a line of a frame. */
  private monitors(frame: number): boolean {
    const { monitoredLine } = this.cpu;
    return monitoredLine >= 0 && Math.floor(monitoredLine / 4096) === frame;
  }

  /** Bytes of a frame are written: the monitors that are armed for one of them trigger. SDM Vol. 2, MONITOR */
  protected triggerMonitors(frame: number, offset: number, bytes: number): void {
    this.trigger(frame, offset, bytes);
    for (const peer of this.peers) peer.trigger(frame, offset, bytes);
  }

  private trigger(frame: number, offset: number, bytes: number): void {
    if (!this.monitors(frame)) return;
    const { cpu } = this;
    const line = cpu.monitoredLine % 4096;
    if (offset + bytes <= line || offset >= line + monitorLineBytes(cpu.cpuid)) return;
    cpu.disarm();
    this.onMonitorTriggered();
  }

  /** From now on a frame has a keeper; undefined: none. */
  keep(frame: number, keeper: FrameKeeper | undefined): void {
    if (keeper === undefined) {
      this.kept.delete(frame);
      return;
    }
    this.kept.set(frame, keeper);
    this.dropViews();
    for (const peer of this.peers) peer.dropViews();
    this.dropWrites();
  }

  private dropViews(): void {
    this.fast.dropReads();
    this.onPagesReplaced();
  }

  /** The page for writing; views of the old copy are dropped when it had to be copied. */
  protected own(frame: number): Page {
    const before = this.memory.page(frame);
    if (this.memory.owns(before)) return before;
    const page = this.memory.ownedPage(frame);
    this.dropViews();
    for (const peer of this.peers) peer.dropViews();
    return page;
  }
}
