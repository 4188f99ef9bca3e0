import type { DeviceEffect } from '../platform';
import type { GuestRegisters } from './guest-registers';
import type { InterruptState } from './interrupt-state';

/** An access of the guest to a device register; `value` is unsigned and as wide as the access. */
export interface DeviceAccess {
  readonly space: 'port' | 'memory';
  readonly direction: 'read' | 'write';
  /** Port number or guest-physical address. */
  readonly address: number;
  readonly bytes: 1 | 2 | 4;
  readonly value: number;
}

/** An exception or interrupt whose handler was entered. */
export interface DeliveredEvent {
  readonly vector: number;
  /** `invented interrupt`: a monitor injected it, and the processor had taken none of that vector from the local APIC. */
  readonly kind: 'interrupt' | 'invented interrupt' | 'nmi' | 'exception' | 'software interrupt';
  readonly errorCode?: number;
  /** Linear address of a page fault (CR2). */
  readonly address?: bigint;
}

/** How a run of a guest ended, as the guest's environment sees it. */
export type GuestEnd =
  /** A write to the debug-exit port. */
  | { readonly kind: 'exit'; readonly code: number }
  /** The guest switched the machine off, or reset it. */
  | { readonly kind: 'power-off' | 'reset' }
  /** The processor waits for something that nothing will bring. */
  | { readonly kind: 'stuck' }
  | { readonly kind: 'triple-fault' }
  /** Deliveries follow each other without end and without an instruction between them. */
  | { readonly kind: 'endless-delivery' }
  /** The monitor ended the guest for a reason that a bare processor does not have. */
  | { readonly kind: 'monitor-stopped'; readonly reason: string }
  /** As many instructions as were asked for. */
  | { readonly kind: 'limit' }
  /** Still running where the other run has made an observation. */
  | { readonly kind: 'running' };

/** A page whose contents differ from those at the last observation. */
export interface ChangedPage {
  /** Guest frame number: guest-physical address divided by 4096. */
  readonly frame: number;
  /** Its 4096 bytes now; never written to. */
  readonly bytes: Uint8Array;
}

/** What shows at one point of a run. The definition is in docs/equivalence.md. */
export interface Observation {
  /** Place in the run, from 0. Not compared. */
  readonly index: number;
  /** Guest instructions (and iterations of repeated ones) retired before it. Not compared. */
  readonly position: number;
  /** Linear address of the instruction that made the accesses. Not compared. */
  readonly accessedAt?: bigint;
  /** Device accesses since the last observation, in order. */
  readonly accesses: readonly DeviceAccess[];
  /** The event whose handler begins here. */
  readonly event?: DeliveredEvent;
  /** The run ended here. */
  readonly end?: GuestEnd;
  readonly registers: GuestRegisters;
  /** By ascending frame. */
  readonly pages: readonly ChangedPage[];
  /** Writable MSRs that are not among `registers`, by name; time and virtualization left out. */
  readonly msrs: Readonly<Record<string, bigint>>;
  /** With `end`, where there is a local APIC. */
  readonly interrupts?: InterruptState;
}

/** The end that an effect is; undefined for others. */
export const endOf = (effect: DeviceEffect): GuestEnd | undefined => {
  switch (effect.kind) {
    case 'exit':
      return { kind: 'exit', code: effect.code };
    case 'power-off':
    case 'reset':
      return { kind: effect.kind };
    default:
      return undefined;
  }
};
