import { type EntrySource, high32, low32, PAGE_BYTES } from '../core';
import type { FrameKeeper } from '../cpu/engine/kept-frames';
import type { Mmu } from '../cpu/mmu';
import { type EptCapabilities, EptWalk } from '../ept';
import { controlSupported, eptVpidCap, mostAreaEntries, type VmxCapabilities, vmxMisc } from './capabilities';
import type { PhysicalReader, VmEntryProcessor } from './entry/context';
import { VmEntryChecker } from './entry/vm-entry-checker';
import { KeptRegion } from './kept-regions';
import { ActiveVmcs, type MonitorTrap, type PauseLoop, VMX_OFF, type VmxState } from './state';
import { controlMask, halfOf } from './vmcs/halves';
import { supportedFields } from './vmcs/supported-fields';

/** What the processor around VMX is like. */
export interface VmxOptions {
  readonly capabilities: VmxCapabilities;
  /** MAXPHYADDR in bits. */
  readonly physicalAddressWidth: number;
  /** 48 or 57. */
  readonly linearAddressWidth: number;
  /** Bits of IA32_PERF_GLOBAL_CTRL that exist. */
  readonly perfGlobalCtrlBits?: bigint;
  /** Features that VM-entry rules ask about. */
  readonly features?: ReadonlySet<string>;
  /** Reads host memory for EPT walks; through `Mmu.readPhysical` when left out. */
  readonly tables?: EntrySource;
  /** Number of the processor; default 0. */
  readonly number?: number;
  /** Takes a frame out of reach of ordinary accesses, or gives it back. */
  readonly keep?: (frame: number, keeper: FrameKeeper | undefined) => void;
}

/** EPT as the capability MSR announces it. SDM Vol. 3D, A.10 VPID and EPT Capabilities */
export const eptCapabilities = (
  capabilities: VmxCapabilities,
  physicalAddressWidth: number,
): EptCapabilities => {
  const announced = eptVpidCap(capabilities);
  return {
    executeOnly: announced.executeOnly === 1n,
    walkLength4: announced.walkLength4 === 1n,
    walkLength5: announced.walkLength5 === 1n,
    uncacheable: announced.memtypeUc === 1n,
    writeBack: announced.memtypeWb === 1n,
    page2m: announced.page2m === 1n,
    page1g: announced.page1g === 1n,
    accessedDirty: announced.accessedDirty === 1n,
    supervisorShadowStack: announced.supervisorShadowStack === 1n,
    advancedInformation: announced.advancedVmexitInfo === 1n,
    physicalAddressWidth,
  };
};

/** Tables read through `Mmu.readPhysical`. */
class PhysicalTables implements EntrySource {
  low = 0;
  high = 0;
  mmu: Mmu | undefined;

  read(address: number): boolean {
    const entry = this.mmu!.readPhysical(address, 8);
    this.low = low32(entry);
    this.high = high32(entry);
    return true;
  }
}

/** Physical memory as VM-entry rules read it, through `Mmu.readPhysical`. */
class EntryMemory implements PhysicalReader {
  mmu!: Mmu;
  readonly read64 = (address: number): bigint => this.mmu.readPhysical(address, 8);
  readonly read32 = (address: number): number => Number(this.mmu.readPhysical(address, 4));
}

const PIN = halfOf('pinBasedControls');
const PRIMARY = halfOf('primaryProcBasedControls');
const SECONDARY = halfOf('secondaryProcBasedControls');
const SECONDARY_ACTIVE = controlMask('activateSecondaryControls');
const ENABLE_EPT = controlMask('enableEpt');
const MODE_BASED_EXECUTE = controlMask('modeBasedExecuteControl');
const EPTP = halfOf('eptPointer');

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** VMX operation of one processor under change: the VMCSs it holds, and what non-root operation needs at hand. */
export class VmxOperation {
  readonly capabilities: VmxCapabilities;
  readonly physicalAddressWidth: number;
  readonly linearAddressWidth: number;
  readonly ept: EptCapabilities;
  /** 1 for each field that VMREAD and VMWRITE know, by field index. */
  readonly supported: Uint8Array;
  readonly checker = new VmEntryChecker();
  /** State of the processor for VM-entry rules, brought up to date by each VM entry. */
  readonly entering: Mutable<VmEntryProcessor>;
  /** What they read of memory; its MMU comes with each VM entry. */
  readonly entryMemory = new EntryMemory();
  /** The preemption timer counts once in 2^rate clocks. SDM Vol. 3D, A.6 Miscellaneous Data */
  readonly timerRate: number;
  /** VM exits save IA32_S_CET, SSP and IA32_INTERRUPT_SSP_TABLE_ADDR. SDM Vol. 3C, 28.3.1 Saving Control Registers, Debug Registers, and MSRs */
  readonly savesCet: boolean;
  /** VM exits save IA32_PKRS. SDM Vol. 3C, 28.3.1 Saving Control Registers, Debug Registers, and MSRs */
  readonly savesPkrs: boolean;
  /** Entries that an MSR area may have. */
  readonly mostAreaEntries: number;
  readonly number: number;
  private readonly keep: (frame: number, keeper: FrameKeeper | undefined) => void;
  /** An ordinary access, perhaps of another processor, has changed an active VMCS. */
  onVmcsChanged: () => void = () => {};

