import { type Account, from } from '../account';

const saved = from('spec/vmx/exit/state.spec.ts');
const taskSwitches = from('spec/cpu/tasks/task-switch.spec.ts');
const debug = from('spec/vmx/non-root/debug-exceptions.spec.ts');
const blocking = from('spec/vmx/non-root/blocking.spec.ts');
const pendingDebug = from('spec/vmx/entry/pending-debug.spec.ts');
const frontDoor = from('spec/vmx/dynamics/front-door.spec.ts');
const events = from('spec/vmx/non-root/events.spec.ts');
const virtualNmis = from('spec/vmx/non-root/virtual-nmis.spec.ts');
const priorities = from('spec/vmx/non-root/boundary-priorities.spec.ts');
const behaviour = from('spec/vmx/non-root/behaviour-examples.ts');
const monitorTrap = from('spec/vmx/non-root/monitor-trap.spec.ts');

/** What holds events back in VMX non-root operation. */
export const BLOCKING: readonly Account[] = [
  {
    id: 'blocking.extint-if',
    rule: 'While external-interrupt exiting is 1 external interrupts cause VM exits whatever RFLAGS.IF is.',
    section: 'SDM Vol. 3C, 26.3',
    shown: events('exit with IF = 0, without acknowledgement'),
  },
  {
    id: 'blocking.extint-if-0',
    rule: 'While external-interrupt exiting is 0 external interrupts are delivered through the IDT of the guest, held back by RFLAGS.IF and by blocking by STI or MOV SS.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      ...events('go to the guest otherwise'),
      ...blocking('are delivered after the instruction blocked by %s', 'stay pending while RFLAGS.IF is 0'),
    ],
  },
  {
    id: 'blocking.extint-shadow',
    rule: 'Blocking by STI or MOV SS may hold back the VM exit of an external interrupt or not, which is a choice.',
    section: 'SDM Vol. 3C, 25.4.2',
    shown: blocking('exit after the instruction blocked by %s, or before it by choice'),
  },
  {
    id: 'blocking.nmi-shadow',
    rule: 'Blocking by STI or MOV SS may hold back the VM exit of an NMI or not, which is a choice.',
    section: 'SDM Vol. 3C, 25.4.2',
    shown: virtualNmis('a choice says that STI does not hold it back, nor NMIs'),
  },
  {
    id: 'blocking.nmi-blocked',
    rule: 'While virtual NMIs is 0 bit 3 of the interruptibility state blocks NMIs, those that would cause VM exits too.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: blocking('with %j holds an NMI back'),
  },
  {
    id: 'blocking.nmi-virtual',
    rule: 'While virtual NMIs is 1 bit 3 of the interruptibility state is virtual-NMI blocking, which never holds back an NMI itself.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: virtualNmis('is no blocking of NMIs: one that comes exits, and the blocking is saved'),
  },
  {
    id: 'blocking.nmi-after-exit',
    rule: 'After a VM exit due to an NMI there is blocking by NMI in VMX root operation, which an IRET there ends.',
    section: 'SDM Vol. 3C, 28.5.5',
    shown: [
      ...events('exit, and are blocked in the host'),
      ...taskSwitches('IRET ends blocking by NMI, also when it switches tasks'),
      ...virtualNmis('is no blocking of NMIs: one that comes exits, and the blocking is saved'),
    ],
  },
  {
    id: 'blocking.nmi-other-exit',
    rule: 'Other VM exits leave blocking by NMI as it was, to which virtual-NMI blocking does not belong.',
    section: 'SDM Vol. 3C, 28.5.5',
    shown: [
      ...blocking('is in effect after an exit for another reason'),
      ...virtualNmis('begins with the injection of an NMI, ends with IRET, and says nothing of the host'),
    ],
  },
  {
    id: 'blocking.virtual-nmi-set',
    rule: 'Virtual-NMI blocking begins with the injection of an NMI or with a VM entry that loads bit 3 of the interruptibility state.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: virtualNmis(
      'begins with the injection of an NMI, ends with IRET, and says nothing of the host',
      'blocked by an NMI that was injected until IRET',
    ),
  },
  {
    id: 'blocking.virtual-nmi-clear',
    rule: 'Virtual-NMI blocking ends with IRET.',
    section: 'SDM Vol. 3C, 26.3',
    shown: virtualNmis(
      'begins with the injection of an NMI, ends with IRET, and says nothing of the host',
      'blocked by an NMI that was injected until IRET',
    ),
  },
  {
    id: 'blocking.sti-start',
    rule: 'STI that changes RFLAGS.IF from 0 to 1 blocks for one instruction, and STI with RFLAGS.IF = 1 does not.',
    section: 'SDM Vol. 3C, 25.4.2',
    shown: blocking('STI with RFLAGS.IF = 1 already does not block'),
  },
  {
    id: 'blocking.movss-start',
    rule: 'MOV SS and POP SS block interrupts and debug traps for one instruction, and LSS does not.',
    section: 'SDM Vol. 3C, 25.4.2',
    shown: [
      ...blocking('POP SS blocks, LSS does not'),
      ...monitorTrap('blocking by STI and MOV SS does not hold it back'),
      ...debug('a data breakpoint of MOV SS comes after the next instruction'),
    ],
  },
  {
    id: 'blocking.second-sti',
    rule: 'STI after STI, or MOV SS after MOV SS, may not renew the blocking; in the model it does not.',
    section: 'SDM Vol. 3C, 25.4.2',
    shown: blocking('the same instruction in its shadow does not renew it'),
  },
  {
    id: 'blocking.exit-save',
    rule: 'A fault-like VM exit of the instruction that is blocked saves blocking by STI or MOV SS as 1.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: saved('blocking by STI and MOV SS, and traps that MOV SS holds back'),
  },
  {
    id: 'blocking.exit-save-trap',
    rule: 'A VM exit after the instruction saves no blocking by STI or MOV SS unless the instruction itself has started it.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      ...blocking('by %s has ended where a trap-like exit follows the instruction'),
      ...monitorTrap('blocking by STI and MOV SS does not hold it back'),
    ],
  },
  {
    id: 'blocking.exit-host',
    rule: 'After a VM exit there is no blocking by STI or MOV SS.',
    section: 'SDM Vol. 3C, 28.5.5',
    shown: saved('blocking by STI and MOV SS, and traps that MOV SS holds back'),
  },
  {
    id: 'blocking.entry-restore',
    rule: 'A VM entry without injection restores blocking by STI or MOV SS, for one instruction.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: [
      ...frontDoor('%s enters a guest blocked by STI'),
      ...blocking('are delivered after the instruction blocked by %s'),
    ],
  },
  {
    id: 'blocking.entry-vectoring',
    rule: 'After a VM entry that injects an event there is no blocking by STI or MOV SS.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: blocking('a VM entry that injects an event leaves none'),
  },
  {
    id: 'blocking.vmm-emulation',
    rule: 'VM entry takes blocking by STI and MOV SS from the field, so that a monitor that skips an instruction has to clear it itself.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: frontDoor('survives the exit and comes once'),
  },
  {
    id: 'blocking.hlt-clear',
    rule: 'HLT that is executed under blocking by STI or MOV SS ends it.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: blocking('HLT ends it'),
  },
  {
    id: 'blocking.init',
    rule: 'An INIT signal causes a VM exit with basic exit reason 3, except in wait-for-SIPI.',
    section: 'SDM Vol. 3C, 26.2',
    shown: [
      ...events('exit with reason 3, before pending traps, which are saved'),
      ...priorities('%s %s in %s'),
    ],
  },
  {
    id: 'blocking.sipi',
    rule: 'A startup IPI causes a VM exit in wait-for-SIPI and is discarded otherwise.',
    section: 'SDM Vol. 3C, 26.2',
    shown: priorities('a startup IPI in %s'),
  },
  {
    id: 'blocking.smi',
    rule: 'Under the default treatment an SMI leaves VMX operation for system-management mode, and RSM returns to it.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'system-management interrupt' },
  },
  {
    id: 'blocking.mce',
    rule: 'Bit 18 of the exception bitmap decides whether a machine check in VMX non-root operation causes a VM exit.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { reason: 'no machine check ever comes in the model' },
  },
  {
    id: 'blocking.shutdown',
    rule: 'A triple fault causes a VM exit with basic exit reason 2, and the shutdown state is entered by VM entry alone.',
    section: 'SDM Vol. 3C, 26.2',
    shown: [
      ...behaviour('a triple fault exits whatever the bitmap is'),
      ...pendingDebug('in HLT they wake; in shutdown and wait-for-SIPI there are none'),
      ...priorities('time passes in %s until the preemption timer expires, or nothing comes'),
    ],
  },
];
