import type { Account } from '../account';

const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';

/** What a guest reads from CR0. */
export const CR0_READ: readonly Account[] = [
  {
    id: 'cr0-read.mov-from',
    rule: 'MOV from CR0 gives, for each bit, the read shadow where the guest/host mask is 1 and CR0 where it is 0, and causes no VM exit.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'MOV from CR0 shows the shadow where the mask is 1' },
  },
  {
    id: 'cr0-read.smsw-16',
    rule: 'SMSW to memory or to a 16-bit register gives bits 15:0 by mask and read shadow and leaves the rest of the register.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'SMSW of 16 bits leaves the rest' },
      { file: UNCHANGED, test: 'SMSW to memory writes 16 bits' },
    ],
  },
  {
    id: 'cr0-read.smsw-32',
    rule: 'SMSW to a 32-bit register gives bits 31:0 by mask and read shadow and clears bits 63:32.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'SMSW of 32 bits clears the upper half' },
  },
  {
    id: 'cr0-read.smsw-64',
    rule: 'SMSW to a 64-bit register gives all 64 bits by mask and read shadow.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'SMSW of 64 bits shows all of them' },
  },
  {
    id: 'cr0-read.impossible-values',
    rule: 'With mask and read shadow a guest may read from CR0 what CR0 can never hold, such as ET = 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'what is shown can be impossible' },
  },
  {
    id: 'cr0-read.internal-use',
    rule: 'What the processor itself does by CR0 goes by CR0, never by the read shadow.',
    section: 'SDM Vol. 3C, 25.6.6',
    shown: [
      { file: EXAMPLES, test: 'the processor itself looks at CR0: TS is 0 (FNOP)' },
      { file: EXAMPLES, test: 'the processor itself looks at CR0: TS is 1 (FNOP)' },
    ],
  },
  {
    id: 'cr0-read.smsw-umip',
    rule: 'SMSW at CPL above 0 is #GP(0) while CR4.UMIP itself is 1, whatever the read shadow of CR4 says.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'SMSW of a user where CR4.UMIP is 1 and its shadow 0' },
  },
];
