import type { Account } from '../account';

const CONTROLS = 'spec/vmx/non-root/newer-controls.spec.ts';
const INTERCEPTS = 'spec/vmx/non-root/intercepts.spec.ts';

/** UMONITOR, UMWAIT and TPAUSE. */
export const USER_WAIT: readonly Account[] = [
  {
    id: 'user-wait.disabled',
    rule: 'While "enable user wait and pause" is 0 UMONITOR, UMWAIT and TPAUSE are #UD.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: CONTROLS, test: '#UD unless the control enables them' },
  },
  {
    id: 'user-wait.exit',
    rule: 'With "RDTSC exiting" UMWAIT and TPAUSE cause VM exits, and UMONITOR does not.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: CONTROLS, test: 'with RDTSC exiting the two waits exit, UMONITOR never' },
  },
  {
    id: 'user-wait.deadline',
    rule: 'UMWAIT and TPAUSE wait until the counter as the guest is shown it reaches EDX:EAX; of a scaled counter the delay is divided by the multiplier.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: CONTROLS, test: 'the time to wait for is that of the guest, and so is the limit' },
  },
  {
    id: 'user-wait.limit',
    rule: 'The limit of IA32_UMWAIT_CONTROL bounds the delay in ticks of the counter as the guest is shown it, before the delay is divided by the multiplier.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: CONTROLS, test: 'the time to wait for is that of the guest, and so is the limit' },
  },
  {
    id: 'user-wait.state',
    rule: 'A VM exit during UMWAIT or TPAUSE saves the activity state active, and ends the wait.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: { file: CONTROLS, test: 'an exit ends the wait, and the saved activity state is active' },
  },
  {
    id: 'user-wait.umonitor-clear',
    rule: 'VM entry and VM exit drop the address range that is monitored.',
    section: 'SDM Vol. 3C, 28.5.6',
    shown: [
      { file: CONTROLS, test: 'an exit drops what UMONITOR armed' },
      {
        file: INTERCEPTS,
        test: 'what MONITOR armed is dropped by VM entry and by VM exit: MWAIT then does not wait',
      },
    ],
  },
];
