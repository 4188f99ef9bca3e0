import type { Account } from './account';

const ENTRY = 'spec/vmx/dynamics/entry.spec.ts';
const CHECK = 'spec/vmx/entry/check-vm-entry.spec.ts';

/** What a VM entry does, in order. */
export const VM_ENTRY_STEPS: readonly Account[] = [
  {
    id: 'entry.basic-checks',
    rule: 'VM entry begins with the basic checks in order: a fault, VMfailInvalid or VMfailValid of the first that fails ends the instruction.',
    section: 'SDM Vol. 3C, 27.1',
    shown: [
      { file: CHECK, test: '27.1: reports the first basic check alone' },
      { file: ENTRY, test: 'VMRESUME needs a launched VMCS, VMLAUNCH a clear one' },
    ],
  },
  {
    id: 'entry.control-host-checks',
    rule: 'Controls and host state are checked next, in any order: VMfailValid with error 7 or 8, after which the next instruction runs.',
    section: 'SDM Vol. 3C, 27.2',
    shown: [
      { file: ENTRY, test: 'errors 7 and 8; execution goes on' },
      { file: CHECK, test: 'permits error 7 and error 8 when controls and host state are both invalid' },
    ],
  },
];
