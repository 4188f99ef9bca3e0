import type { VmxCapabilities } from '../capabilities';
import type { VmcsData, VmcsField } from '../vmcs';

/** Reads physical memory. */
export interface PhysicalReader {
  /** 8 bytes at a physical address, little-endian, unsigned. */
  readonly read64: (address: number) => bigint;
  readonly read32: (address: number) => number;
  /** Whether all these bytes are known; every byte is when left out. Rules that need others are not evaluated. */
  readonly isKnown?: (address: number, bytes: number) => boolean;
}

/** What a VM-entry rule may look at besides the VMCS. */
export interface VmEntryContext {
  readonly vmcs: VmcsData;
  readonly capabilities: VmxCapabilities;
  readonly memory: PhysicalReader | undefined;
  /** State of the logical processor at VM entry that rules read. */
  readonly processor: VmEntryProcessor;
}

/** The logical processor as VM-entry rules see it, beside the VMCS. */
export interface VmEntryProcessor {
  /** In 64-bit mode (IA32_EFER.LMA = 1 and CS.L = 1) at VM entry. */
  readonly longMode: boolean;
  /** IA32_EFER.LMA at VM entry. */
  readonly ia32eMode: boolean;
  readonly cpl: number;
  readonly instruction: 'vmlaunch' | 'vmresume';
  /** Physical address of the current VMCS; negative when the current-VMCS pointer is FFFFFFFF_FFFFFFFFH; undefined when it is valid, and not known. */
  readonly currentVmcs: number | undefined;
  /** Blocking by MOV SS in effect when the VM-entry instruction executes. */
  readonly movSsBlocking: boolean;
  readonly inSmm: boolean;
  /** MAXPHYADDR. */
  readonly physicalAddressWidth: number;
  /** Linear-address width: 48 or 57. */
  readonly linearAddressWidth: number;
  /** IA32_RTIT_CTL.TraceEn. */
  readonly traceEnabled: boolean;
  /** Features that rules ask about, from CPUID. */
  readonly features: ReadonlySet<string>;
  /** VMX operation when the instruction executes; root when left out. */
  readonly operation?: 'none' | 'root' | 'non-root';
  /** CR0.PE; true when left out. */
  readonly protectedMode?: boolean;
  /** RFLAGS.VM; false when left out. */
  readonly virtual8086Mode?: boolean;
  /** VMXOFF and VMXON came between the VMLAUNCH of the current VMCS and now; false when left out. */
  readonly vmxoffSinceLaunch?: boolean;
  /** Physical address of the VMXON region; asked for by VM entries that return from SMM alone. */
  readonly vmxonPointer?: number;
  /**
   * Data of the executive VMCS, for a VM entry that returns from SMM. Left out when the executive-VMCS pointer is the VMXON
   * pointer: VM-execution controls then count as 0. SDM Vol. 3C, 32.15.4 VM Entries That Return from SMM
   */
  readonly executiveVmcs?: VmcsData;
  /** A machine check arrives during the VM entry; false when left out. */
  readonly machineCheck?: boolean;
  /** Bits of IA32_PERF_GLOBAL_CTRL that exist; four programmable and three fixed counters when left out. */
  readonly perfGlobalCtrlBits?: bigint;
  /** Bits of IA32_SPEC_CTRL that WRMSR may set; every architectural one when left out. */
  readonly specCtrlBits?: bigint;
}

/** Whatever a rule names in `reads`; that it reads memory is said by `needsMemory`. */
export type StateField = VmcsField | 'vmcs.launched' | 'vmcs.shadow' | `processor.${keyof VmEntryProcessor}`;
