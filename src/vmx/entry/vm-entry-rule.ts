import type { Rule } from '../../core';
import type { VmEntryContext } from './context';

/** What some rules read of physical memory. */
export type MemoryPart =
  | 'virtual-APIC page'
  | 'region at the VMCS link pointer'
  | 'PDPTEs'
  | 'MSR area'
  | 'executive-VMCS region';

/** How a violated rule shows. */
export type VmEntryFailure =
  | { readonly kind: 'fault'; readonly vector: string }
  | { readonly kind: 'VMfailInvalid' }
  | { readonly kind: 'VMfailValid'; readonly error: number }
  | { readonly kind: 'exit'; readonly reason: number; readonly qualification: number };

/** One check of VM entry. SDM Vol. 3C, 27 VM Entries */
export interface VmEntryRule extends Rule<VmEntryContext> {
  readonly failure: VmEntryFailure;
  /** What `when` looks at; everything in `reads` when left out. */
  readonly appliesBy?: readonly string[];
  /** Not settled by any source: off unless asked for. */
  readonly unconfirmed?: true;
  /** The extension that brought the rule. Informative: what depends on the processor is in `when`. */
  readonly feature?: string;
  /** What the rule reads of physical memory: not evaluated without it. */
  readonly needsMemory?: MemoryPart;
  /** State of the processor that it looks at: not evaluated without it. */
  readonly needsState?: 'executiveVmcs' | 'currentVmcs';
  /** What a violation does is undefined: the processor may enter as well. */
  readonly leavesOpen?: true;
  /** How the violation shows where that depends on the state; `failure` is then its shape for tables and documents. */
  readonly failureIn?: (context: VmEntryContext) => VmEntryFailure;
}
