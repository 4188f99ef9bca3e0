import type { VmEntryContext, VmEntryProcessor } from './context';

/** Processor state that only guest-state and MSR-loading rules ask for. */
export interface GuestEntryProcessor extends VmEntryProcessor {
  /** Whether WRMSR of an unsigned 64-bit value would raise #GP at CPL 0; without it the known architectural MSRs decide. */
  readonly wrmsrFaults?: (index: number, value: bigint) => boolean;
}

/** What guest-state rules look at: every `VmEntryContext` is one. */
export interface GuestEntryContext extends VmEntryContext {
  readonly processor: GuestEntryProcessor;
}
