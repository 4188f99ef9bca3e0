import type { Remembered } from './caching';
import type { ExtendedState } from './extended-state';
import type { ActivityState, ProcessorDraft } from './processor-draft';
import {
  CONTROL_REGISTERS,
  DEBUG_REGISTERS,
  FIRST_SCRATCH_SLOT,
  MODEL_SPECIFIC_REGISTERS,
  PDPTE_REGISTERS,
  SLOT,
  type SlotName,
} from './slots';

/** One segment register with its hidden part. Access rights in the format of the VMCS (bit 16: unusable). */
export interface SegmentRegister {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  readonly accessRights: number;
}

/** Segment registers of the published state, those of the VMCS in its order. SDM Vol. 3C, 25.4.1 Guest Register State */
export const SEGMENT_REGISTERS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
/** Name of a segment register, LDTR or TR. */
export type SegmentRegisterName = (typeof SEGMENT_REGISTERS)[number];

/** GDTR or IDTR: linear base, limit in bytes. */
export interface DescriptorTableRegister {
  readonly base: bigint;
  readonly limit: number;
}

/** State that software cannot read but that decides what happens next. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
export interface HiddenState {
  readonly activity: ActivityState;
  readonly blockingBySti: boolean;
  readonly blockingByMovSs: boolean;
  readonly blockingByNmi: boolean;
  readonly nmiPending: boolean;
  readonly initPending: boolean;
  /** Vector of a startup IPI that is not yet taken. */
  readonly startupVector: number | undefined;
  /** As the VMCS field of that name. */
  readonly pendingDebug: number;
  readonly nmiUnblocked: boolean;
  /** Physical address of the line for which MONITOR or UMONITOR has armed the monitor; undefined while it is not armed. */
  readonly monitoredLine: number | undefined;
  /** It is armed by UMONITOR. */
  readonly monitoredByUser: boolean;
  /** In a wait: whether interrupts end it also while they are masked. */
  readonly wakesMasked: boolean;
  /** In the wait of UMWAIT or TPAUSE: the machine clock at which it ends; else `Infinity`. */
  readonly waitDeadline: number;
  /** In such a wait: whether it ends then by the limit of IA32_UMWAIT_CONTROL. */
  readonly waitLimited: boolean;
  /** PDPTE0 to PDPTE3, as the last load in PAE paging left them. SDM Vol. 3A, 4.4.1 PDPTE Registers */
  readonly pdptes: readonly bigint[];
}

/** A logical processor as a value: frozen, 64-bit registers as unsigned bigints. */
export interface ProcessorState {
  /** RAX RCX RDX RBX RSP RBP RSI RDI R8 ... R15. */
  readonly registers: readonly bigint[];
  readonly rip: bigint;
  readonly rflags: bigint;
  readonly segments: Readonly<Record<SegmentRegisterName, SegmentRegister>>;
  readonly tables: { readonly gdtr: DescriptorTableRegister; readonly idtr: DescriptorTableRegister };
  readonly control: Readonly<Record<(typeof CONTROL_REGISTERS)[number], bigint>>;
  readonly debug: Readonly<Record<(typeof DEBUG_REGISTERS)[number], bigint>>;
  /** MSRs with an effect of their own, by name. */
  readonly modelSpecific: Readonly<Record<(typeof MODEL_SPECIFIC_REGISTERS)[number], bigint>>;
  /** MSRs that only hold a value, by index. */
  readonly msrs: ReadonlyMap<number, bigint>;
  /** x87, SSE and AVX state. */
  readonly extended: ExtendedState;
  readonly hidden: HiddenState;
  /** Translations and table entries that it remembers. */
  readonly remembered: Remembered;
  /** In VMX non-root operation. */
  readonly nonRoot: boolean;
  /** State of the virtualization extension; undefined when the processor has none. */
  readonly virtualization: unknown;
}

/** The virtualization extension keeps its own state. */
export interface VirtualizationState {
  publish(): unknown;
  load(state: unknown): void;
}

const baseSlot = (index: number): number => (index < 6 ? SLOT.esBase + index : SLOT.ldtrBase + index - 6);

const SYSTEM_FIRST = 2 * SLOT.esBase;
const SYSTEM_END = 2 * FIRST_SCRATCH_SLOT;

const pick = <Name extends SlotName>(
  R: BigUint64Array,
  names: readonly Name[],
): Readonly<Record<Name, bigint>> => {
  const values = {} as Record<Name, bigint>;
  for (const name of names) values[name] = R[SLOT[name]];
  return Object.freeze(values);
};

