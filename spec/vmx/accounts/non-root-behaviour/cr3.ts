import type { Account } from '../account';

const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const CONTROL_REGISTERS = 'spec/vmx/non-root/control-registers.spec.ts';
const TRANSLATION = 'spec/vmx/ept/translation.spec.ts';
const GUEST_PAGING = 'spec/vmx/dynamics/guest-paging.spec.ts';
const INVALIDATIONS = 'spec/caching/instructions.spec.ts';

/** Accesses of a guest to CR3. */
export const CR3: readonly Account[] = [
  {
    id: 'cr3.load-exit',
    rule: 'With "CR3-load exiting" MOV to CR3 causes a VM exit unless the source is one of the first CR3-target values, as many as the CR3-target count says.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXAMPLES, test: 'CR3-load exiting' },
      { file: EXAMPLES, test: 'a CR3-target value beyond the count does' },
    ],
  },
  {
    id: 'cr3.load-target',
    rule: 'MOV to CR3 of a CR3-target value within the count does not exit, and loads CR3.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'a CR3-target value does not exit' },
  },
  {
    id: 'cr3.target-compare',
    rule: 'The whole source operand is compared with the CR3-target values, bit 63 too while CR4.PCIDE is 1.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'the whole source is compared' },
  },
  {
    id: 'cr3.target-count-0',
    rule: 'With "CR3-load exiting" and a CR3-target count of 0 every MOV to CR3 causes a VM exit.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: CONTROL_REGISTERS, test: 'CR3-load exiting spares the target values, as many as count' },
  },
  {
    id: 'cr3.store-exit',
    rule: 'With "CR3-store exiting" MOV from CR3 causes a VM exit.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'CR3-store exiting' },
  },
  {
    id: 'cr3.guest-physical',
    rule: 'With EPT the value in CR3 is guest-physical, and MOV to CR3 outside PAE paging translates nothing.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: { file: TRANSLATION, test: 'translate.cr3: loading CR3 translates nothing; the next access does' },
  },
  {
    id: 'cr3.pae',
    rule: 'With EPT and PAE paging MOV to CR3 reads the PDPTEs through EPT and translates nothing that they name; an EPT violation then has bit 7 of the exit qualification 0.',
    section: 'SDM Vol. 3C, 29.3.1',
    shown: [
      {
        file: TRANSLATION,
        test: 'translate.pae: loading CR3 reads the PDPTEs through EPT; what they name is not translated',
      },
      { file: GUEST_PAGING, test: 'an EPT violation names no linear address, and CR3 stays' },
    ],
  },
  {
    id: 'cr3.pcid',
    rule: 'While CR4.PCIDE is 1 bits 11:0 of the source are the PCID, and bit 63 asks to invalidate nothing and is not stored.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'bit 63 asks for no flush and is not stored' },
      { file: INVALIDATIONS, test: 'MOV to CR3 with bit 63' },
    ],
  },
  {
    id: 'cr3.reserved',
    rule: 'MOV to CR3 is #GP(0) for a bit beyond the physical-address width of the processor.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'a bit beyond the physical-address width' },
  },
  {
    id: 'cr3.no-exit-flush',
    rule: 'MOV to CR3 that does not exit invalidates for the current VPID alone.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: [
      { file: INVALIDATIONS, test: 'MOV to CR3' },
      { file: INVALIDATIONS, test: ', in a guest with VPID 1' },
    ],
  },
];
