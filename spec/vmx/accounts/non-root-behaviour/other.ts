import { type Account, from } from '../account';

const events = from('spec/vmx/non-root/events.spec.ts');
const behaviour = from('spec/vmx/non-root/behaviour-examples.ts');
const newer = from('spec/vmx/non-root/newer-controls.spec.ts');
const ve = from('spec/vmx/ept/virtualization-exceptions.spec.ts');

/** What else differs in VMX non-root operation. */
export const OTHER: readonly Account[] = [
  {
    id: 'other.secondary-off',
    rule: 'While activate secondary controls is 0 every secondary processor-based control acts as 0.',
    section: 'SDM Vol. 3C, 25.6',
    shown: behaviour('secondary controls that are not activated act as 0'),
  },
  {
    id: 'other.tertiary-off',
    rule: 'While activate tertiary controls is 0 every tertiary processor-based control acts as 0.',
    section: 'SDM Vol. 3C, 25.6',
    shown: behaviour('tertiary controls that are not activated act as 0'),
  },
  {
    id: 'other.shadow-vmcs-not-current',
    rule: 'VMREAD and VMWRITE that cause no VM exit write the error number of a VMfailValid to the current VMCS and not to the shadow VMCS.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'VMCS shadowing' },
  },
  {
    id: 'other.ve',
    rule: 'While EPT-violation #VE is 1 a convertible EPT violation is exception 20 in the place of a VM exit.',
    section: 'SDM Vol. 3C, 26.5.7',
    shown: ve('26.5.7.1 Convertible EPT Violations', 'through gate 20, without an error code'),
  },
  {
    id: 'other.sgx-enclave',
    rule: 'A VM exit from enclave mode is preceded by an asynchronous enclave exit and tells so in the interruptibility state and the exit reason.',
    section: 'SDM Vol. 3C, 28.1',
    shown: { reason: 'the model has no enclaves' },
  },
  {
    id: 'other.cet-movss',
    rule: 'The state of control-flow enforcement is guest state: SSP, IA32_S_CET and the address of the interrupt SSP table.',
    section: 'SDM Vol. 3C, 25.4.1',
    shown: newer(
      'is saved whatever the controls are, and loaded by neither without its control',
      'is loaded by entry and by exit, each by its control',
    ),
  },
  {
    id: 'other.page-fault-filter',
    rule: 'A page fault whose masked error code matches looks at bit 14 of the exception bitmap as it is, any other at its inverse; one that causes a VM exit leaves CR2.',
    section: 'SDM Vol. 3C, 25.6.3',
    shown: [
      ...events('page fault: bitmap %s, mask %s, match %s, error code %s'),
      ...behaviour(
        'a page fault that matches uses the bit: 1',
        'a page fault that matches uses the bit: 0',
        'a page fault that does not match inverts the bit: 0',
        'a page fault that does not match inverts the bit: 1',
      ),
    ],
  },
  {
    id: 'other.exception-df',
    rule: 'A double fault looks at bit 8 of the exception bitmap, and a triple fault always causes a VM exit with basic exit reason 2.',
    section: 'SDM Vol. 3C, 26.2',
    shown: behaviour('a double fault has bit 8', 'a triple fault exits whatever the bitmap is'),
  },
  {
    id: 'other.int-n',
    rule: 'INT n never causes a VM exit itself and does not look at the exception bitmap.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      ...behaviour('INT n does not look at the bitmap'),
      ...events('INT3 exits with its length and its own RIP; INT n never does'),
    ],
  },
  {
    id: 'other.ud2',
    rule: 'UD0, UD1 and UD2 are invalid-opcode exceptions, for which bit 6 of the exception bitmap decides.',
    section: 'SDM Vol. 3C, 26.2',
    shown: behaviour(
      'UD0 is an undefined opcode',
      'UD1 is an undefined opcode',
      'UD2 is an undefined opcode',
    ),
  },
];