const segment = (cpu: ProcessorDraft, index: number): SegmentRegister => {
  const { R, W } = cpu;
  return Object.freeze({
    selector: W[2 * (SLOT.es + index)],
    base: R[baseSlot(index)],
    limit: W[2 * (SLOT.esLimit + index)] >>> 0,
    accessRights: W[2 * (SLOT.es + index) + 1] >>> 0,
  });
};

/** Publishes drafts of one processor as values; parts that did not change since the last time are shared. */
export class ProcessorPublisher {
  /** The slots as they were when `last` was published. */
  private readonly published = new Int32Array(SYSTEM_END);
  private last: ProcessorState | undefined;

  publish(cpu: ProcessorDraft, virtualization: VirtualizationState | undefined): ProcessorState {
    const { R } = cpu;
    const { last } = this;
    const system = last !== undefined && !this.systemChanged(cpu) ? last : this.system(cpu);
    const pdptes = system === last ? last.hidden.pdptes : this.pdptes(cpu, last?.hidden.pdptes);
    const state: ProcessorState = {
      registers: this.registers(cpu, last?.registers),
      rip: R[SLOT.rip],
      rflags: cpu.rflags,
      segments: system.segments,
      tables: system.tables,
      control: system.control,
      debug: system.debug,
      modelSpecific: system.modelSpecific,
      msrs: cpu.msrs,
      extended: cpu.extended,
      hidden: this.hidden(cpu, last?.hidden, pdptes),
      remembered: cpu.remembered,
      nonRoot: cpu.nonRoot,
      virtualization: virtualization?.publish(),
    };
    this.last = Object.freeze(state);
    return state;
  }

  /** Fills a draft from a value. */
  load(cpu: ProcessorDraft, state: ProcessorState, virtualization: VirtualizationState | undefined): void {
    const { R, W } = cpu;
    state.registers.forEach((value, i) => {
      R[i] = value;
    });
    SEGMENT_REGISTERS.forEach((name, i) => {
      const { selector, base, limit, accessRights } = state.segments[name];
      W[2 * (SLOT.es + i)] = selector;
      W[2 * (SLOT.es + i) + 1] = accessRights;
      W[2 * (SLOT.esLimit + i)] = limit;
      W[2 * (SLOT.esLimit + i) + 1] = 0;
      R[baseSlot(i)] = base;
    });
    R[SLOT.gdtrBase] = state.tables.gdtr.base;
    R[SLOT.gdtrLimit] = BigInt(state.tables.gdtr.limit);
    R[SLOT.idtrBase] = state.tables.idtr.base;
    R[SLOT.idtrLimit] = BigInt(state.tables.idtr.limit);
    for (const name of CONTROL_REGISTERS) R[SLOT[name]] = state.control[name];
    for (const name of DEBUG_REGISTERS) R[SLOT[name]] = state.debug[name];
    for (const name of MODEL_SPECIFIC_REGISTERS) R[SLOT[name]] = state.modelSpecific[name];
    PDPTE_REGISTERS.forEach((name, i) => {
      R[SLOT[name]] = state.hidden.pdptes[i];
    });
    cpu.rip = state.rip;
    cpu.rflags = state.rflags;
    cpu.msrs = state.msrs;
    cpu.extended = state.extended;
    cpu.remembered = state.remembered;
    const { hidden } = state;
    cpu.activity = hidden.activity;
    cpu.blockingBySti = hidden.blockingBySti;
    cpu.blockingByMovSs = hidden.blockingByMovSs;
    cpu.blockingByNmi = hidden.blockingByNmi;
    cpu.nmiPending = hidden.nmiPending;
    cpu.initPending = hidden.initPending;
    cpu.startupVector = hidden.startupVector;
    cpu.pendingDebug = hidden.pendingDebug;
    cpu.boundaryWork = true;
    cpu.nmiUnblocked = hidden.nmiUnblocked;
    cpu.monitoredLine = hidden.monitoredLine ?? -1;
    cpu.monitoredByUser = hidden.monitoredByUser;
    cpu.wakesMasked = hidden.wakesMasked;
    cpu.waitDeadline = hidden.waitDeadline;
    cpu.waitLimited = hidden.waitLimited;
    cpu.nonRoot = state.nonRoot;
    cpu.interruption = undefined;
    cpu.exit = undefined;
    virtualization?.load(state.virtualization);
    this.published.set(W.subarray(0, SYSTEM_END));
    this.last = state;
  }

