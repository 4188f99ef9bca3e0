import type { AccountTable } from './account';
import { EPT } from './ept';
import { EVENT_PRIORITY } from './event-priority';
import { NON_ROOT_BEHAVIOUR } from './non-root-behaviour';
import { VM_ENTRY_STEPS } from './vm-entry-steps';
import { VM_EXIT_STEPS } from './vm-exit-steps';

export { type Account, testsOf } from './account';

/** Every table; the one that reaches its number becomes complete. */
export const ACCOUNT_TABLES: readonly AccountTable[] = [
  { name: 'event-priority', expected: 77, complete: true, accounts: EVENT_PRIORITY },
  { name: 'vm-entry-steps', expected: 75, complete: true, accounts: VM_ENTRY_STEPS },
  { name: 'vm-exit-steps', expected: 68, complete: true, accounts: VM_EXIT_STEPS },
  { name: 'ept', expected: 144, complete: true, accounts: EPT },
  { name: 'non-root-behaviour', expected: 284, complete: true, accounts: NON_ROOT_BEHAVIOUR },
];
