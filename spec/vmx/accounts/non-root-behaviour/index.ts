import type { Account } from '../account';

/** How VMX non-root operation differs, by topic. */
export const NON_ROOT_BEHAVIOUR: readonly Account[] = [];
