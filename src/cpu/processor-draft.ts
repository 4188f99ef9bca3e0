import { type ChoiceSite, join, Unbuilt } from '../core';
import type { Bus } from './bus';
import { NOTHING_REMEMBERED, type Remembered, type StaleTranslation } from './caching';
import type { CpuidTable } from './cpuid';
import { EVENT_TYPE, type InterruptionEvent, VECTOR } from './event';
import { EXTENDED_INITIAL, type ExtendedState } from './extended-state';
import type { Mmu } from './mmu';
import { ACCESS_RIGHTS, CR0, CR4, EFER, FLAG, SLOT, SLOT_COUNT, STATUS_FLAGS } from './slots';
import { statusFlagsOf, storeStatusFlags } from './status-flags';
import type { UndefinedUse } from './undefined-use';
import type { Virtualization } from './virtualization';

/** Activity state; what MWAIT, UMWAIT (`mwait`) and TPAUSE bring about is active for the VMCS. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export const ACTIVITY = { active: 0, hlt: 1, shutdown: 2, waitForSipi: 3, mwait: 4, tpause: 5 } as const;
/** Number of an activity state, as `ACTIVITY` names it. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export type ActivityState = (typeof ACTIVITY)[keyof typeof ACTIVITY];

/** Whether a processor waits in MWAIT, UMWAIT or TPAUSE. */
export const isWaiting = (activity: ActivityState): boolean =>
  activity === ACTIVITY.mwait || activity === ACTIVITY.tpause;

/** The private sentinel by which an instruction ends without completing; `ProcessorDraft.interruption` or `.exit` says why. */
export const LEFT: { readonly left: true } = Object.freeze({ left: true });

/** Told what happens on a processor; changes nothing. */
export interface ProcessorWatcher {
  /** An event was delivered through the IDT: the processor is at the first instruction of its handler. */
  delivered?(cpu: ProcessorDraft, event: InterruptionEvent): void;
  /** An event was not delivered, for a fault arose on the way; an exit, a further delivery or a triple fault follows. */
  undelivered?(cpu: ProcessorDraft, event: InterruptionEvent, fault: InterruptionEvent): void;
  /** RDMSR or WRMSR reached the register itself: it did not exit, and did not fault. */
  reachedMsr?(cpu: ProcessorDraft, index: number, access: 'read' | 'write'): void;
  /** A remembered translation was used that memory contradicts. */
  staleTranslation?(cpu: ProcessorDraft, report: StaleTranslation): void;
  /** Software does what the manual leaves undefined. */
  undefinedUse?(cpu: ProcessorDraft, use: UndefinedUse): void;
  /** VM entry has loaded the guest state; an event that it injects is not delivered yet. */
  enteredNonRoot?(cpu: ProcessorDraft): void;
  /** A VM exit begins: the guest state is still in the processor. `exit` is what `leave` was given, `during` the event in whose delivery it came. */
  leftNonRoot?(cpu: ProcessorDraft, exit: unknown, during: InterruptionEvent | undefined): void;
}

/** A logical processor under change. Belongs to one engine; published as a `ProcessorState`. */
export class ProcessorDraft {
  readonly buffer: ArrayBuffer = new ArrayBuffer(SLOT_COUNT * 8);
  readonly R: BigUint64Array = new BigUint64Array(this.buffer);
  readonly W: Int32Array = new Int32Array(this.buffer);

  // Hidden state (design: named, per processor)
  activity: ActivityState = ACTIVITY.active;
  blockingBySti = false;
  blockingByMovSs = false;
  blockingByNmi = false;
  nmiPending = false;
  initPending = false;
  /** Vector of a startup IPI that waits for its processor to wait for it. */
  startupVector: number | undefined;
  /** Pending debug exceptions, as in the VMCS field: B3:0, enabled breakpoint (12), BS (14). */
  pendingDebug = 0;
  /** Physical address of the line that MONITOR or UMONITOR armed; -1: none. */
  monitoredLine = -1;
  /** It was UMONITOR: then UMWAIT waits for a store, and MWAIT does not. */
  monitoredByUser = false;
  /** The wait ends by interrupts also while they are masked. */
  wakesMasked = false;
  /** Machine clock at which the wait of UMWAIT or TPAUSE ends. */
  waitDeadline = Number.POSITIVE_INFINITY;
  /** That is the limit of IA32_UMWAIT_CONTROL. */
  waitLimited = false;
  /** x87, SSE and AVX state. */
  extended: ExtendedState = EXTENDED_INITIAL;
  /** What it remembers of tables. */
  remembered: Remembered = NOTHING_REMEMBERED;
  /** Other MSRs that the preset has, by index. */
  msrs: ReadonlyMap<number, bigint> = new Map();

  // Set when an instruction leaves
  interruption: InterruptionEvent | undefined;
  exit: unknown;

  /** An event is being delivered: its handler has not been entered. */
  delivering = false;

  /** In VMX non-root operation. */
  nonRoot = false;
  virtualization: Virtualization | undefined;
  /** There is something to look at before the next instruction (pending interrupt, window, shadow, TF...). */
  boundaryWork = true;
  /** Retired iterations of a repeated string instruction beyond the first, added to the count of retired instructions. */
  extraRetired = 0;
  /** How many further instructions or iterations may retire before a deadline; string instructions stop there. */
  iterationBudget = 1;
  /** The caller's `Choice` answers for undefined flags; then a row that leaves some runs on the computing builder. */
  asksUndefinedFlags = false;
  /** The IRET in execution ended blocking by NMI (or virtual-NMI blocking); cleared when an instruction retires or an event is delivered. */
  nmiUnblocked = false;
  /** What the instruction in execution began with and ends (`beginInstruction`); 0 once a VM entry has replaced the state that it began in. */
  begun = 0;
  /** An event that VM entry injected met endless nested deliveries; the engine stops. */
  deliveryLoop = false;
  /** The instruction or event has switched to another task: RIP is that task's, and a fault from here on too. */
  taskSwitched = false;
  watcher: ProcessorWatcher | undefined;
  /** Which of the machine's processors it is, from 0 on: its initial APIC ID. */
  number = 0;
  /** How many the machine has. */
  count = 1;

