/** Why a run ended. */
export type StopReason =
  | { readonly kind: 'limit' }
  /** The guest wrote to the debug-exit port; `status` is (code << 1) | 1. */
  | { readonly kind: 'exit'; readonly code: number; readonly status: number }
  /** All processors wait for something that nothing will bring. */
  | { readonly kind: 'stuck' }
  /** A fault during the delivery of a double fault: the processor is in the shutdown state. */
  | { readonly kind: 'triple-fault' }
  /** A VM exit could not be completed: the processor stays in the VMX-abort shutdown state. `indicator` says why. SDM Vol. 3C, 28.7 VMX Aborts */
  | { readonly kind: 'vmx-abort'; readonly indicator: number }
  /** Deliveries follow each other without end and without an instruction between them. */
  | { readonly kind: 'delivery-loop' }
  /** The monitor gave up its guest. */
  | { readonly kind: 'monitor-stopped'; readonly reason: string }
  /** Software switched the machine off. */
  | { readonly kind: 'power-off' }
  /** Software reset the machine, and there is no firmware to go on with. */
  | { readonly kind: 'reset' }
  /** A listener asked for it. */
  | { readonly kind: 'interrupted' };
