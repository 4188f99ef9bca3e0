import type { Account } from './account';

/** Which of several events comes first. */
export const EVENT_PRIORITY: readonly Account[] = [];
