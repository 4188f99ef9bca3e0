import type { Account } from '../account';

const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';

/** Accesses of a guest to CR8. */
export const CR8: readonly Account[] = [
  {
    id: 'cr8.shadow',
    rule: 'With "use TPR shadow" MOV to and from CR8 use the virtual TPR.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'Use TPR shadow' },
  },
  {
    id: 'cr8.plain',
    rule: 'Without "use TPR shadow" MOV to and from CR8 that do not exit use the task priority of the local APIC.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'CR8 without controls is the task priority' },
  },
];
