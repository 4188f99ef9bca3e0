/**
 * How a monitor reaches its processor. A monitor is a pure machine: it is given the reply to its last request and answers with the next one. A request is one
 * host instruction, which the model executes from a stub in host memory on the processor where the monitor runs, with all its faults and, when that
 * processor is itself in VMX non-root operation, its VM exits.
 */
/** The general-purpose registers in encoding order (RAX RCX RDX RBX RSP RBP RSI RDI R8 ... R15); RSP is the stub's. */
export type GeneralRegisters = readonly bigint[];

/** One host instruction. Addresses are linear addresses of the host (identity mapped by `HostLayout`), values unsigned. */
export type HostRequest =
  | { readonly op: 'load'; readonly address: bigint; readonly bytes: 1 | 2 | 4 | 8 }
  | { readonly op: 'store'; readonly address: bigint; readonly bytes: 1 | 2 | 4 | 8; readonly value: bigint }
  /** REP STOSQ: `count` quadwords of `value` from `address` on. */
  | { readonly op: 'fill'; readonly address: bigint; readonly count: bigint; readonly value: bigint }
  | { readonly op: 'in'; readonly port: number; readonly bytes: 1 | 2 | 4 }
  | { readonly op: 'out'; readonly port: number; readonly bytes: 1 | 2 | 4; readonly value: number }
  | { readonly op: 'cpuid'; readonly leaf: number; readonly subleaf: number }
  | { readonly op: 'rdmsr'; readonly index: number }
  | { readonly op: 'wrmsr'; readonly index: number; readonly value: bigint }
  | { readonly op: 'rdtsc' }
  | { readonly op: 'mov-from-cr'; readonly control: 0 | 2 | 3 | 4 | 8 }
  | { readonly op: 'mov-to-cr'; readonly control: 0 | 2 | 3 | 4 | 8; readonly value: bigint }
  | { readonly op: 'mov-from-dr'; readonly debug: 0 | 1 | 2 | 3 | 6 | 7 }
  | { readonly op: 'mov-to-dr'; readonly debug: 0 | 1 | 2 | 3 | 6 | 7; readonly value: bigint }
  | { readonly op: 'xsetbv'; readonly index: number; readonly value: bigint }
  | { readonly op: 'wbinvd' }
  | { readonly op: 'cli' }
  | { readonly op: 'sti' }
  /** `operand` is the linear address of the 8-byte physical address that the instruction reads. */
  | { readonly op: 'vmxon' | 'vmclear' | 'vmptrld' | 'vmptrst'; readonly operand: bigint }
  | { readonly op: 'vmxoff' }
  | { readonly op: 'vmread'; readonly field: number }
  | { readonly op: 'vmwrite'; readonly field: number; readonly value: bigint }
  /** `operand` is the linear address of the 16-byte descriptor. */
  | { readonly op: 'invept' | 'invvpid'; readonly type: number; readonly operand: bigint }
  /** Loads the guest's registers (all but RSP, which is in the VMCS) and enters. A reply comes at VMfail, at a fault, or at the next VM exit. */
  | { readonly op: 'vmlaunch' | 'vmresume'; readonly registers: GeneralRegisters }
  | { readonly op: 'vmcall'; readonly registers: GeneralRegisters }
  /** The monitor has ended its guest; the machine stops as `monitor-stopped` with this reason. */
  | { readonly op: 'halt-machine'; readonly reason: string };

/** What came of a request. */
export type HostReply =
  /**
   * The instruction completed. `value`: RAX (mov-from, vmread), as many of its bytes as were asked for (load, in), EDX:EAX (rdmsr, rdtsc). `cf` and `zf` tell
   * VMfailInvalid and VMfailValid. `cpuid`: EAX EBX ECX EDX, 32 bits each.
   */
  | {
      readonly kind: 'done';
      readonly value: bigint;
      readonly cf: boolean;
      readonly zf: boolean;
      readonly cpuid?: readonly [number, number, number, number];
    }
  /** The instruction raised an exception, or an interrupt arrived (vector 32 and above), in the host. */
  | { readonly kind: 'exception'; readonly vector: number; readonly errorCode: bigint | undefined }
  /** A VM exit brought the processor to the port; `registers` are the guest's but for RSP. */
  | { readonly kind: 'vm-exit'; readonly registers: GeneralRegisters };

/** Where things are in the host: physical and linear addresses are equal. */
export interface HostLayout {
  /** HOST_RIP: the entry of the port. */
  readonly portEntry: bigint;
  /** A stack for the host (HOST_RSP), a loaded GDT, TSS, IDT and page tables. */
  readonly stackTop: bigint;
  readonly cr3: bigint;
  readonly codeSelector: number;
  readonly dataSelector: number;
  readonly taskSelector: number;
  readonly taskBase: bigint;
  readonly gdtBase: bigint;
  readonly idtBase: bigint;
  /** Memory for the monitor's own use, zeroed: VMXON region, VMCSs, bitmaps, EPT tables. */
  readonly monitorMemory: { readonly base: bigint; readonly bytes: bigint };
  /** Host memory that is the guest's RAM: guest-physical ranges in ascending order, each contiguous in the host. */
  readonly guestMemory: readonly { readonly guest: number; readonly host: number; readonly bytes: number }[];
  /** Where the guest reaches real devices, at equal addresses in the host; the pages of local APICs, which software moves, are not here. */
  readonly deviceMemory: readonly { readonly base: number; readonly bytes: number }[];
  /** The guest's initial state, as the bare machine would start with it. */
  readonly guest: GuestStart;
}

/** The state in which the loader leaves a processor. */
export interface GuestStart {
  readonly rip: bigint;
  readonly rflags: bigint;
  readonly registers: GeneralRegisters;
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly gdtr: { readonly base: bigint; readonly limit: number };
  readonly idtr: { readonly base: bigint; readonly limit: number };
  /** ES CS SS DS FS GS LDTR TR. */
  readonly segments: readonly {
    readonly selector: number;
    readonly base: bigint;
    readonly limit: number;
    /** Format of the VMCS; bit 16: unusable. */
    readonly accessRights: number;
  }[];
}

/** A monitor as a value: `S` is plain immutable data. */
export interface Monitor<S> {
  readonly name: string;
  start(host: HostLayout): readonly [S, HostRequest];
  resume(state: S, reply: HostReply): readonly [S, HostRequest];
}