  /** Most registers are as they were: a value that did not change is not made anew. */
  private registers({ R, W }: ProcessorDraft, last: readonly bigint[] | undefined): readonly bigint[] {
    const { published } = this;
    const next = new Array<bigint>(16);
    let changed = last === undefined;
    for (let i = 0; i < 16; i++) {
      const low = W[2 * i];
      const high = W[2 * i + 1];
      if (last !== undefined && published[2 * i] === low && published[2 * i + 1] === high) next[i] = last[i];
      else {
        next[i] = R[i];
        published[2 * i] = low;
        published[2 * i + 1] = high;
        changed = true;
      }
    }
    return changed ? Object.freeze(next) : last!;
  }

  private systemChanged({ W }: ProcessorDraft): boolean {
    const { published } = this;
    published[ENGINE_LOW] = W[ENGINE_LOW];
    published[ENGINE_LOW + 1] = W[ENGINE_LOW + 1];
    for (let i = SYSTEM_FIRST; i < SYSTEM_END; i += 2)
      if (((W[i] ^ published[i]) | (W[i + 1] ^ published[i + 1])) !== 0) return true;
    return false;
  }

  private system(
    cpu: ProcessorDraft,
  ): Pick<ProcessorState, 'segments' | 'tables' | 'control' | 'debug' | 'modelSpecific'> {
    const { R, W } = cpu;
    this.published.set(W.subarray(SYSTEM_FIRST, SYSTEM_END), SYSTEM_FIRST);
    const segments = {} as Record<SegmentRegisterName, SegmentRegister>;
    SEGMENT_REGISTERS.forEach((name, i) => {
      segments[name] = segment(cpu, i);
    });
    return {
      segments: Object.freeze(segments),
      tables: Object.freeze({
        gdtr: Object.freeze({ base: R[SLOT.gdtrBase], limit: W[2 * SLOT.gdtrLimit] }),
        idtr: Object.freeze({ base: R[SLOT.idtrBase], limit: W[2 * SLOT.idtrLimit] }),
      }),
      control: pick(R, CONTROL_REGISTERS),
      debug: pick(R, DEBUG_REGISTERS),
      modelSpecific: pick(R, MODEL_SPECIFIC_REGISTERS),
    };
  }

  private pdptes({ R }: ProcessorDraft, last: readonly bigint[] | undefined): readonly bigint[] {
    const now = PDPTE_REGISTERS.map((name) => R[SLOT[name]]);
    return last?.every((value, i) => value === now[i]) === true ? last : Object.freeze(now);
  }

  private hidden(cpu: ProcessorDraft, last: HiddenState | undefined, pdptes: readonly bigint[]): HiddenState {
    if (
      last !== undefined &&
      last.activity === cpu.activity &&
      last.blockingBySti === cpu.blockingBySti &&
      last.blockingByMovSs === cpu.blockingByMovSs &&
      last.blockingByNmi === cpu.blockingByNmi &&
      last.nmiPending === cpu.nmiPending &&
      last.initPending === cpu.initPending &&
      last.startupVector === cpu.startupVector &&
      last.pendingDebug === cpu.pendingDebug &&
      last.nmiUnblocked === cpu.nmiUnblocked &&
      (last.monitoredLine ?? -1) === cpu.monitoredLine &&
      last.monitoredByUser === cpu.monitoredByUser &&
      last.wakesMasked === cpu.wakesMasked &&
      last.waitDeadline === cpu.waitDeadline &&
      last.waitLimited === cpu.waitLimited &&
      last.pdptes === pdptes
    )
      return last;
    return Object.freeze({
      activity: cpu.activity,
      blockingBySti: cpu.blockingBySti,
      blockingByMovSs: cpu.blockingByMovSs,
      blockingByNmi: cpu.blockingByNmi,
      nmiPending: cpu.nmiPending,
      initPending: cpu.initPending,
      startupVector: cpu.startupVector,
      pendingDebug: cpu.pendingDebug,
      nmiUnblocked: cpu.nmiUnblocked,
      monitoredLine: cpu.monitoredLine < 0 ? undefined : cpu.monitoredLine,
      monitoredByUser: cpu.monitoredByUser,
      wakesMasked: cpu.wakesMasked,
      waitDeadline: cpu.waitDeadline,
      waitLimited: cpu.waitLimited,
      pdptes,
    });
  }
}

const ENGINE_LOW = 2 * SLOT.engine;
