import { type Account, from } from '../account';

const blocking = from('spec/vmx/non-root/blocking.spec.ts');
const monitorTrap = from('spec/vmx/non-root/monitor-trap.spec.ts');

/** The monitor trap flag. */
export const MONITOR_TRAP_FLAG: readonly Account[] = [
  {
    id: 'mtf.normal',
    rule: 'With the monitor trap flag and without injection the VM exit is pending after the first instruction.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap('26.5.2 without injection the VM exit is pending after the first instruction'),
  },
  {
    id: 'mtf.fault',
    rule: 'Where the first instruction faults the VM exit is pending after the delivery of the fault.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap('an instruction that faults: after the delivery of the fault'),
  },
  {
    id: 'mtf.event-first',
    rule: 'An event that is delivered before the first instruction counts as that instruction.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap('a pending trap is delivered first, and its delivery counts as the instruction'),
  },
  {
    id: 'mtf.rep',
    rule: 'A repeated string instruction counts by iterations: the VM exit comes after the first.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap('REP STOSB: after one iteration'),
  },
  {
    id: 'mtf.xbegin',
    rule: 'After XBEGIN the VM exit is pending at the fallback address.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: { unbuilt: 'rtm' },
  },
  {
    id: 'mtf.hlt',
    rule: 'After HLT the VM exit comes in the HLT state.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap('HLT: the exit comes in its activity state'),
  },
  {
    id: 'mtf.other-exit',
    rule: 'Another VM exit that comes first leaves no monitor-trap-flag exit pending.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap(
      'another VM exit comes first',
      'the next exit forgets it, and the information fields are 0',
    ),
  },
  {
    id: 'mtf.software-int',
    rule: 'After INT n, INT3 or INTO the VM exit is pending at the start of the handler.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap(
      '26.5.2 without injection the VM exit is pending after the first instruction',
      'INTO with RFLAGS.OF = 1',
    ),
  },
  {
    id: 'mtf.blocked',
    rule: 'In shutdown and wait-for-SIPI no monitor-trap-flag exit is pending, until an NMI that leaves shutdown is delivered.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: [
      ...monitorTrap('in shutdown it is not pending; after an NMI is delivered it is'),
      ...blocking('no exit by the monitor trap flag in wait-for-SIPI'),
    ],
  },
];
