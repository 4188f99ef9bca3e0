import type { Account } from '../account';

const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';

/** What a guest reads from CR4. */
export const CR4_READ: readonly Account[] = [
  {
    id: 'cr4-read.mov-from',
    rule: 'MOV from CR4 gives, for each bit, the read shadow where the guest/host mask is 1 and CR4 where it is 0, and causes no VM exit.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'MOV from CR4 shows the shadow where the mask is 1' },
  },
  {
    id: 'cr4-read.internal-use',
    rule: 'What the processor itself does by CR4 goes by CR4, never by the read shadow.',
    section: 'SDM Vol. 3C, 25.6.6',
    shown: [
      { file: EXAMPLES, test: 'the processor itself looks at CR4: TSD is 1' },
      { file: EXAMPLES, test: 'SMSW of a user where CR4.UMIP is 1 and its shadow 0' },
    ],
  },
];
