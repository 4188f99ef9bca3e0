import type { Account } from './account';

/** What a VM exit does, in order. */
export const VM_EXIT_STEPS: readonly Account[] = [];
