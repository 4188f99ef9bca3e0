import type { Account } from '../account';

const EVENTS = 'spec/vmx/non-root/events.spec.ts';
const VIRTUAL_NMIS = 'spec/vmx/non-root/virtual-nmis.spec.ts';
const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';
const ACCESSED_DIRTY = 'spec/vmx/ept/accessed-dirty.spec.ts';
const DETAILS = 'spec/vmx/exit/details.spec.ts';
const TASK_SWITCH = 'spec/vmx/exit/task-switch.spec.ts';

/** IRET and blocking by NMI. */
export const IRET: readonly Account[] = [
  {
    id: 'iret.nmi-exiting-0',
    rule: 'While "NMI exiting" is 0 IRET ends blocking by NMI.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EVENTS, test: 'IRET unblocks them unless they exit' },
      { file: VIRTUAL_NMIS, test: '28.2.3 a fault of IRET with %j, interruptibility %s: bit 12 is %s' },
    ],
  },
  {
    id: 'iret.nmi-exiting-1',
    rule: 'While "NMI exiting" is 1 and "virtual NMIs" is 0 IRET leaves blocking by NMI as it is.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EVENTS, test: 'IRET unblocks them unless they exit' },
      { file: VIRTUAL_NMIS, test: '28.2.3 a fault of IRET with %j, interruptibility %s: bit 12 is %s' },
    ],
  },
  {
    id: 'iret.virtual-nmis',
    rule: 'While "virtual NMIs" is 1 IRET ends virtual-NMI blocking, and NMIs themselves are not blocked.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      {
        file: VIRTUAL_NMIS,
        test: 'begins with the injection of an NMI, ends with IRET, and says nothing of the host',
      },
      { file: VIRTUAL_NMIS, test: 'is no blocking of NMIs: one that comes exits, and the blocking is saved' },
    ],
  },
  {
    id: 'iret.even-if-fault',
    rule: 'IRET ends the blocking also where it faults or causes a VM exit.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: VIRTUAL_NMIS, test: '28.2.3 a fault of IRET with %j, interruptibility %s: bit 12 is %s' },
      { file: UNCHANGED, test: 'IRET that meets an EPT violation has ended blocking by NMI, as bit 12 says' },
    ],
  },
  {
    id: 'iret.bit12',
    rule: 'Bit 12 is 1 in the VM exit of an exception other than #DF, of an EPT violation or of a full page-modification log that IRET met after it ended blocking, unless an event was being delivered.',
    section: 'SDM Vol. 3C, 28.2.3',
    shown: [
      { file: VIRTUAL_NMIS, test: '28.2.3 a fault of IRET with %j, interruptibility %s: bit 12 is %s' },
      { file: UNCHANGED, test: 'IRET that meets an EPT violation has ended blocking by NMI, as bit 12 says' },
      { file: ACCESSED_DIRTY, test: 'bit 12 of the qualification: NMI unblocking due to IRET' },
      { file: DETAILS, test: 'does not show in bit 12 during event delivery, and is forgotten by the exit' },
      { file: DETAILS, test: 'nor for a double fault' },
    ],
  },
  {
    id: 'iret.task-return',
    rule: 'IRET with NT = 1 outside IA-32e mode causes a VM exit for the task switch; whether it has ended blocking by NMI then is a choice.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: [
      { file: TASK_SWITCH, test: 'with %j has unblocked NMIs' },
      { file: TASK_SWITCH, test: 'with %j leaves them blocked, by choice' },
    ],
  },
  {
    id: 'iret.not-only-nmi-handlers',
    rule: 'IRET of any handler ends blocking by NMI: blocking has no depth.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: UNCHANGED, test: 'IRET of another handler ends blocking by NMI' },
      { file: UNCHANGED, test: 'until then NMIs are blocked' },
    ],
  },
  {
    id: 'iret.sti-shadow',
    rule: 'IRET that sets IF makes no blocking by STI.',
    section: 'SDM Vol. 3C, 26.3',
    shown: {
      file: UNCHANGED,
      test: 'IRET that sets IF blocks nothing: the interrupt window is open before the next instruction',
    },
  },
];
