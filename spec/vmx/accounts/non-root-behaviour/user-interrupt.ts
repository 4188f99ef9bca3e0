import type { Account } from '../account';

/** User interrupts. */
export const USER_INTERRUPTS: readonly Account[] = [
  {
    id: 'user-interrupt.instructions',
    rule: 'CLUI, STUI, TESTUI, UIRET and SENDUIPI cause no VM exits of their own.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'user-interrupt.notify-exit',
    rule: 'While external-interrupt exiting is 1 an external interrupt with the vector of user-interrupt notifications causes a VM exit and no notification processing.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'user-interrupt.notify-direct',
    rule: 'While external-interrupt exiting is 0 an external interrupt with that vector starts user-interrupt notification processing.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'user-interrupt.notify-virtual',
    rule: 'A virtual interrupt with that vector starts the same processing, with virtual EOI.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'user-interrupt.deliver',
    rule: 'A user interrupt is delivered at an instruction boundary in 64-bit mode at CPL 3, after external interrupts.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'user-interrupt.delivery-ept',
    rule: 'An EPT violation of user-interrupt delivery or notification may be told as asynchronous to instruction execution in bit 16 of the exit qualification.',
    section: 'SDM Vol. 3C, 28.2.1',
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'user-interrupt.uinv-switch',
    rule: 'UINV is saved and cleared by a VM exit and loaded by VM entry, each by its control.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Clear UINV' },
  },
  {
    id: 'user-interrupt.other-state',
    rule: 'The other state of user interrupts is not in the VMCS.',
    section: 'SDM Vol. 3C, 25.4.1',
    shown: { unbuilt: 'uintr' },
  },
];