  constructor(
    readonly bus: Bus,
    readonly mmu: Mmu,
    readonly cpuid: CpuidTable,
    readonly clock: { now(): number },
    readonly choose: (site: ChoiceSite, alternatives: bigint, preferred: bigint) => bigint,
  ) {}

  // ---- registers
  get rip(): bigint {
    return this.R[SLOT.rip]!;
  }
  set rip(value: bigint) {
    this.R[SLOT.rip] = value;
  }
  /** Where the instruction in execution continues; a system row that jumps writes it. */
  get nextRip(): bigint {
    return this.R[SLOT.nextRip]!;
  }
  set nextRip(value: bigint) {
    this.R[SLOT.nextRip] = value;
  }
  /** All of RFLAGS; reading computes the lazy status flags. */
  get rflags(): bigint {
    const { W } = this;
    return join((W[2 * SLOT.rflags]! & ~STATUS_FLAGS) | statusFlagsOf(W) | 2, W[2 * SLOT.rflags + 1]!);
  }
  set rflags(value: bigint) {
    this.R[SLOT.rflags] = value & ~BigInt(STATUS_FLAGS);
    storeStatusFlags(this.W, Number(value & BigInt(STATUS_FLAGS)));
    this.boundaryWork = true;
    this.mmu.contextChanged();
  }
  flag(mask: number): boolean {
    return (this.W[2 * SLOT.rflags]! & mask) !== 0;
  }

  // ---- modes
  /** SS.DPL. SDM Vol. 3A, 5.5 Privilege Levels */
  get cpl(): number {
    return (this.W[2 * SLOT.ss + 1]! >> ACCESS_RIGHTS.dplShift) & 3;
  }
  get protectedMode(): boolean {
    return (this.W[2 * SLOT.cr0]! & CR0.pe) !== 0;
  }
  get paging(): boolean {
    return (this.W[2 * SLOT.cr0]! & CR0.pg) !== 0;
  }
  /** IA-32e mode (IA32_EFER.LMA). */
  get longMode(): boolean {
    return (this.W[2 * SLOT.efer]! & EFER.lma) !== 0;
  }
  /** 64-bit mode: IA-32e mode and CS.L. */
  get mode64(): boolean {
    return this.longMode && (this.W[2 * SLOT.cs + 1]! & ACCESS_RIGHTS.l) !== 0;
  }
  /** PAE paging, whose root is in the PDPTE registers. SDM Vol. 3A, 4.1.1 Four Paging Modes */
  get paePaging(): boolean {
    return this.paging && !this.longMode && (this.W[2 * SLOT.cr4]! & CR4.pae) !== 0;
  }
  get codeSize(): 16 | 32 | 64 {
    if (this.mode64) return 64;
    return (this.W[2 * SLOT.cs + 1]! & ACCESS_RIGHTS.db) !== 0 ? 32 : 16;
  }
  get virtual8086(): boolean {
    return this.flag(FLAG.vm);
  }
  /** Selectors name descriptors; in real-address and virtual-8086 mode they are paragraph numbers. SDM Vol. 3B, 21.1.1 Address Translation in Real-Address Mode */
  get usesDescriptors(): boolean {
    return this.protectedMode && !this.virtual8086;
  }

  // ---- leaving an instruction
  /** Ends the instruction with an exception; nothing of it has been written. Real-address mode knows no error codes. SDM Vol. 3B, 21.1.4 Interrupt and Exception Handling */
  raise(vector: number, errorCode?: number, address?: bigint): never {
    this.interruption = {
      vector,
      type: EVENT_TYPE.hardwareException,
      ...(errorCode === undefined || !this.protectedMode ? {} : { errorCode }),
      ...(address === undefined ? {} : { address }),
    };
    throw LEFT;
  }
  /** #GP(0) unless told otherwise. */
  generalProtection(errorCode = 0): never {
    return this.raise(VECTOR.gp, errorCode);
  }
  invalidOpcode(): never {
    return this.raise(VECTOR.ud);
  }
  /** Ends the instruction with any event (INT n, #DB with status...). */
  interrupt(event: InterruptionEvent): never {
    this.interruption = event;
    throw LEFT;
  }
  /** Ends the instruction with a VM exit, which `Virtualization.performExit` carries out. */
  leave(exit: unknown): never {
    this.exit = exit;
    throw LEFT;
  }
  unbuilt(what: string): never {
    throw new Unbuilt(what);
  }

  /** No monitor is armed: after a store to its line, and after what may bring another context. SDM Vol. 3A, 9.10.4 MONITOR/MWAIT Instruction */
  disarm(): void {
    this.monitoredLine = -1;
    this.monitoredByUser = false;
  }

  /** No wait is under way, and no monitor is armed. */
  endWait(): void {
    this.disarm();
    this.wakesMasked = false;
    this.waitDeadline = Number.POSITIVE_INFINITY;
    this.waitLimited = false;
  }

  /** Asks the caller's `Choice`; the occurrence is counted in the machine state. */
  decide(site: ChoiceSite, alternatives: bigint, preferred: bigint): bigint {
    return this.choose(site, alternatives, preferred);
  }
}
