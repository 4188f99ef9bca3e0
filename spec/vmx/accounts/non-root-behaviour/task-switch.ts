import { type Account, from } from '../account';

const taskSwitch = from('spec/vmx/exit/task-switch.spec.ts');
const deliveryExit = from('spec/vmx/exit/event-delivery.spec.ts');
const taskFaults = from('spec/cpu/tasks/task-faults.spec.ts');

/** Task switches in VMX non-root operation. */
export const TASK_SWITCHES: readonly Account[] = [
  {
    id: 'task-switch.exit',
    rule: 'A task switch that passes the checks before it causes a VM exit with basic exit reason 9, and state of neither task is saved or loaded.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: [
      ...taskSwitch('the exit leaves both tasks as they are'),
      ...taskFaults('CALL, JMP, IRET and the IDT ask before anything has happened'),
    ],
  },
  {
    id: 'task-switch.order',
    rule: 'The checks of task gate, selector and TSS descriptor, and the page faults of reading it, come before the VM exit.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: [
      ...taskSwitch('no exit for %s'),
      ...taskFaults('but the checks of gate and TSS come first', 'task gates of the IDT'),
    ],
  },
  {
    id: 'task-switch.ia32e',
    rule: 'In IA-32e mode there are no task switches: what would attempt one is a general-protection exception and no VM exit.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: taskSwitch('no exit in IA-32e mode: %s'),
  },
  {
    id: 'task-switch.tss-page-fault',
    rule: 'A page fault on the old or the new TSS may come instead of the VM exit; in the model the VM exit comes first.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: taskSwitch('a TSS that no page maps does not fault: the exit comes first'),
  },
  {
    id: 'task-switch.busy-nt',
    rule: 'The VM exit leaves TR, the busy flags, RFLAGS.NT, CR3 and the previous task link alone.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: taskSwitch('the exit leaves both tasks as they are'),
  },
  {
    id: 'task-switch.event',
    rule: 'Of a task gate in the IDT the IDT-vectoring information has the event, and the VM-exit interruption information is not valid.',
    section: 'SDM Vol. 3C, 28.2.4',
    shown: [
      ...deliveryExit('28.2.4 a task gate'),
      ...taskSwitch('a task gate of the IDT: the event is in the IDT-vectoring fields'),
    ],
  },
  {
    id: 'task-switch.t-flag',
    rule: 'The debug trap of the T flag of a TSS never comes in VMX non-root operation, where no task switch completes.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: taskSwitch('no trap of the T flag'),
  },
];
