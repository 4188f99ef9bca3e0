import type { Account } from '../account';

const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';

/** What a guest writes to CR4. */
export const CR4_WRITE: readonly Account[] = [
  {
    id: 'cr4-write.exit',
    rule: 'MOV to CR4 causes a VM exit, and leaves CR4, where a masked bit of the source differs from the read shadow.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'a write of CR4 exits where a masked bit differs from the shadow' },
  },
  {
    id: 'cr4-write.merge',
    rule: 'MOV to CR4 that does not exit leaves masked bits of CR4 and takes the others from the source.',
    section: 'SDM Vol. 3C, 26.3',
    shown: {
      file: EXAMPLES,
      test: 'masked bits of CR4 keep their value: a guest clears the VMXE that it never saw',
    },
  },
  {
    id: 'cr4-write.fixed',
    rule: 'MOV to CR4 is #GP(0) where it would give an unmasked bit a value that VMX operation does not support, such as VMXE = 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'VMXE cleared' },
  },
  {
    id: 'cr4-write.reserved',
    rule: 'MOV to CR4 is #GP(0) for a reserved bit, for PAE cleared in IA-32e mode, and for PCIDE set outside it or while CR3[11:0] is not 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'a reserved bit of CR4' },
      { file: EXAMPLES, test: 'PAE cleared in IA-32e mode' },
      { file: EXAMPLES, test: 'PCIDE set while CR3 has low bits' },
      { file: UNCHANGED, test: 'CR4.PCIDE set outside IA-32e mode' },
    ],
  },
  {
    id: 'cr4-write.pdpte',
    rule: 'MOV to CR4 that turns PAE paging on, or changes PGE, PSE or SMEP while it is on, loads the PDPTE registers, through EPT where there is one.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: UNCHANGED, test: 'a change of CR4.PGE loads the PDPTE registers through EPT' },
      { file: UNCHANGED, test: 'a change of CR4.PSE loads the PDPTE registers' },
      { file: UNCHANGED, test: 'a change of CR4.SMEP loads the PDPTE registers' },
      { file: UNCHANGED, test: 'a change of CR4.DE loads none' },
      { file: UNCHANGED, test: 'CR4.PAE that is set loads them, here with reserved bits' },
    ],
  },
  {
    id: 'cr4-write.vmxe-shadow',
    rule: 'A masked VMXE with read shadow 0 lets a guest write CR4 with VMXE = 0 without a VM exit, and CR4.VMXE stays 1.',
    section: 'SDM Vol. 3C, 25.6.6',
    shown: {
      file: EXAMPLES,
      test: 'masked bits of CR4 keep their value: a guest clears the VMXE that it never saw',
    },
  },
];
