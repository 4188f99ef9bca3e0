import type { Choice, MemoryRoot } from '../core';
import type { StaleTranslation } from '../cpu/caching';
import type { Tier } from '../cpu/engine/block-builder';
import type { MachineState } from '../machine/machine-state';
import type { StopReason } from '../machine/stop-reason';
import type { DeviceEffect } from '../platform';
import type { VmExit } from '../vmx';
import type { GuestRegisters } from './guest-registers';
import type { HeldInterrupt } from './interrupt-state';
import type { MonitoredRun } from './monitored-run';
import type { DeliveredEvent, DeviceAccess, GuestEnd, Observation } from './observation';
import type { TimeRecord } from './time-sources';

/** Told what a monitored run does; changes nothing. */
export interface MonitoredRunListener {
  /** Guest state is loaded; an event that VM entry injects is not delivered yet. */
  entered?(run: MonitoredRun): void;
  /** Guest state is still in the processor; `position` counts up to here. */
  left?(run: MonitoredRun, exit: VmExit): void;
  /** The monitor comes back to the guest at another instruction than the one that exited, or that an event interrupted: it has executed that one. */
  completed?(run: MonitoredRun, exit: PendingExit): void;
  /** Guest execution touched a frame of the machine. */
  touched?(
    run: MonitoredRun,
    frame: number,
    use: 'data' | 'fetch' | 'paging-structure',
    write: boolean,
  ): void;
  /** Guest execution reached a device without the monitor. */
  reached?(run: MonitoredRun, access: string): void;
  /** Guest execution read or wrote an MSR without the monitor. */
  reachedMsr?(run: MonitoredRun, index: number, access: 'read' | 'write'): void;
  /** A remembered translation was used that memory contradicts, in the guest or the monitor. */
  stale?(run: MonitoredRun, report: StaleTranslation): void;
  /** The machine stopped while the guest was running. */
  stopped?(run: MonitoredRun, stop: StopReason): void;
}

/** One listener that stands for all of them. */
export const audience = (listeners: readonly MonitoredRunListener[]): Required<MonitoredRunListener> => ({
  entered: (run) => {
    for (const one of listeners) one.entered?.(run);
  },
  left: (run, exit) => {
    for (const one of listeners) one.left?.(run, exit);
  },
  completed: (run, exit) => {
    for (const one of listeners) one.completed?.(run, exit);
  },
  touched: (run, frame, use, write) => {
    for (const one of listeners) one.touched?.(run, frame, use, write);
  },
  reached: (run, access) => {
    for (const one of listeners) one.reached?.(run, access);
  },
  reachedMsr: (run, index, access) => {
    for (const one of listeners) one.reachedMsr?.(run, index, access);
  },
  stale: (run, report) => {
    for (const one of listeners) one.stale?.(run, report);
  },
  stopped: (run, stop) => {
    for (const one of listeners) one.stopped?.(run, stop);
  },
});

export interface MonitoredRunOptions {
  readonly tier: Tier;
  readonly choice: Choice;
  /** Deliveries without a retired guest instruction between them that count as endless. */
  readonly endlessAfter: number;
  readonly time?: TimeRecord;
  readonly listeners?: readonly MonitoredRunListener[];
  readonly onEffect?: (effect: DeviceEffect) => void;
}

/** The exit that the monitor is dealing with. */
export interface PendingExit {
  readonly reason: VmExit['reason'];
  readonly rip: bigint;
  readonly rcx: bigint;
  /** Where the instruction that exits because of what it is goes on when it is completed; of other exits undefined. */
  readonly next: bigint | undefined;
  /** The monitor has to complete the instruction: its memory operand is not RAM. */
  readonly outsideRam: boolean;
  /** The instruction repeats, so that one iteration of it may be emulated at a time. */
  readonly repeated: boolean;
  /** The guest's registers, when it does not come back. */
  readonly registers: GuestRegisters;
  /** The event that comes through a task gate: the monitor has to deliver it. */
  readonly taskOf: DeliveredEvent | undefined;
  /** It reads the time-stamp counter: how a report names it. */
  readonly readsTime: string | undefined;
}

/** What a run knows beyond the machine's state. Plain data; copied to be saved. */
export interface Progress {
  /** Guest instructions retired before the present stay in non-root operation. */
  completed: number;
  started: boolean;
  exit: PendingExit | undefined;
  accesses: DeviceAccess[];
  accessedAt: bigint | undefined;
  /** The end that an access was. */
  end: GuestEnd | undefined;
  /** Position, registers and pages of a guest that was lost to a triple fault. */
  lost: Observation | undefined;
  /** Interrupts that left the local APIC and did not reach the guest. */
  held: readonly HeldInterrupt[];
  /** At the last VM entry the guest could have taken an interrupt. */
  open: boolean;
  observations: number;
  /** Memory at the last observation. */
  root: MemoryRoot;
  /** VM exits and deliveries at one position without a retired instruction. */
  exits: number;
  deliveries: number;
  stalledAt: number;
  ended: boolean;
}

/** A run at one point, to go on from. */
export interface SavedRun {
  readonly state: MachineState;
  readonly progress: Readonly<Progress>;
  readonly position: number;
}

export const NOTHING_YET: Omit<Progress, 'root' | 'accesses'> = Object.freeze({
  completed: 0,
  started: false,
  exit: undefined,
  accessedAt: undefined,
  end: undefined,
  lost: undefined,
  held: Object.freeze([]),
  open: false,
  observations: 0,
  exits: 0,
  deliveries: 0,
  stalledAt: -1,
  ended: false,
});

export const copied = (progress: Readonly<Progress>): Progress => ({
  ...progress,
  accesses: [...progress.accesses],
});

/** More exits than this for each delivery are an endless delivery even if no handler is entered. */
const EXITS_A_DELIVERY = 8;

/** Counts an exit or a delivery at a position; whether there were so many without a retired instruction that they count as endless. */
export const countStall = (
  progress: Progress,
  position: number,
  delivered: boolean,
  endlessAfter: number,
): boolean => {
  const again = progress.stalledAt === position;
  progress.stalledAt = position;
  progress.exits = (again ? progress.exits : 0) + (delivered ? 0 : 1);
  progress.deliveries = (again ? progress.deliveries : 0) + (delivered ? 1 : 0);
  return progress.deliveries > endlessAfter || progress.exits > EXITS_A_DELIVERY * endlessAfter;
};
