import { type Account, from } from '../account';

const details = from('spec/vmx/exit/details.spec.ts');
const blocking = from('spec/vmx/non-root/blocking.spec.ts');
const controlRules = from('spec/vmx/entry/examples-controls.ts');
const events = from('spec/vmx/non-root/events.spec.ts');
const virtualNmis = from('spec/vmx/non-root/virtual-nmis.spec.ts');
const priorities = from('spec/vmx/non-root/boundary-priorities.spec.ts');

/** Interrupt-window and NMI-window exiting. */
export const WINDOWS: readonly Account[] = [
  {
    id: 'window.interrupt-open',
    rule: 'While interrupt-window exiting is 1 a VM exit comes before the next instruction once RFLAGS.IF is 1 and nothing blocks by STI or MOV SS.',
    section: 'SDM Vol. 3C, 26.2',
    shown: [
      ...events('exits before the next instruction once IF is 1 and nothing blocks'),
      ...blocking('after the instruction that is blocked by %s; no blocking is saved'),
    ],
  },
  {
    id: 'window.interrupt-entry',
    rule: 'An interrupt window that is open after VM entry causes the VM exit after the injection and before the first instruction.',
    section: 'SDM Vol. 3C, 26.2',
    shown: blocking(
      'after a VM entry comes before the first instruction',
      'after injection comes before the first instruction of a handler that leaves RFLAGS.IF = 1',
    ),
  },
  {
    id: 'window.interrupt-wakes',
    rule: 'An interrupt window wakes a processor from HLT and MWAIT, and not from shutdown or wait-for-SIPI.',
    section: 'SDM Vol. 3C, 26.2',
    shown: [
      ...events('wakes HLT, which is saved'),
      ...blocking('%s wakes from MWAIT'),
      ...priorities('%s %s in %s'),
      ...details('an interrupt window does not wake the shutdown state, the timer does'),
    ],
  },
  {
    id: 'window.interrupt-rank',
    rule: 'The VM exit of an interrupt window comes after an NMI and before an external interrupt.',
    section: 'SDM Vol. 3C, 26.2',
    shown: priorities('%s before %s'),
  },
  {
    id: 'window.interrupt-level',
    rule: 'The VM exit comes again after each VM entry while the interrupt window is open.',
    section: 'SDM Vol. 3C, 26.2',
    shown: blocking('comes again at each VM entry while it is open'),
  },
  {
    id: 'window.interrupt-no-tpr',
    rule: 'An interrupt window does not depend on the virtual task priority or on requested virtual interrupts.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'Use TPR shadow' },
  },
  {
    id: 'window.interrupt-vs-vid',
    rule: 'With virtual-interrupt delivery the VM exit of an interrupt window keeps virtual interrupts from being recognized.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'Virtual-interrupt delivery' },
  },
  {
    id: 'window.nmi-open',
    rule: 'While NMI-window exiting is 1 a VM exit comes before the next instruction once nothing blocks by virtual NMI or by MOV SS.',
    section: 'SDM Vol. 3C, 26.2',
    shown: virtualNmis(
      '26.2 NMI-window exiting',
      'blocking by MOV SS: after the instruction',
      'blocked by an NMI that was injected until IRET',
    ),
  },
  {
    id: 'window.nmi-sti',
    rule: 'Blocking by STI may hold back the VM exit of an NMI window or not, which is a choice.',
    section: 'SDM Vol. 3C, 26.2',
    shown: virtualNmis('a choice says that STI does not hold it back, nor NMIs'),
  },
  {
    id: 'window.nmi-if',
    rule: 'RFLAGS.IF has no influence on an NMI window.',
    section: 'SDM Vol. 3C, 26.2',
    shown: virtualNmis(
      'active, no blocking',
      'whatever RFLAGS.IF is, blocking by STI: after the instruction',
    ),
  },
  {
    id: 'window.nmi-wakes',
    rule: 'An NMI window wakes a processor from HLT, MWAIT and shutdown, and not from wait-for-SIPI.',
    section: 'SDM Vol. 3C, 26.2',
    shown: [
      ...virtualNmis('in shutdown', 'does not wake a processor that waits for a startup IPI'),
      ...priorities('%s %s in %s'),
      ...blocking('%s wakes from MWAIT'),
    ],
  },
  {
    id: 'window.nmi-requires',
    rule: 'NMI-window exiting requires virtual NMIs at VM entry.',
    section: 'SDM Vol. 3C, 27.2.1.1',
    shown: controlRules('ctl.nmi.window-needs-virtual-nmis'),
  },
  {
    id: 'window.nmi-rank',
    rule: 'The VM exit of an NMI window comes after that of the VMX-preemption timer and before an NMI.',
    section: 'SDM Vol. 3C, 26.2',
    shown: priorities('%s before %s'),
  },
  {
    id: 'window.trap-like-rip',
    rule: 'The VM exits of windows save the RIP of the instruction that would have been next, with no blocking by STI or MOV SS.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      ...blocking('after the instruction that is blocked by %s; no blocking is saved'),
      ...virtualNmis('blocking by MOV SS: after the instruction'),
    ],
  },
];
