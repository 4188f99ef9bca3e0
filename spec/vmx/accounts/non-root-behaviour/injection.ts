import { type Account, from } from '../account';

const deliveryExit = from('spec/vmx/exit/event-delivery.spec.ts');
const blocking = from('spec/vmx/non-root/blocking.spec.ts');
const injected = from('spec/vmx/entry/injected-events.spec.ts');
const modes = from('spec/vmx/entry/injection-modes.spec.ts');
const guestRules = from('spec/vmx/entry/examples-guest.ts');
const controlRules = from('spec/vmx/entry/examples-controls.ts');
const entry = from('spec/vmx/dynamics/entry.spec.ts');
const virtualNmis = from('spec/vmx/non-root/virtual-nmis.spec.ts');
const monitorTrap = from('spec/vmx/non-root/monitor-trap.spec.ts');
const injectionProperty = from('property-tests/injection-then-exit.spec.ts');

/** Event injection. */
export const INJECTION: readonly Account[] = [
  {
    id: 'injection.when',
    rule: 'An injected event is delivered after all guest state, with the MSRs of the VM-entry MSR-load area, is loaded and before any instruction.',
    section: 'SDM Vol. 3C, 27.6.1',
    shown: [
      ...injected('is delivered after the MSR-load area: an exit on the way finds the MSRs loaded'),
      ...injectionProperty('gives the frame, and field by field what the steps of the manual predict'),
    ],
  },
  {
    id: 'injection.no-direct-exit',
    rule: 'An injected event never causes a VM exit itself, whatever the exception bitmap and the pin-based controls are.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: injected('does not exit itself: %s'),
  },
  {
    id: 'injection.nested',
    rule: 'A fault in the delivery of an injected event looks at the exception bitmap, may become a double or triple fault, and the IDT-vectoring information of its VM exit is that of the injected event.',
    section: 'SDM Vol. 3C, 28.2.4',
    shown: [
      ...entry(
        'a fault on the way exits by its own vector, with the injected event as IDT-vectoring information',
      ),
      ...injected(
        'a fault in the delivery of an exception that contributes is a double fault, and then a triple one',
      ),
      ...deliveryExit('that exits, in the delivery of %s'),
    ],
  },
  {
    id: 'injection.injected-df',
    rule: 'A fault in the delivery of an injected double fault that does not cause a VM exit itself is a triple fault.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: entry('an injected double fault whose delivery faults is a triple fault'),
  },
  {
    id: 'injection.rip',
    rule: 'External interrupts, NMIs and hardware exceptions push the guest RIP; software events push it with the VM-entry instruction length added.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      ...entry(
        '%s pushes the RIP of the next instruction',
        'an external interrupt enters the handler; guest RIP is pushed',
      ),
      ...injectionProperty('gives the frame, and field by field what the steps of the manual predict'),
    ],
  },
  {
    id: 'injection.rip-nested',
    rule: 'A fault in the delivery of an injected event pushes or saves the guest RIP itself.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      ...injected('a fault in the delivery of a software interrupt pushes guest RIP itself'),
      ...entry(
        'a fault on the way exits by its own vector, with the injected event as IDT-vectoring information',
      ),
    ],
  },
  {
    id: 'injection.error-code',
    rule: 'With bit 11 of the interruption information the VM-entry exception error code is pushed as it is.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      ...entry('an exception pushes the error code as given, and leaves CR2 and DR6'),
      ...modes('an error code is pushed last'),
    ],
  },
  {
    id: 'injection.rf',
    rule: 'RFLAGS.RF of the image that is pushed is that of guest RFLAGS, for every type.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      ...injected('RF of the image is that of guest RFLAGS: %s'),
      ...injectionProperty('gives the frame, and field by field what the steps of the manual predict'),
    ],
  },
  {
    id: 'injection.if-ignored',
    rule: 'Injection of an external interrupt requires RFLAGS.IF = 1 at VM entry and is never delayed.',
    section: 'SDM Vol. 3C, 27.3.1.4',
    shown: guestRules('guest.rflags.if-injection'),
  },
  {
    id: 'injection.dpl',
    rule: 'The gate DPL is checked for software interrupts and software exceptions and for no other type.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: modes('through a gate with DPL 0: %s'),
  },
  {
    id: 'injection.int-n-v8086',
    rule: 'In virtual-8086 mode an injected software interrupt ignores IOPL and takes part in the redirection by CR4.VME.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: modes(
      '%s: through a gate to CPL 0, whatever IOPL is',
      'with CR4.VME and a clear redirection bit INT n stays in the 8086 program',
    ),
  },
  {
    id: 'injection.real-mode',
    rule: 'With CR0.PE = 0 delivery uses the interrupt vector table of 4-byte entries at the base of IDTR and pushes no error code.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: modes('%s: flags, CS and IP on the stack, then the interrupt vector table'),
  },
  {
    id: 'injection.nmi',
    rule: 'Injection of an NMI begins blocking by NMI, or virtual-NMI blocking while virtual NMIs is 1.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      ...entry('an NMI blocks further ones; a halted guest wakes'),
      ...virtualNmis('begins with the injection of an NMI, ends with IRET, and says nothing of the host'),
    ],
  },
  {
    id: 'injection.mtf',
    rule: 'Injection of type 7 and vector 0 makes a monitor-trap-flag VM exit pending before the first instruction.',
    section: 'SDM Vol. 3C, 27.6.2',
    shown: monitorTrap('exits before the first instruction although the control is 0'),
  },
  {
    id: 'injection.mtf-control',
    rule: 'With the monitor trap flag an injected event is followed by its VM exit before the first instruction of the handler.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: monitorTrap('26.5.2 with injection it is pending before the first instruction of the handler'),
  },
  {
    id: 'injection.activity',
    rule: 'A VM entry that injects an event leaves the processor active although the activity state is HLT.',
    section: 'SDM Vol. 3C, 27.7.2',
    shown: [
      ...injected('a vectoring VM entry wakes from HLT'),
      ...entry('an NMI blocks further ones; a halted guest wakes'),
    ],
  },
  {
    id: 'injection.tpr',
    rule: 'Windows and other causes of VM exits are looked at after the injection.',
    section: 'SDM Vol. 3C, 27.7',
    shown: [
      ...blocking(
        'after injection comes before the first instruction of a handler that leaves RFLAGS.IF = 1',
      ),
      ...virtualNmis('comes after the injection of another event, before its handler'),
    ],
  },
  {
    id: 'injection.task-gate',
    rule: 'An injected event that meets a task gate causes the VM exit of a task switch, of source 3.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: deliveryExit('28.2.4 a task gate'),
  },
  {
    id: 'injection.apic-page',
    rule: 'The delivery of an injected event may cause an APIC-access VM exit as any delivery may.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: { unbuilt: 'Virtualize APIC accesses' },
  },
  {
    id: 'injection.lbr',
    rule: 'With IA32_DEBUGCTL.LBR the delivery of an injected event makes one branch record, also for vector 1.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: { reason: 'the model keeps no branch records' },
  },
  {
    id: 'injection.clear',
    rule: 'The valid bit of the VM-entry interruption information is cleared by the next VM exit and not by VM entry.',
    section: 'SDM Vol. 3C, 28.2',
    shown: injected('the valid bit stays until the next exit'),
  },
  {
    id: 'injection.length-0',
    rule: 'An instruction length of 0 for software events needs bit 30 of IA32_VMX_MISC.',
    section: 'SDM Vol. 3C, 27.2.1.3',
    shown: controlRules('ctl.inject.instruction-length-zero'),
  },
];
