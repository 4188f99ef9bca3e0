import type { Account } from './account';

/** What EPT and its structures do. */
export const EPT: readonly Account[] = [];
