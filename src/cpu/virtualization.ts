import type { EntryUpdate, LinearHalves, Remedy, SecondStage, WayFault } from './caching';
import type { Instruction } from './decode/instruction';
import type { InterruptionEvent } from './event';
import type { ProcessorDraft } from './processor-draft';

/** A sensitive instruction at its place of interception, with the operands that an exit reports. */
export type InterceptedInstruction =
  | {
      readonly id:
        | 'cpuid'
        | 'hlt'
        | 'invd'
        | 'wbinvd'
        | 'rdtsc'
        | 'rdtscp'
        | 'rdpmc'
        | 'pause'
        | 'rdrand'
        | 'rdseed'
        | 'umwait'
        | 'tpause'
        | 'monitor'
        | 'mwait'
        | 'rsm'
        | 'getsec';
    }
  | { readonly id: 'xsetbv' }
  | { readonly id: 'invpcid' }
  /** What it asks for of that which IA32_XSS enables. */
  | { readonly id: 'xsaves' | 'xrstors'; readonly components: bigint }
  | { readonly id: 'invlpg'; readonly address: bigint }
  | { readonly id: 'rdmsr' | 'wrmsr'; readonly index: number }
  | {
      readonly id: 'io';
      readonly direction: 'in' | 'out';
      readonly port: number;
      readonly bytes: 1 | 2 | 4;
      readonly string: boolean;
      readonly repeated: boolean;
      readonly immediate: boolean;
      /** Of a string instruction: segment number and linear address of the memory operand. */
      readonly segment?: number;
      readonly address?: bigint;
    }
  | { readonly id: 'mov-to-cr'; readonly control: number; readonly register: number; readonly value: bigint }
  | { readonly id: 'mov-from-cr'; readonly control: number; readonly register: number }
  | { readonly id: 'clts' }
  | { readonly id: 'lmsw'; readonly source: number; readonly address?: bigint }
  | {
      readonly id: 'mov-dr';
      readonly debug: number;
      readonly direction: 'to' | 'from';
      readonly register: number;
    }
  | {
      readonly id: 'descriptor-table';
      readonly mnemonic: 'sgdt' | 'sidt' | 'lgdt' | 'lidt' | 'sldt' | 'str' | 'lldt' | 'ltr';
    };

/** What attempts a task switch; `gate` is a task gate of the IDT. */
export type TaskSwitchSource = 'call' | 'iret' | 'jmp' | 'gate';

/** A task switch about to begin. */
export interface TaskSwitchAttempt {
  readonly source: TaskSwitchSource;
  /** Of the new TSS. */
  readonly selector: number;
  /** Bytes of the CALL, IRET or JMP. */
  readonly length: number | undefined;
}

/** How a physical access of the processor came about. */
export interface PhysicalAccess {
  readonly read: boolean;
  readonly write: boolean;
  readonly fetch: boolean;
  /** Linear address being translated; undefined for a PDPTE load. */
  readonly linear: bigint | undefined;
  /** The access is to a guest paging-structure entry (or its A/D update), not to the translation of the linear address itself. */
  readonly pagingStructure: boolean;
  /** `RIGHTS` of the linear address by the guest's paging, where the access is to its translation. */
  readonly linearRights: number;
  /** The instruction reads what it writes. */
  readonly update: boolean;
}

/**
 * What the core asks about virtualization. The core defines it and knows nothing of its implementation; methods marked "may leave" end the
 * instruction through `ProcessorDraft.leave` with an exit that `performExit` carries out when RIP has been brought up to date.
 */
