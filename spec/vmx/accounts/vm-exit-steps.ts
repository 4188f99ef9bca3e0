import type { Account } from './account';

const DETAILS = 'spec/vmx/exit/details.spec.ts';
const DELIVERY = 'spec/vmx/exit/event-delivery.spec.ts';
const EVENTS = 'spec/vmx/non-root/events.spec.ts';
const REASONS = 'spec/vmx/exit/exit-reasons.spec.ts';
const SAVING = 'spec/vmx/exit/saving.spec.ts';
const STATE = 'spec/vmx/exit/state.spec.ts';
const HOST_32 = 'spec/vmx/exit/host-32.spec.ts';
const TASKS = 'spec/vmx/exit/task-switch.spec.ts';
const ENTRY = 'spec/vmx/dynamics/entry.spec.ts';
const PAGING = 'spec/vmx/dynamics/guest-paging.spec.ts';
const PENDING = 'spec/vmx/entry/pending-debug.spec.ts';
const NEWER = 'spec/vmx/non-root/newer-controls.spec.ts';
const NMIS = 'spec/vmx/non-root/virtual-nmis.spec.ts';
const INTERCEPTS = 'spec/vmx/non-root/intercepts.spec.ts';
const INFORMATION = 'spec/vmx/non-root/instruction-information.spec.ts';
const FLAGS = 'spec/vmx/ept/accessed-dirty.spec.ts';
const SMM = { unbuilt: 'system-management interrupt' } as const;
const REACHED = { file: REASONS, test: 'every basic exit reason' } as const;

