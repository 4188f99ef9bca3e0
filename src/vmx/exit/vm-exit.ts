import type { Gpa } from '../../core';
import type { InterruptionEvent } from '../../cpu/event';
import type { TaskSwitchSource } from '../../cpu/virtualization';
import type { EptViolation } from '../../ept';
import type { ExitReason } from './exit-reasons';

/** Length in bytes of the instruction that exits. */
interface ByInstruction {
  readonly length: number;
}

/** The memory operand of a VMX or descriptor-table instruction. */
interface ByOperand extends ByInstruction {
  /** Displacement, sign-extended; with the next RIP added when RIP-relative; 0 for a register. */
  readonly displacement: bigint;
  /** VM-exit instruction information (int32). */
  readonly information: number;
}

interface IoExit extends ByInstruction {
  readonly reason: 'ioInstruction';
  readonly bytes: 1 | 2 | 4;
  readonly direction: 'in' | 'out';
  readonly port: number;
  readonly string: boolean;
  readonly repeated: boolean;
  readonly immediate: boolean;
  /** Of a string instruction: linear address of the memory operand, and the instruction information (int32). */
  readonly linearAddress?: bigint;
  readonly information?: number;
}

interface ControlRegisterExit extends ByInstruction {
  readonly reason: 'controlRegisterAccess';
  readonly access: 'mov-to-cr' | 'mov-from-cr' | 'clts' | 'lmsw';
  /** Number of the control register; 0 for CLTS and LMSW. */
  readonly control: number;
  /** General-purpose register of MOV; 0 for the others. */
  readonly register: number;
  /** 16 bits of LMSW; 0 for the others. */
  readonly source: number;
  /** Of LMSW with a memory operand. */
  readonly linearAddress?: bigint;
}

/** An exit as a value; `exitFields` turns it into the VM-exit information fields. SDM Vol. 3D, Appendix C VMX Basic Exit Reasons */
export type VmExit =
  | (ByInstruction & {
      readonly reason:
        | 'cpuid'
        | 'getsec'
        | 'hlt'
        | 'invd'
        | 'rdpmc'
        | 'rdtsc'
        | 'rdtscp'
        | 'rsm'
        | 'vmcall'
        | 'vmlaunch'
        | 'vmresume'
        | 'vmxoff'
        | 'vmfunc'
        | 'rdmsr'
        | 'wrmsr'
        | 'monitor'
        | 'pause'
        | 'wbinvd'
        | 'xsetbv';
    })
  /** `armed`: address-range monitoring was in effect. */
  | (ByInstruction & { readonly reason: 'mwait'; readonly armed: boolean })
  | (ByInstruction & { readonly reason: 'invlpg'; readonly linearAddress: bigint })
  | (ByOperand & {
      readonly reason:
        | 'vmclear'
        | 'vmptrld'
        | 'vmptrst'
        | 'vmread'
        | 'vmwrite'
        | 'vmxon'
        | 'invept'
        | 'invvpid'
        | 'invpcid'
        | 'gdtrIdtrAccess'
        | 'ldtrTrAccess'
        | 'xsaves'
        | 'xrstors';
    })
  | (ByInstruction & {
      readonly reason: 'rdrand' | 'rdseed' | 'umwait' | 'tpause';
      /** VM-exit instruction information (int32). */
      readonly information: number;
    })
  | ControlRegisterExit
  | (ByInstruction & {
      readonly reason: 'movDr';
      readonly debug: number;
      readonly direction: 'to' | 'from';
      readonly register: number;
    })
  | IoExit
  | { readonly reason: 'exceptionOrNmi'; readonly event: InterruptionEvent }
  | {
      readonly reason: 'taskSwitch';
      readonly source: TaskSwitchSource;
      /** Of the new TSS. */
      readonly selector: number;
      /** 0 for a task gate of the IDT. */
      readonly length: number;
    }
  /** The vector when the interrupt was acknowledged. */
  | { readonly reason: 'externalInterrupt'; readonly vector: number | undefined }
  | { readonly reason: 'sipi'; readonly vector: number }
  | {
      readonly reason:
        | 'tripleFault'
        | 'initSignal'
        | 'interruptWindow'
        | 'nmiWindow'
        | 'monitorTrapFlag'
        | 'preemptionTimerExpired';
    }
  | ({ readonly reason: 'eptViolation' } & Omit<EptViolation, 'kind'>)
  | { readonly reason: 'eptMisconfiguration'; readonly gpa: Gpa }
  | { readonly reason: 'pmlFull' };

/** A VM entry that failed after guest state was looked at. SDM Vol. 3C, 27.8 VM-Entry Failures During or After Loading Guest State */
export interface EntryFailure {
  readonly reason: Extract<
    ExitReason,
    'entryFailureGuestState' | 'entryFailureMsrLoading' | 'entryFailureMachineCheck'
  >;
  readonly qualification: number;
}
