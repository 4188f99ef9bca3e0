import { FIELD_COUNT, VmcsData } from './vmcs';

/** An active VMCS as a value. */
export interface VmcsState {
  /** Physical address of its region. */
  readonly address: number;
  readonly launched: boolean;
  readonly shadow: boolean;
  /** VMXOFF came after it was launched. */
  readonly vmxoffSinceLaunch: boolean;
  /** Field values in the order of `FIELD_NAMES`. */
  readonly words: readonly bigint[];
}

/** How far the monitor trap flag has come: it waits for the first instruction or event, or its VM exit is pending. SDM Vol. 3C, 26.5.2 Monitor Trap Flag */
export type MonitorTrap = 'none' | 'armed' | 'pending';
/** Machine clock at the first and the last PAUSE of a loop. SDM Vol. 3C, 26.1.3 Instructions That Cause VM Exits Conditionally */
export interface PauseLoop {
  readonly first: number;
  readonly last: number;
}

/** What VMX adds to the state of a processor. SDM Vol. 3C, 24.3 Introduction to VMX Operation */
export interface VmxState {
  /** Physical address of the VMXON region; undefined outside VMX operation. */
  readonly vmxonPointer: number | undefined;
  /** Address of the current VMCS; undefined when the current-VMCS pointer is FFFFFFFF_FFFFFFFFH. */
  readonly currentVmcs: number | undefined;
  readonly nonRoot: boolean;
  /** Machine clock at which the VMX-preemption timer reaches 0; Infinity when it is not active. */
  readonly timerDeadline: number;
  /** Blocking by virtual NMIs, with the control "virtual NMIs". SDM Vol. 3C, 27.7.1 Interruptibility State */
  readonly virtualNmiBlocking: boolean;
  readonly monitorTrap: MonitorTrap;
  /** The loop of PAUSE at CPL 0 that is under way; undefined when there was none since VM entry. */
  readonly pauseLoop: PauseLoop | undefined;
  /** VMX-abort indicator of the abort that stopped the processor; 0 when there was none. */
  readonly abortIndicator: number;
  /** By ascending address. */
  readonly active: readonly VmcsState[];
}

/** Outside VMX operation, no VMCS active. */
export const VMX_OFF: VmxState = Object.freeze({
  vmxonPointer: undefined,
  currentVmcs: undefined,
  nonRoot: false,
  timerDeadline: Number.POSITIVE_INFINITY,
  virtualNmiBlocking: false,
  monitorTrap: 'none',
  pauseLoop: undefined,
  abortIndicator: 0,
  active: Object.freeze([]),
});

/** A VMCS that the processor holds. Whoever changes it calls `changed`. SDM Vol. 3C, 25.1 Overview */
export class ActiveVmcs {
  vmxoffSinceLaunch = false;
  private published: VmcsState | undefined;

  constructor(
    readonly address: number,
    readonly data: VmcsData,
  ) {}

  static from(state: VmcsState): ActiveVmcs {
    const data = new VmcsData();
    for (let index = 0; index < FIELD_COUNT; index++) data.words[index] = state.words[index];
    data.launched = state.launched;
    data.shadow = state.shadow;
    const vmcs = new ActiveVmcs(state.address, data);
    vmcs.vmxoffSinceLaunch = state.vmxoffSinceLaunch;
    vmcs.published = state;
    return vmcs;
  }

  changed(): void {
    this.published = undefined;
  }

  /** Other data from now on. */
  take({ words, launched, shadow }: VmcsData): void {
    for (let index = 0; index < FIELD_COUNT; index++) this.data.setAt(index, words[index]);
    this.data.launched = launched;
    this.data.shadow = shadow;
    this.changed();
  }

  /** The same value as last time when nothing changed. */
  publish(): VmcsState {
    const { data, address, vmxoffSinceLaunch } = this;
    this.published ??= Object.freeze({
      address,
      launched: data.launched,
      shadow: data.shadow,
      vmxoffSinceLaunch,
      words: Object.freeze(Array.from(data.words)),
    });
    return this.published;
  }

  /** Whether the state given last is still what it holds. */
  is(state: VmcsState): boolean {
    return this.published === state;
  }
}
