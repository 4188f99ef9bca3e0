import { type Account, from } from '../account';

const blocking = from('spec/vmx/non-root/blocking.spec.ts');
const events = from('spec/vmx/non-root/events.spec.ts');
const priorities = from('spec/vmx/non-root/boundary-priorities.spec.ts');
const injectionProperty = from('property-tests/injection-then-exit.spec.ts');

/** The VMX-preemption timer. */
export const PREEMPTION_TIMER: readonly Account[] = [
  {
    id: 'preemption-timer.start',
    rule: 'VM entry starts the VMX-preemption timer at the value of its field while the control that activates it is 1.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: events('counts once in 32 clocks'),
  },
  {
    id: 'preemption-timer.zero',
    rule: 'A value of 0 causes the VM exit before the first instruction, after injection and pending debug exceptions.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: [
      ...events('with value 0 exits before the first instruction'),
      ...priorities('%s before %s'),
      ...injectionProperty('gives the frame, and field by field what the steps of the manual predict'),
    ],
  },
  {
    id: 'preemption-timer.states',
    rule: 'The timer counts in every activity state and causes no VM exit in wait-for-SIPI.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: [
      ...priorities('time passes in %s until the preemption timer expires, or nothing comes'),
      ...blocking('the VMX-preemption timer stays 0 once it has counted down'),
      ...events('is saved by other exits, and counts in HLT'),
    ],
  },
  {
    id: 'preemption-timer.stop',
    rule: 'A timer that has counted down to 0 stays 0.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: blocking('the VMX-preemption timer stays 0 once it has counted down'),
  },
  {
    id: 'preemption-timer.smm',
    rule: 'Under the default treatment of SMIs the timer counts in system-management mode and its VM exit comes after RSM.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: { unbuilt: 'system-management interrupt' },
  },
  {
    id: 'preemption-timer.save',
    rule: 'While save VMX-preemption timer value is 1 a VM exit saves the value that is left, which is 0 after the timer has expired.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      ...events('counts once in 32 clocks', 'is saved by other exits, and counts in HLT'),
      ...blocking('the VMX-preemption timer stays 0 once it has counted down'),
    ],
  },
];