  vmxonPointer: number | undefined;
  current: ActiveVmcs | undefined;
  nonRoot = false;
  timerDeadline = Number.POSITIVE_INFINITY;
  virtualNmiBlocking = false;
  monitorTrap: MonitorTrap = 'none';
  pauseLoop: PauseLoop | undefined;
  abortIndicator = 0;
  readonly active = new Map<number, ActiveVmcs>();

  // Controls of non-root operation; secondary controls are 0 when they are not activated
  pin = 0;
  primary = 0;
  secondary = 0;
  eptEnabled = false;
  readonly eptWalk: EptWalk;
  readonly fallbackTables: PhysicalTables | undefined;

  constructor(options: VmxOptions) {
    const { capabilities, physicalAddressWidth, linearAddressWidth } = options;
    this.capabilities = capabilities;
    this.physicalAddressWidth = physicalAddressWidth;
    this.linearAddressWidth = linearAddressWidth;
    this.supported = supportedFields(capabilities);
    this.ept = eptCapabilities(capabilities, physicalAddressWidth);
    this.timerRate = 2 ** Number(vmxMisc(capabilities).preemptionTimerRate);
    this.mostAreaEntries = mostAreaEntries(capabilities);
    this.number = options.number ?? 0;
    this.keep = options.keep ?? ((): void => {});
    this.fallbackTables = options.tables === undefined ? new PhysicalTables() : undefined;
    this.eptWalk = new EptWalk(this.ept, options.tables ?? this.fallbackTables!);
    this.entering = {
      longMode: false,
      ia32eMode: false,
      cpl: 0,
      instruction: 'vmlaunch',
      currentVmcs: -1,
      movSsBlocking: false,
      inSmm: false,
      physicalAddressWidth,
      linearAddressWidth,
      traceEnabled: false,
      features: options.features ?? new Set(),
      operation: 'root',
      vmxoffSinceLaunch: false,
      ...(options.perfGlobalCtrlBits === undefined ? {} : { perfGlobalCtrlBits: options.perfGlobalCtrlBits }),
    };
    this.savesCet = controlSupported(capabilities, 'loadGuestCetState');
    this.savesPkrs = controlSupported(capabilities, 'loadGuestPkrs');
  }

  /** VMX operation begins with a VMXON region at a physical address, or ends. */
  switchOn(address: number | undefined): void {
    if (this.vmxonPointer !== undefined) this.keep(this.vmxonPointer / PAGE_BYTES, undefined);
    this.vmxonPointer = address;
    this.current = undefined;
    if (address !== undefined) this.keep(address / PAGE_BYTES, new KeptRegion(this, undefined));
  }

  /** A VMCS becomes active. */
  activate(vmcs: ActiveVmcs): void {
    this.active.set(vmcs.address, vmcs);
    this.keep(vmcs.address / PAGE_BYTES, new KeptRegion(this, vmcs));
  }

  /** The VMCS of a region is active no more. */
  deactivate(address: number): void {
    if (!this.active.delete(address)) return;
    this.keep(address / PAGE_BYTES, undefined);
    if (this.current?.address === address) this.current = undefined;
  }

  /** In VMX operation, root or non-root. */
  get on(): boolean {
    return this.vmxonPointer !== undefined;
  }

  /** Reads the controls of the current VMCS, which are constant in non-root operation. */
  readControls(): void {
    const { halves } = this.current!.data;
    this.pin = halves[PIN];
    this.primary = halves[PRIMARY];
    this.secondary = (this.primary & SECONDARY_ACTIVE) === 0 ? 0 : halves[SECONDARY];
    this.eptEnabled = (this.secondary & ENABLE_EPT) !== 0;
    if (this.eptEnabled) this.followEptPointer();
  }

  /** Reads the EPT pointer of the current VMCS. */
  followEptPointer(): void {
    const { halves } = this.current!.data;
    const modeBased = (this.secondary & MODE_BASED_EXECUTE) !== 0;
    this.eptWalk.follow(halves[EPTP], halves[EPTP + 1], modeBased);
  }

  /** Takes over a published state; VMCSs that are already held are kept. */
  load(state: VmxState): void {
    this.switchOn(state.vmxonPointer);
    this.nonRoot = state.nonRoot;
    this.timerDeadline = state.timerDeadline;
    this.virtualNmiBlocking = state.virtualNmiBlocking;
    this.monitorTrap = state.monitorTrap;
    this.pauseLoop = state.pauseLoop;
    this.abortIndicator = state.abortIndicator;
    const before = new Map(this.active);
    for (const address of before.keys()) this.deactivate(address);
    for (const each of state.active) {
      const held = before.get(each.address);
      this.activate(held?.is(each) ? held : ActiveVmcs.from(each));
    }
    this.current = state.currentVmcs === undefined ? undefined : this.active.get(state.currentVmcs);
    if (this.nonRoot) this.readControls();
  }

  /** The state as frozen plain data; what did not change since the last time is shared. */
  publish(): VmxState {
    if (this.vmxonPointer === undefined && this.active.size === 0 && this.abortIndicator === 0)
      return VMX_OFF;
    const active = [...this.active.values()].sort((a, b) => a.address - b.address);
    return Object.freeze({
      vmxonPointer: this.vmxonPointer,
      currentVmcs: this.current?.address,
      nonRoot: this.nonRoot,
      timerDeadline: this.timerDeadline,
      virtualNmiBlocking: this.virtualNmiBlocking,
      monitorTrap: this.monitorTrap,
      pauseLoop: this.pauseLoop,
      abortIndicator: this.abortIndicator,
      active: Object.freeze(active.map((vmcs) => vmcs.publish())),
    });
  }
}