export interface Virtualization {
  /** Non-root operation only: whether the instruction exits; then `ProcessorDraft.exit` holds the exit, and the instruction must not go on. */
  intercept(cpu: ProcessorDraft, instruction: Instruction, what: InterceptedInstruction): boolean;
  /** Non-root operation: whether the instruction exists; else it is #UD before anything else is looked at. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
  instructionEnabled(
    cpu: ProcessorDraft,
    id: 'rdtscp' | 'rdpid' | 'invpcid' | 'xsaves' | 'user-wait',
  ): boolean;
  /** Non-root operation: value that MOV from CR0 or CR4 (or SMSW) shows. */
  readControlRegister(cpu: ProcessorDraft, control: 0 | 4, value: bigint): bigint;
  /** Non-root operation: value that reaches CR0 or CR4 when software writes `value` (host-owned bits stay). */
  writeControlRegister(cpu: ProcessorDraft, control: 0 | 4, value: bigint): bigint;
  /** Bits of CR0 or CR4 that must be as VMX operation fixes them, else #GP(0); called for root and non-root while VMX operation is on. */
  controlRegisterAllowed(cpu: ProcessorDraft, control: 0 | 4, value: bigint): boolean;
  /** Non-root operation: what software sees of the time-stamp counter. */
  shownTimeStamp(cpu: ProcessorDraft, counter: bigint): bigint;
  /** Non-root operation: ticks of the counter itself in so many ticks of what software sees of it. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
  physicalDelay(cpu: ProcessorDraft, delay: bigint): bigint;
  /** Non-root operation: guest-physical to host-physical address. May leave (EPT violation, EPT misconfiguration, page-modification log full) or raise #VE. Identity without EPT. */
  translateGuestPhysical(cpu: ProcessorDraft, address: number, access: PhysicalAccess): number;
  /** Non-root operation: the current VPID. SDM Vol. 3C, 29.4.1 Information That May Be Cached */
  currentVpid(cpu: ProcessorDraft): number;
  /** Non-root operation: EPT as the second stage of translation; undefined without. */
  secondStage(cpu: ProcessorDraft): SecondStage | undefined;
  /** Non-root operation: sets flags of EPT entries that one translation of a guest-physical address used, where the rest of it was remembered; may leave as a walk does. */
  setStageFlags(cpu: ProcessorDraft, gpa: number, updates: readonly EntryUpdate[]): void;
  /** Non-root operation: leaves with what a remembered translation of EPT says; `entryHigh` is the high half (int32) of the entry of EPT that it ends at. */
  refuseTranslation(
    cpu: ProcessorDraft,
    fault: Exclude<WayFault, { kind: 'page-fault' }>,
    access: PhysicalAccess,
    entryHigh: number,
  ): never;
  /** Non-root operation: whether an operation of the guest invalidates, itself or by the VM exit that it causes; false where it is undefined. */
  invalidatesItself(cpu: ProcessorDraft, operation: Remedy['operation']): boolean;
  /** Non-root operation: what software outside it can do to drop remembered translations of an address, smallest first. */
  remedies(cpu: ProcessorDraft, at: LinearHalves): readonly Remedy[];
  /** Non-root operation with EPT, for the engine's caches: a number for the EPT root, 0 without. */
  translationRoot(cpu: ProcessorDraft): number;
  /** Non-root operation: an event is about to be delivered; `during` is the event in whose delivery it arose. May leave. */
  interceptEvent(cpu: ProcessorDraft, event: InterruptionEvent, during: InterruptionEvent | undefined): void;
  /** Non-root operation: a task switch would begin now. May leave (always does). */
  interceptTaskSwitch(cpu: ProcessorDraft, attempt: TaskSwitchAttempt): void;
  /** An INIT signal is pending at an instruction boundary: VMX root operation blocks it (true), non-root operation leaves. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
  blocksInit(cpu: ProcessorDraft): boolean;
  /** Whether VMX operation is on, which blocks A20M#. SDM Vol. 3C, 24.8 Restrictions on VMX Operation */
  blocksA20m(cpu: ProcessorDraft): boolean;
  /** Non-root operation. May leave (always does). */
  interceptTripleFault(cpu: ProcessorDraft): void;
  /** Non-root operation, instruction boundary, an external interrupt is pending. May leave; returns whether RFLAGS.IF may be ignored (never, when it returned). */
  interceptExternalInterrupt(cpu: ProcessorDraft): void;
  /**
   * Non-root operation, instruction boundary; called by `boundaryEvent` at three places of the priority order. May leave. `debug-trap`: monitor trap flag;
   * `nmi`: preemption timer, NMI window; `interrupt`: interrupt window. SDM Vol. 3C, 26.2 Other Causes of VM Exits
   */
  instructionBoundary(cpu: ProcessorDraft, before: 'debug-trap' | 'nmi' | 'interrupt'): void;
  /** Non-root operation: an instruction or an iteration has retired, or an event was delivered. SDM Vol. 3C, 26.5.2 Monitor Trap Flag */
  passedBoundary(cpu: ProcessorDraft): void;
  /** Non-root operation: whether each instruction boundary must be looked at, although nothing is pending. */
  wantsEachBoundary(cpu: ProcessorDraft): boolean;
  /** Non-root operation, waiting for a startup IPI: it has come. Leaves. SDM Vol. 3C, 26.2 Other Causes of VM Exits */
  interceptStartup(cpu: ProcessorDraft, vector: number): void;
  /** Non-root operation, MWAIT that masked interrupts would end: whether it goes on at once since its caller waits for a window. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
  refusesWait(cpu: ProcessorDraft): boolean;
  /** Non-root operation, IRET executes: removes blocking by NMI or virtual-NMI blocking as the controls say; whether something was unblocked. */
  unblockNmi(cpu: ProcessorDraft): boolean;
  /** Machine clock at which `instructionBoundary` must be called (preemption timer); Infinity when none. */
  nextDeadline(cpu: ProcessorDraft): number;
  /** A VM exit could not be completed: the processor is in a shutdown state that only RESET ends. */
  isAborted(cpu: ProcessorDraft): boolean;
  /** Carries out the exit given to `leave`. RIP is that of the instruction (or as the exit demands). */
  performExit(cpu: ProcessorDraft, exit: unknown, during: InterruptionEvent | undefined): void;
  /** Reset value and access to MSRs that belong to virtualization (0x480 to 0x493); undefined when the MSR is not one of them. */
  readMsr(cpu: ProcessorDraft, index: number): bigint | undefined;
}
