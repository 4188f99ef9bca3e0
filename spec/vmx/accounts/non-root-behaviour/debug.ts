import { type Account, from } from '../account';

const saved = from('spec/vmx/exit/state.spec.ts');
const debug = from('spec/vmx/non-root/debug-exceptions.spec.ts');
const pendingDebug = from('spec/vmx/entry/pending-debug.spec.ts');
const guestRules = from('spec/vmx/entry/examples-guest.ts');
const entry = from('spec/vmx/dynamics/entry.spec.ts');
const events = from('spec/vmx/non-root/events.spec.ts');
const priorities = from('spec/vmx/non-root/boundary-priorities.spec.ts');
const stepping = from('spec/cpu/engine/single-step.spec.ts');

/** Debug exceptions and debug registers in VMX non-root operation. */
export const DEBUG: readonly Account[] = [
  {
    id: 'debug.db-exit-no-update',
    rule: 'A debug exception that causes a VM exit directly leaves DR6, DR7.GD and IA32_DEBUGCTL.LBR as they were; the exit qualification has what DR6 would have had.',
    section: 'SDM Vol. 3C, 28.1',
    shown: [
      ...debug('that exits changes neither DR6 nor DR7.GD nor IA32_DEBUGCTL.LBR'),
      ...pendingDebug('%s: #DB before the first instruction'),
      ...events('a debug exception leaves DR6 and shows the bits in the qualification'),
    ],
  },
  {
    id: 'debug.db-delivered',
    rule: 'A debug exception that is delivered updates DR6, DR7.GD and IA32_DEBUGCTL.LBR as it does outside VMX operation.',
    section: 'SDM Vol. 3C, 26.2',
    shown: debug('that is delivered changes all three'),
  },
  {
    id: 'debug.dr7-load',
    rule: 'While load debug controls is 0 VM entry leaves DR7 and IA32_DEBUGCTL as they were before it.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: [
      ...debug(
        'without load debug controls DR7 stays that of the host',
        'without load debug controls IA32_DEBUGCTL stays that of the host',
      ),
      ...entry('debug controls, PAT and EFER as the controls say'),
    ],
  },
  {
    id: 'debug.dr7-save',
    rule: 'While save debug controls is 0 a VM exit does not save DR7 and IA32_DEBUGCTL, so that what the guest has written is lost.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: [...debug('without save debug controls that of the guest is lost'), ...saved('saveDebugControls')],
  },
  {
    id: 'debug.dr-not-switched',
    rule: 'VM entries and VM exits neither load nor save DR0 to DR3 and DR6.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: debug('DR0 to DR3 and DR6 are neither loaded nor saved'),
  },
  {
    id: 'debug.exit-dr7',
    rule: 'A VM exit loads DR7 with 400H and IA32_DEBUGCTL with 0.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: [...debug('DR7 is 400H and IA32_DEBUGCTL 0'), ...saved('MSRs and debug registers')],
  },
  {
    id: 'debug.pending-save',
    rule: 'VM exits that come before pending debug exceptions, such as those of INIT signals and of the monitor trap flag, save them in the pending debug exceptions field.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      ...events('exit with reason 3, before pending traps, which are saved'),
      ...pendingDebug('the monitor trap flag: a single step is saved'),
    ],
  },
  {
    id: 'debug.pending-movss',
    rule: 'A VM exit under blocking by MOV SS, other than by a debug exception, saves as pending the breakpoints that MOV SS holds back.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      ...pendingDebug('and an exit of that instruction saves them'),
      ...saved(
        'blocking by STI and MOV SS, and traps that MOV SS holds back',
        'what MOV SS holds back stays pending: %s',
      ),
    ],
  },
  {
    id: 'debug.pending-zero',
    rule: 'Every other VM exit saves 0 there: the traps have come before it.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      ...pendingDebug('other exits: none, for the trap has come before'),
      ...debug('is none of an instruction that exits: nothing is pending'),
    ],
  },
  {
    id: 'debug.pending-deliver',
    rule: 'After a VM entry without injection a pending single step or enabled breakpoint is a debug exception before the first instruction, which the exception bitmap may turn into a VM exit.',
    section: 'SDM Vol. 3C, 27.7.3',
    shown: pendingDebug('%s: #DB before the first instruction'),
  },
  {
    id: 'debug.pending-b-only',
    rule: 'Bits 3:0 of the pending debug exceptions alone, with bits 12 and 14 clear, deliver none after VM entry.',
    section: 'SDM Vol. 3C, 27.7.3',
    shown: pendingDebug('breakpoints that are not enabled: none, and none are saved'),
  },
  {
    id: 'debug.pending-check-tf',
    rule: 'With blocking by STI or MOV SS, or in HLT, VM entry requires that the pending single step be 1 just when RFLAGS.TF is 1 and IA32_DEBUGCTL.BTF is 0.',
    section: 'SDM Vol. 3C, 27.3.1.5',
    shown: guestRules('guest.pending-debug.bs-set', 'guest.pending-debug.bs-clear'),
  },
  {
    id: 'debug.btf',
    rule: 'With IA32_DEBUGCTL.BTF and RFLAGS.TF both 1 only branches that are taken cause single-step traps; VM entry loads BTF.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: [
      ...debug('with IA32_DEBUGCTL.BTF only after a branch'),
      ...stepping('only branches that are taken trap'),
    ],
  },
  {
    id: 'debug.tf-trap-exit',
    rule: 'With RFLAGS.TF = 1 a VM exit that follows the completion of the instruction saves the single step as pending.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: pendingDebug('the monitor trap flag: a single step is saved'),
  },
  {
    id: 'debug.tf-fault-exit',
    rule: 'With RFLAGS.TF = 1 an instruction that causes a fault-like VM exit is not executed and leaves no single-step trap pending.',
    section: 'SDM Vol. 3C, 28.1',
    shown: debug('is none of an instruction that exits: nothing is pending'),
  },
  {
    id: 'debug.tf-entry',
    rule: 'RFLAGS.TF that VM entry loads causes a trap after the first instruction of the guest and none for VM entry itself.',
    section: 'SDM Vol. 3C, 27.7.3',
    shown: debug('that VM entry loads traps after the first instruction'),
  },
  {
    id: 'debug.icebp',
    rule: 'INT1 is a debug exception of type privileged software exception, whose gate DPL is not looked at, and bit 1 of the exception bitmap makes it a VM exit.',
    section: 'SDM Vol. 3C, 26.2',
    shown: debug(
      'exits by bit 1 of the exception bitmap, as a privileged software exception',
      'of a user is delivered through a gate with DPL 0',
    ),
  },
  {
    id: 'debug.code-breakpoint-rf',
    rule: 'RFLAGS.RF that VM entry loads suppresses the instruction breakpoint of the first instruction.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: debug('RF that VM entry loads suppresses the instruction breakpoint of the first instruction'),
  },
  {
    id: 'debug.injected-db',
    rule: 'Injection of a debug exception does not modify DR6, DR7 or IA32_DEBUGCTL.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      ...debug('that is injected changes none'),
      ...entry('an exception pushes the error code as given, and leaves CR2 and DR6'),
    ],
  },
  {
    id: 'debug.mtf-vs-db',
    rule: 'Where a monitor-trap-flag exit and a debug trap are due at the same boundary the VM exit comes first and the trap is saved as pending.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [...pendingDebug('the monitor trap flag: a single step is saved'), ...priorities('%s before %s')],
  },
  {
    id: 'debug.movss-db-lost',
    rule: 'The data breakpoint of MOV SS comes after the next instruction, and where that is INT n before the first instruction of its handler.',
    section: 'SDM Vol. 3B, 18.3.1.2',
    shown: debug(
      'a data breakpoint of MOV SS comes after the next instruction',
      'and where that is INT n, before the handler',
    ),
  },
];