/** What a VM exit does, in order. */
export const VM_EXIT_STEPS: readonly Account[] = [
  {
    id: 'exit.state-before',
    rule: 'An event that exits itself has done nothing: DR6, DR7.GD, IA32_DEBUGCTL, CR2, the TSSs, TR and NT stay, NMIs are blocked only after it, and an interrupt is acknowledged only by its control.',
    section: 'SDM Vol. 3C, 28.1',
    shown: [
      { file: SAVING, test: '#DB leaves DR6, DR7.GD and IA32_DEBUGCTL' },
      { file: SAVING, test: 'a task switch leaves both TSSs, the descriptors, TR and NT' },
      { file: EVENTS, test: 'page fault: bitmap %s, mask %s, match %s, error code %s' },
      { file: EVENTS, test: 'exit, and are blocked in the host' },
      { file: EVENTS, test: 'exit with IF = 0, without acknowledgement' },
    ],
  },
  {
    id: 'exit.state-before-indirect',
    rule: 'An event whose delivery exits has been recorded first: DR6 or CR2, blocking by NMI, the acknowledgement, and the end of an inactive state.',
    section: 'SDM Vol. 3C, 28.1',
    shown: [
      { file: DELIVERY, test: '28.2.4 an EPT violation where the gate is read' },
      { file: DELIVERY, test: 'a single-step trap, whose bits are in DR6' },
      { file: DELIVERY, test: 'an external interrupt in HLT, which is acknowledged and wakes' },
      { file: DETAILS, test: 'an interrupt whose delivery exits has ended the HLT state' },
    ],
  },
  {
    id: 'exit.iret-nmi',
    rule: 'A fault, EPT violation, EPT misconfiguration or full log during IRET comes after the end of blocking by NMI, or of virtual-NMI blocking, which bit 12 tells.',
    section: 'SDM Vol. 3C, 28.2.3',
    shown: [
      { file: NMIS, test: '28.2.3 a fault of IRET with %j, interruptibility %s: bit 12 is %s' },
      { file: 'spec/vmx/ept/violations.spec.ts', test: 'is 1 where IRET had just ended blocking by NMI' },
      { file: FLAGS, test: 'bit 12 of the qualification: NMI unblocking due to IRET' },
    ],
  },
  {
    id: 'exit.trap-like',
    rule: 'A trap exits after its instruction, which has ended blocking by STI and MOV SS.',
    section: 'SDM Vol. 3C, 28.1',
    shown: {
      file: SAVING,
      test: 'a debug trap comes after its instruction, which has ended blocking by STI',
    },
  },
  {
    id: 'exit.record-reason',
    rule: 'The exit reason has the basic reason in bits 15:0, and no other bit but those that are defined.',
    section: 'SDM Vol. 3C, 28.2.1',
    shown: REACHED,
  },
  {
    id: 'exit.record-qualification',
    rule: 'The exit qualification is that of the reason, and 0 where the reason has none.',
    section: 'SDM Vol. 3C, 28.2.1',
    shown: REACHED,
  },
  {
    id: 'exit.record-gla-gpa',
    rule: 'The guest-linear and the guest-physical address are recorded for the reasons that have them.',
    section: 'SDM Vol. 3C, 28.2.1',
    shown: [
      REACHED,
      {
        file: 'spec/vmx/non-root/ept.spec.ts',
        test: 'records qualification, guest-linear and guest-physical address',
      },
    ],
  },
  {
    id: 'exit.record-interruption-info',
    rule: 'The VM-exit interruption information is valid for exceptions, NMIs and acknowledged external interrupts alone.',
    section: 'SDM Vol. 3C, 28.2.2',
    shown: [
      REACHED,
      { file: EVENTS, test: 'the exception bitmap decides' },
      { file: EVENTS, test: 'exit, and are blocked in the host' },
      { file: EVENTS, test: 'are acknowledged on exit when asked to' },
    ],
  },
  {
    id: 'exit.record-interruption-error',
    rule: 'Its error code is the one that would have been pushed.',
    section: 'SDM Vol. 3C, 28.2.2',
    shown: [
      { file: EVENTS, test: 'the exception bitmap decides' },
      { file: DETAILS, test: 'of a guest in real-address mode no exception has an error code' },
    ],
  },
  {
    id: 'exit.record-idt-vectoring',
    rule: 'An exit during the delivery of an event tells the event; a double fault that exits itself, a triple fault and an event that exits itself do not.',
    section: 'SDM Vol. 3C, 28.2.4',
    shown: [
      { file: DELIVERY, test: '28.2.4 a page fault where the gate is read' },
      { file: DELIVERY, test: 'that becomes a double fault which exits: no event was being delivered' },
      { file: DELIVERY, test: 'and again: a triple fault, of which nothing is said' },
      { file: EVENTS, test: 'the exception bitmap decides' },
    ],
  },
  {
    id: 'exit.record-length',
    rule: 'The VM-exit instruction length is that of the instruction, and for an injected event the VM-entry instruction length.',
    section: 'SDM Vol. 3C, 28.2.5',
    shown: [REACHED, { file: ENTRY, test: 'a fault on the way exits by its own vector' }],
  },
  {
    id: 'exit.record-info',
    rule: 'The VM-exit instruction information describes the operands for the reasons that have it.',
    section: 'SDM Vol. 3C, 28.2.5',
    shown: [REACHED, { file: INFORMATION, test: '28.2.5 VM-exit instruction information' }],
  },
  {
    id: 'exit.record-event-data',
    rule: 'With FRED the original-event data are recorded.',
    section: 'SDM Vol. 3C, 28.2.4',
    shown: { unbuilt: 'Load FRED' },
  },
  {
    id: 'exit.record-msr-data',
    rule: 'With MSR-list instructions the MSR data are recorded.',
    section: 'SDM Vol. 3C, 28.2.5',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'exit.clear-entry-valid',
    rule: 'The valid bit of the VM-entry interruption information is cleared.',
    section: 'SDM Vol. 3C, 28.2',
    shown: { file: ENTRY, test: 'the valid bit is cleared by the next exit' },
  },
  {
    id: 'exit.store-lma',
    rule: 'Of an unrestricted guest "IA-32e mode guest" becomes IA32_EFER.LMA.',
    section: 'SDM Vol. 3C, 28.2',
    shown: {
      file: 'spec/vmx/non-root/behaviour-examples.ts',
      test: 'paging with LME is IA-32e mode, which the next exit tells',
    },
  },
  {
    id: 'exit.save-cr',
    rule: 'CR0, CR3, CR4, bits 31:0 of IA32_SYSENTER_CS, IA32_SYSENTER_ESP and IA32_SYSENTER_EIP are saved.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { file: SAVING, test: 'control registers and the SYSENTER MSRs' },
  },
  {
    id: 'exit.save-debug',
    rule: 'With "save debug controls" DR7 and IA32_DEBUGCTL are saved.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: [
      { file: STATE, test: 'saveDebugControls' },
      { file: SAVING, test: 'IA32_DEBUGCTL with its control, and not without' },
    ],
  },
  {
    id: 'exit.save-pat',
    rule: 'With "save IA32_PAT" IA32_PAT is saved.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { file: STATE, test: 'saveIa32Pat' },
  },
  {
    id: 'exit.save-efer',
    rule: 'With "save IA32_EFER" IA32_EFER is saved.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { file: STATE, test: 'saveIa32Efer' },
  },
  {
    id: 'exit.save-perf-global',
    rule: 'With "save IA32_PERF_GLOBAL_CTL" that MSR is saved.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { file: NEWER, test: 'exit saves what the guest has written' },
  },
  {
    id: 'exit.save-bndcfgs',
    rule: 'A processor that loads or clears IA32_BNDCFGS saves it whatever the controls are.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Load IA32_BNDCFGS' },
  },
  {
    id: 'exit.save-rtit',
    rule: 'A processor that loads or clears IA32_RTIT_CTL saves it whatever the controls are.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Load IA32_RTIT_CTL' },
  },
  {
    id: 'exit.save-lbr',
    rule: 'A processor that loads or clears IA32_LBR_CTL saves it whatever the controls are.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Load guest IA32_LBR_CTL' },
  },
  {
    id: 'exit.save-cet',
    rule: 'A processor with the VM-entry control "load CET state" saves that state whatever the controls are.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: {
      file: NEWER,
      test: 'is saved whatever the controls are, and loaded by neither without its control',
    },
  },
  {
    id: 'exit.save-pkrs',
    rule: 'A processor with the VM-entry control "load PKRS" saves IA32_PKRS whatever the controls are.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: [
      { file: NEWER, test: 'neither is touched while the controls are 0, but the guest' },
      { file: NEWER, test: 'a processor without the entry control does not save PKRS' },
    ],
  },
  {
    id: 'exit.save-uinv',
    rule: 'A processor that loads or clears UINV saves it whatever the controls are.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Load UINV' },
  },
  {
    id: 'exit.save-fred',
    rule: 'With "save FRED" the FRED MSRs are saved.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Load FRED' },
  },
  {
    id: 'exit.save-spec-ctrl-shadow',
    rule: 'With "virtualize IA32_SPEC_CTRL" the shadow keeps what the guest has written.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'exit.save-segments',
    rule: 'Of each segment selector, base, limit and access rights are saved; bits 11:8 and 31:17 of the rights are 0, and bit 16 says that it is unusable.',
    section: 'SDM Vol. 3C, 28.3',
    shown: [
      { file: SAVING, test: '28.3 registers' },
      { file: DETAILS, test: 'access rights without bits 11:8 and 31:17' },
    ],
  },
  {
    id: 'exit.save-unusable',
    rule: 'Of an unusable segment DPL of SS and the bases of FS, GS and LDTR are saved, and bits 63:32 of the other bases are 0.',
    section: 'SDM Vol. 3C, 28.3',
    shown: { file: SAVING, test: 'of an unusable SS the DPL, of unusable FS, GS and LDTR the bases' },
  },
  {
    id: 'exit.save-gdtr-idtr',
    rule: 'Bases and limits of GDTR and IDTR are saved.',
    section: 'SDM Vol. 3C, 28.3',
    shown: { file: SAVING, test: 'bases and limits of GDTR and IDTR' },
  },
  {
    id: 'exit.save-rip',
    rule: 'RIP is that of the instruction for exits by instructions, faults, INT3 and task switches, that of the next one for traps, and elsewhere where the guest goes on.',
    section: 'SDM Vol. 3C, 28.3.3',
    shown: [
      { file: SAVING, test: '28.3.3 RIP' },
      { file: SAVING, test: 'an interrupt window' },
    ],
  },
  {
    id: 'exit.save-rsp',
    rule: 'RSP is saved.',
    section: 'SDM Vol. 3C, 28.3.3',
    shown: { file: STATE, test: 'registers' },
  },
  {
    id: 'exit.save-rflags',
    rule: 'RFLAGS is saved; RF is 0 for exits by instructions, as in the pushed image for events, as in the old TSS for task switches, and 1 for EPT violations, misconfigurations and a full log outside event delivery.',
    section: 'SDM Vol. 3C, 28.3.3',
    shown: [
      {
        file: EVENTS,
        test: 'RF is 1 in the image that a fault would have pushed, 0 after an instruction exit',
      },
      { file: TASKS, test: 'a task gate of the IDT: the event is in the IDT-vectoring fields' },
      { file: TASKS, test: '%s: source, selector and instruction length' },
      { file: DELIVERY, test: '28.2.4 an EPT violation where the gate is read' },
      {
        file: FLAGS,
        test: 'pml.when: with %s no flag is set, accessed ones too, and the access is not made',
      },
      { file: STATE, test: 'registers' },
    ],
  },
  {
    id: 'exit.save-activity',
    rule: 'The activity state before the exit is saved; that of MWAIT is saved as active.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      { file: DETAILS, test: 'the activity state before the exit, which another VM entry restores' },
      {
        file: INTERCEPTS,
        test: 'without the control MWAIT waits; the activity state of an exit then is active',
      },
    ],
  },
  {
    id: 'exit.save-interruptibility',
    rule: 'Blocking by STI and by MOV SS is saved, and in bit 3 blocking by NMI or, with virtual NMIs, virtual-NMI blocking.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      { file: STATE, test: 'blocking by STI and MOV SS, and traps that MOV SS holds back' },
      { file: NMIS, test: 'is no blocking of NMIs: one that comes exits, and the blocking is saved' },
      { file: DELIVERY, test: 'an NMI, which blocks further ones' },
    ],
  },
  {
    id: 'exit.save-pending-debug-clear',
    rule: 'Other exits save no pending debug exceptions.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      { file: PENDING, test: 'other exits: none, for the trap has come before' },
      { file: PENDING, test: 'breakpoints that are not enabled: none, and none are saved' },
    ],
  },
  {
    id: 'exit.save-pending-debug',
    rule: 'Pending debug exceptions are saved by INIT, by the monitor trap flag, and where MOV SS holds them back.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      { file: EVENTS, test: 'exit with reason 3, before pending traps, which are saved' },
      { file: PENDING, test: 'the monitor trap flag: a single step is saved' },
      { file: STATE, test: 'what MOV SS holds back stays pending: %s' },
    ],
  },
  {
    id: 'exit.save-timer',
    rule: 'With "save VMX-preemption timer value" what is left of the timer is saved: 0 once it has expired.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: [
      { file: EVENTS, test: 'is saved by other exits, and counts in HLT' },
      { file: EVENTS, test: 'counts once in 32 clocks' },
    ],
  },
  {
    id: 'exit.save-pdptes',
    rule: 'With EPT and PAE paging the PDPTE registers are saved in their fields.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: { file: PAGING, test: 'with EPT saves the registers in the fields' },
  },
  {
    id: 'exit.save-interrupt-status',
    rule: 'With virtual-interrupt delivery RVI and SVI are saved.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: { unbuilt: 'Virtual-interrupt delivery' },
  },
  {
    id: 'exit.save-pml-index',
    rule: 'With page-modification logging the PML index is in its field.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: { file: FLAGS, test: 'the index wraps to FFFFH, and the next flag to set is an exit' },
  },
  {
    id: 'exit.smbase',
    rule: 'Outside SMM the SMBASE field is undefined after a VM exit.',
    section: 'SDM Vol. 3C, 28.3.4',
    shown: SMM,
  },
  {
    id: 'exit.msr-store',
    rule: 'The MSR-store area is filled in order as RDMSR would; an entry that fails is VMX abort 1.',
    section: 'SDM Vol. 3C, 28.4',
    shown: [
      { file: STATE, test: 'stores the value of the guest and loads that of the host' },
      { file: STATE, test: 'an MSR that must not be stored' },
      { file: STATE, test: 'reserved bits of the entry' },
    ],
  },
  {
    id: 'exit.abort-ia32e',
    rule: 'A VM exit in IA-32e mode to a 32-bit host is VMX abort 6.',
    section: 'SDM Vol. 3C, 28.5',
    shown: { file: HOST_32, test: '6: the guest has entered IA-32e mode, and the host is a 32-bit host' },
  },
  {
    id: 'exit.load-host-cr0',
    rule: 'CR0 comes from its field, but for ET, NW, CD and the reserved bits 15:6, 17 and 28:19, which keep their value.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: [
      { file: SAVING, test: 'reserved bits of CR0, CD, NW and ET keep their value' },
      { file: STATE, test: 'control registers; CD, NW and ET stay' },
    ],
  },
  {
    id: 'exit.load-host-cr3',
    rule: 'CR3 comes from its field, whose bits beyond the width VM entry has found clear.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: { file: STATE, test: 'control registers; CD, NW and ET stay' },
  },
  {
    id: 'exit.load-host-cr4',
    rule: 'CR4 comes from its field, with PAE for a 64-bit host and without PCIDE for a 32-bit host.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: [
      { file: STATE, test: 'control registers; CD, NW and ET stay' },
      { file: HOST_32, test: 'with %s paging: code of 32 bits, no IA-32e mode' },
    ],
  },
  {
    id: 'exit.load-host-dr7',
    rule: 'DR7 becomes 400H.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: { file: STATE, test: 'MSRs and debug registers' },
  },
  {
    id: 'exit.load-host-debugctl',
    rule: 'IA32_DEBUGCTL becomes 0.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: { file: STATE, test: 'MSRs and debug registers' },
  },
  {
    id: 'exit.load-host-sysenter',
    rule: 'The SYSENTER MSRs come from their fields.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: { file: STATE, test: 'MSRs and debug registers' },
  },
  {
    id: 'exit.load-host-efer-bits',
    rule: 'LMA and LME are "host address-space size".',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: [
      { file: STATE, test: 'MSRs and debug registers' },
      { file: HOST_32, test: 'with %s paging: code of 32 bits, no IA-32e mode' },
    ],
  },
  {
    id: 'exit.load-host-msrs',
    rule: 'IA32_PAT, IA32_EFER, IA32_PERF_GLOBAL_CTRL, IA32_PKRS and CET state are loaded, each by its control.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: [
      { file: STATE, test: 'PAT and EFER when asked to' },
      { file: NEWER, test: 'exit loads the host' },
      { file: NEWER, test: 'is loaded by entry and by exit, each by its control' },
    ],
  },
  {
    id: 'exit.clear-host-msrs',
    rule: 'IA32_BNDCFGS, IA32_RTIT_CTL, IA32_LBR_CTL and UINV are cleared, each by its control.',
    section: 'SDM Vol. 3C, 28.5.1',
    shown: { unbuilt: 'Clear IA32_BNDCFGS' },
  },
  {
    id: 'exit.load-host-cs',
    rule: 'CS is flat code at privilege level 0, of 64 bits for a 64-bit host and else of 32.',
    section: 'SDM Vol. 3C, 28.5.2',
    shown: [
      { file: STATE, test: 'segments' },
      { file: HOST_32, test: 'with %s paging: code of 32 bits, no IA-32e mode' },
    ],
  },
  {
    id: 'exit.load-host-data-segs',
    rule: 'The data segments are flat and writable, or unusable where the selector is 0; FS and GS have the bases of their fields also then, and SS DPL 0 and B = 1.',
    section: 'SDM Vol. 3C, 28.5.2',
    shown: [
      { file: SAVING, test: 'a null selector makes SS unusable, with B = 1 and DPL 0' },
      { file: STATE, test: 'segments' },
    ],
  },
  {
    id: 'exit.load-host-tr',
    rule: 'TR is a busy TSS of 68H bytes with selector and base of its fields.',
    section: 'SDM Vol. 3C, 28.5.2',
    shown: { file: STATE, test: 'segments' },
  },
  {
    id: 'exit.load-host-ldtr',
    rule: 'LDTR has the selector 0 and is unusable.',
    section: 'SDM Vol. 3C, 28.5.2',
    shown: { file: STATE, test: 'segments' },
  },
  {
    id: 'exit.load-host-gdtr-idtr',
    rule: 'GDTR and IDTR have the bases of their fields and the limit FFFFH.',
    section: 'SDM Vol. 3C, 28.5.2',
    shown: { file: STATE, test: 'descriptor tables' },
  },
  {
    id: 'exit.load-host-rip',
    rule: 'RIP and RSP come from their fields, and RFLAGS becomes 2.',
    section: 'SDM Vol. 3C, 28.5',
    shown: [
      { file: STATE, test: 'RIP, RSP, RFLAGS' },
      { file: SAVING, test: 'status flags and RF of the guest are gone' },
    ],
  },
  {
    id: 'exit.load-host-pdptes',
    rule: 'A 32-bit host with PAE paging has its PDPTEs checked and loaded from CR3; reserved bits are VMX abort 2.',
    section: 'SDM Vol. 3C, 28.5.4',
    shown: [
      { file: HOST_32, test: 'with %s paging: code of 32 bits, no IA-32e mode' },
      { file: HOST_32, test: '2: a host PDPTE with reserved bits' },
    ],
  },
  {
    id: 'exit.host-nonregister',
    rule: 'The host is active, nothing is blocked by STI or MOV SS, no debug exception is pending, NMIs are blocked after an exit by an NMI, and INIT is blocked.',
    section: 'SDM Vol. 3C, 28.5.5',
    shown: [
      { file: STATE, test: 'blocking by STI and MOV SS, and traps that MOV SS holds back' },
      { file: DETAILS, test: 'the activity state before the exit, which another VM entry restores' },
      { file: EVENTS, test: 'exit, and are blocked in the host' },
      { file: EVENTS, test: 'are blocked in VMX root operation, and taken after VMXOFF' },
    ],
  },
  {
    id: 'exit.host-tlb',
    rule: 'Without VPIDs the linear and combined mappings of VPID 0000H are invalidated.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: { file: STATE, test: 'without VPID translations are dropped at entry and exit, with VPID not' },
  },
  {
    id: 'exit.host-monitor',
    rule: 'Address-range monitoring is cleared.',
    section: 'SDM Vol. 3C, 28.5.6',
    shown: {
      file: INTERCEPTS,
      test: 'MWAIT, which tells whether the monitor was armed; the exit clears that',
    },
  },
  {
    id: 'exit.msr-load',
    rule: 'The VM-exit MSR-load area is gone through in order as WRMSR would; an entry that fails is VMX abort 4.',
    section: 'SDM Vol. 3C, 28.6',
    shown: [
      { file: STATE, test: 'stores the value of the guest and loads that of the host' },
      { file: STATE, test: 'a value that WRMSR refuses' },
      { file: DETAILS, test: 'never load MSR %s' },
    ],
  },
  {
    id: 'exit.abort',
    rule: 'A VMX abort writes its indicator into the VMCS region and stops the processor until RESET.',
    section: 'SDM Vol. 3C, 28.7',
    shown: [
      { file: HOST_32, test: '28.7 VMX aborts' },
      { file: STATE, test: 'VMX abort: %s' },
    ],
  },
  {
    id: 'exit.machine-check',
    rule: 'A machine check during a VM exit is handled before it, after it, or as VMX abort 5.',
    section: 'SDM Vol. 3C, 28.7',
    shown: { reason: 'the model has no machine checks: no event of memory or bus is one' },
  },
];
