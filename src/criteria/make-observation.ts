import type { MemoryRoot } from '../core';
import type { RunningMachine } from '../machine/running-machine';
import { readGuestMsrs } from './guest-msrs';
import type { GuestRegisters } from './guest-registers';
import type { InterruptState } from './interrupt-state';
import type { ChangedPage, DeliveredEvent, DeviceAccess, GuestEnd, Observation } from './observation';

/** What both kinds of run know when they make an observation; parts that are undefined are left out of it. */
export interface Observed {
  readonly progress: {
    readonly observations: number;
    readonly accesses: readonly DeviceAccess[];
    readonly accessedAt: bigint | undefined;
    readonly root: MemoryRoot;
  };
  readonly position: number;
  readonly event: DeliveredEvent | undefined;
  readonly end: GuestEnd | undefined;
  readonly registers: GuestRegisters;
  readonly pages: readonly ChangedPage[];
  readonly interrupts: InterruptState | undefined;
}

export const makeObservation = (
  { cpu }: RunningMachine,
  { progress, position, event, end, registers, pages, interrupts }: Observed,
): Observation => {
  const { observations, accesses, accessedAt } = progress;
  return {
    index: observations,
    position,
    accesses,
    ...(accessedAt === undefined ? {} : { accessedAt }),
    ...(event === undefined ? {} : { event }),
    ...(end === undefined ? {} : { end }),
    registers,
    pages,
    msrs: readGuestMsrs(cpu),
    ...(interrupts === undefined ? {} : { interrupts }),
  };
};
