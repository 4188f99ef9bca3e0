import type { Account } from './account';

const ENTRY = 'spec/vmx/dynamics/entry.spec.ts';
const LOADING = 'spec/vmx/dynamics/loading.spec.ts';
const FRONT_DOOR = 'spec/vmx/dynamics/front-door.spec.ts';
const PAGING = 'spec/vmx/dynamics/guest-paging.spec.ts';
const REGIONS = 'spec/vmx/dynamics/region-use.spec.ts';
const CHECK = 'spec/vmx/entry/check-vm-entry.spec.ts';
const PENDING = 'spec/vmx/entry/pending-debug.spec.ts';
const MODES = 'spec/vmx/entry/injection-modes.spec.ts';
const DETAILS = 'spec/vmx/exit/details.spec.ts';
const DELIVERY = 'spec/vmx/exit/event-delivery.spec.ts';
const NEWER = 'spec/vmx/non-root/newer-controls.spec.ts';
const EVENTS = 'spec/vmx/non-root/events.spec.ts';
const NMIS = 'spec/vmx/non-root/virtual-nmis.spec.ts';
const PRIORITIES = 'spec/vmx/non-root/boundary-priorities.spec.ts';
const MONITOR_TRAP = 'spec/vmx/non-root/monitor-trap.spec.ts';
const CACHES = 'spec/caching/rows/must-vmx.ts';
const SMM = { unbuilt: 'system-management interrupt' } as const;

/** What a VM entry does, in order. */
export const VM_ENTRY_STEPS: readonly Account[] = [
  {
    id: 'entry.basic-checks',
    rule: 'VM entry begins with the basic checks in order: a fault, VMfailInvalid or VMfailValid of the first that fails ends the instruction.',
    section: 'SDM Vol. 3C, 27.1',
    shown: [
      { file: CHECK, test: '27.1: reports the first basic check alone' },
      { file: ENTRY, test: 'VMRESUME needs a launched VMCS, VMLAUNCH a clear one' },
      { file: ENTRY, test: 'error 26: blocking by MOV SS' },
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
  {
    id: 'entry.vtpr-clear',
    rule: 'With a TPR shadow, bytes 3:1 of VTPR may be cleared, also by a VM entry that fails later.',
    section: 'SDM Vol. 3C, 27.2.1.1',
    shown: { unbuilt: 'Use TPR shadow' },
  },
  {
    id: 'entry.guest-checks',
    rule: 'Guest state is checked after that; the violation that is found first gives exit reason 33 its qualification.',
    section: 'SDM Vol. 3C, 27.3.1',
    shown: [
      { file: ENTRY, test: 'reason 33 with bit 31: host state, nothing else recorded' },
      { file: ENTRY, test: 'qualification 4: the VMCS link pointer' },
      { file: CHECK, test: 'asks which of several permitted failures is reported' },
    ],
  },
  {
    id: 'entry.load-cr0',
    rule: 'CR0 comes from its field, but for ET, NW, CD and the reserved bits 15:6, 17 and 28:19, which keep their value.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: [
      { file: LOADING, test: 'reserved bits of CR0, CD, NW and ET keep their value' },
      { file: ENTRY, test: 'control registers; CD, NW and ET stay' },
    ],
  },
  {
    id: 'entry.load-cr3-cr4',
    rule: 'CR3 and CR4 come from their fields.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: LOADING, test: 'CR3 and CR4 come from their fields' },
  },
  {
    id: 'entry.load-dr7',
    rule: 'With "load debug controls" DR7 comes from its field with bits 12 and 15:14 clear and bit 10 set.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: [
      { file: DETAILS, test: 'DR7 has bits 12 and 15:14 clear and bit 10 set' },
      { file: ENTRY, test: 'debug controls, PAT and EFER as the controls say' },
    ],
  },
  {
    id: 'entry.load-debugctl',
    rule: 'With "load debug controls" IA32_DEBUGCTL comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: LOADING, test: 'IA32_DEBUGCTL with its control, and not without' },
  },
  {
    id: 'entry.load-sysenter',
    rule: 'IA32_SYSENTER_CS, with bits 63:32 cleared, IA32_SYSENTER_ESP and IA32_SYSENTER_EIP come from their fields.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: LOADING, test: 'the SYSENTER MSRs; bits 63:32 of IA32_SYSENTER_CS are cleared' },
  },
  {
    id: 'entry.load-fs-gs-base',
    rule: 'IA32_FS_BASE and IA32_GS_BASE follow the base-address fields of FS and GS.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: LOADING, test: 'the MSRs of the FS and GS bases show the bases of the segments' },
  },
  {
    id: 'entry.efer-implicit',
    rule: 'Without "load IA32_EFER" LMA follows "IA-32e mode guest", and so does LME where CR0.PG becomes 1; else LME stays.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: [
      { file: LOADING, test: 'LMA and LME of %s' },
      { file: LOADING, test: 'an unrestricted guest without paging: LME stays' },
    ],
  },
  {
    id: 'entry.load-efer',
    rule: 'With "load IA32_EFER" IA32_EFER comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: ENTRY, test: 'debug controls, PAT and EFER as the controls say' },
  },
  {
    id: 'entry.load-perf-global',
    rule: 'With "load IA32_PERF_GLOBAL_CTRL" that MSR comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: NEWER, test: 'entry loads the guest' },
  },
  {
    id: 'entry.load-pat',
    rule: 'With "load IA32_PAT" IA32_PAT comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: ENTRY, test: 'debug controls, PAT and EFER as the controls say' },
  },
  {
    id: 'entry.load-bndcfgs',
    rule: 'With "load IA32_BNDCFGS" that MSR comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { unbuilt: 'Load IA32_BNDCFGS' },
  },
  {
    id: 'entry.load-rtit',
    rule: 'With "load IA32_RTIT_CTL" that MSR comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { unbuilt: 'Load IA32_RTIT_CTL' },
  },
  {
    id: 'entry.load-cet',
    rule: 'With "load CET state" IA32_S_CET, SSP and IA32_INTERRUPT_SSP_TABLE_ADDR come from their fields.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: NEWER, test: 'is loaded by entry and by exit, each by its control' },
  },
  {
    id: 'entry.load-lbr',
    rule: 'With "load guest IA32_LBR_CTL" that MSR comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { unbuilt: 'Load guest IA32_LBR_CTL' },
  },
  {
    id: 'entry.load-pkrs',
    rule: 'With "load PKRS" IA32_PKRS comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { file: NEWER, test: 'entry loads the guest' },
  },
  {
    id: 'entry.load-uinv',
    rule: 'With "load UINV" the user-interrupt notification vector comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { unbuilt: 'Load UINV' },
  },
  {
    id: 'entry.load-fred',
    rule: 'With "load FRED" the FRED MSRs come from their fields.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { unbuilt: 'Load FRED' },
  },
  {
    id: 'entry.load-spec-ctrl',
    rule: 'With "load guest IA32_SPEC_CTRL" that MSR comes from its field.',
    section: 'SDM Vol. 3C, 27.3.2.1',
    shown: { unbuilt: 'Load guest IA32_SPEC_CTRL' },
  },
  {
    id: 'entry.smbase',
    rule: 'SMBASE stays, unless the VM entry returns from SMM and loads it from its field.',
    section: 'SDM Vol. 3C, 32.15.4',
    shown: SMM,
  },
  {
    id: 'entry.load-tr',
    rule: 'TR has the selector, the base, the limit and the access rights of its fields.',
    section: 'SDM Vol. 3C, 27.3.2.2',
    shown: { file: LOADING, test: 'all of TR, GDTR and IDTR' },
  },
  {
    id: 'entry.load-cs',
    rule: 'CS has selector, base, limit, L, D and G of its fields, and the other access rights where it is usable.',
    section: 'SDM Vol. 3C, 27.3.2.2',
    shown: [
      { file: ENTRY, test: 'segments and descriptor tables' },
      { file: MODES, test: '%s: flags, CS and IP on the stack, then the interrupt vector table' },
    ],
  },
  {
    id: 'entry.load-segments',
    rule: 'Other segments have what their fields say; of unusable ones the selector counts, DPL and B = 1 of SS, the bases of FS, GS and LDTR, and bits 63:32 of the other bases are cleared.',
    section: 'SDM Vol. 3C, 27.3.2.2',
    shown: [
      { file: LOADING, test: 'of unusable segments the selectors, the bases of FS and GS' },
      { file: LOADING, test: 'bits 63:32 of the bases of unusable SS, DS and ES are cleared' },
      { file: DETAILS, test: 'an unusable SS has B = 1 and keeps its DPL' },
      { file: ENTRY, test: 'segments and descriptor tables' },
    ],
  },
  {
    id: 'entry.load-gdtr-idtr',
    rule: 'GDTR and IDTR have the bases and limits of their fields.',
    section: 'SDM Vol. 3C, 27.3.2.2',
    shown: { file: LOADING, test: 'all of TR, GDTR and IDTR' },
  },
  {
    id: 'entry.load-rip-rsp-rflags',
    rule: 'RIP, RSP and RFLAGS come from their fields.',
    section: 'SDM Vol. 3C, 27.3.2',
    shown: { file: LOADING, test: 'RIP, RSP and RFLAGS' },
  },
  {
    id: 'entry.load-pdptes',
    rule: 'Into PAE paging the PDPTE registers are loaded: without EPT from the table at CR3, with EPT from their fields.',
    section: 'SDM Vol. 3C, 27.3.2.4',
    shown: [
      { file: PAGING, test: 'without EPT loads the PDPTE registers from the table at CR3' },
      { file: PAGING, test: 'with EPT from the guest-state area' },
    ],
  },
  {
    id: 'entry.vpid-flush',
    rule: 'Without VPIDs the linear and combined mappings of VPID 0000H are invalidated, and guest-physical ones need not be.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: [
      { file: CACHES, test: 'must.vm-entry-no-vpid' },
      { file: CACHES, test: 'must.vm-entry-no-vpid-gpa' },
      {
        file: DETAILS,
        test: 'are selected anew and, without VPID, dropped at each VM entry and each VM exit',
      },
    ],
  },
  {
    id: 'entry.vpid-no-flush',
    rule: 'With VPIDs a VM entry need invalidate nothing.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: { file: CACHES, test: 'must.vm-transition-vpid' },
  },
  {
    id: 'entry.rvi-svi',
    rule: 'With virtual-interrupt delivery RVI and SVI come from the guest interrupt status, then PPR is virtualized and pending virtual interrupts are evaluated.',
    section: 'SDM Vol. 3C, 27.3.2',
    shown: { unbuilt: 'Virtual-interrupt delivery' },
  },
  {
    id: 'entry.tpr-virtualization',
    rule: 'With a TPR shadow and without virtual-interrupt delivery the TPR threshold is compared with VTPR.',
    section: 'SDM Vol. 3C, 27.3.2',
    shown: { unbuilt: 'Use TPR shadow' },
  },
  {
    id: 'entry.clear-monitor',
    rule: 'Address-range monitoring is cleared.',
    section: 'SDM Vol. 3C, 27.3.3',
    shown: { file: LOADING, test: 'address-range monitoring is cleared' },
  },
  {
    id: 'entry.smm-return-flush',
    rule: 'A VM entry that returns from SMM invalidates the linear and combined mappings of all VPIDs.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: { file: CACHES, test: 'must.smm-return' },
  },
  {
    id: 'entry.msr-load',
    rule: 'The MSR-load area is gone through in order as WRMSR would, over what the fields have loaded; entry n that fails gives exit reason 34 and qualification n.',
    section: 'SDM Vol. 3C, 27.4',
    shown: [
      { file: LOADING, test: 'the MSR-load area comes after the fields, and in order' },
      { file: ENTRY, test: 'reason 34 names the entry of the MSR-load area' },
      { file: REGIONS, test: 'has loaded the entries before, and guest state' },
    ],
  },
  {
    id: 'entry.msr-load-tlb',
    rule: 'After an entry of the area that flushes translations nothing is used that was cached before.',
    section: 'SDM Vol. 3C, 27.4',
    shown: [
      { file: CACHES, test: 'must.msr-load-flush' },
      { file: 'spec/caching/msr-areas.spec.ts', test: 'the guest uses nothing that was cached before' },
    ],
  },
  {
    id: 'entry.msr-area-limit',
    rule: 'It is undefined what comes of an MSR area with more entries than IA32_VMX_MISC recommends.',
    section: 'SDM Vol. 3D, A.6',
    shown: [
      { file: REGIONS, test: 'is told, and fails at the first entry beyond' },
      { file: REGIONS, test: 'or is gone through, by choice' },
    ],
  },
  {
    id: 'entry.launch-state',
    rule: 'VMLAUNCH makes the launch state launched.',
    section: 'SDM Vol. 3C, 27.1',
    shown: { file: ENTRY, test: 'VMRESUME needs a launched VMCS, VMLAUNCH a clear one' },
  },
  {
    id: 'entry.smm-return',
    rule: 'A VM entry in SMM without "entry to SMM" leaves SMM by the rules of the dual-monitor treatment.',
    section: 'SDM Vol. 3C, 32.15.4',
    shown: SMM,
  },
  {
    id: 'entry.unblock-init',
    rule: 'INIT is no longer blocked: one that was held back causes a VM exit.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { file: LOADING, test: 'an INIT that VMX root operation has held back exits at once' },
  },
  {
    id: 'entry.controls-active',
    rule: 'The processor is in VMX non-root operation under its VM-execution controls, and no status flag says that the instruction succeeded.',
    section: 'SDM Vol. 3C, 27.3.2',
    shown: [
      { file: 'spec/vmx/dynamics/round-trip.spec.ts', test: 'enters the guest' },
      { file: LOADING, test: 'whose status flags do not say that the VM entry succeeded' },
    ],
  },
  {
    id: 'entry.tsc-offset',
    rule: 'The offset, and the multiplier, of the time-stamp counter apply to RDTSC, RDTSCP and RDMSR of the counter.',
    section: 'SDM Vol. 3C, 25.6.5',
    shown: [
      { file: NEWER, test: '%s shows the product and then the sum' },
      {
        file: 'spec/vmx/non-root/intercepts.spec.ts',
        test: 'the offset is added to RDTSC in non-root operation alone',
      },
    ],
  },
  {
    id: 'entry.preemption-timer',
    rule: 'The VMX-preemption timer starts with its field; with 0 it expires at once and exits after the injection, though not in the wait-for-SIPI state.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: [
      { file: EVENTS, test: 'with value 0 exits before the first instruction' },
      { file: LOADING, test: 'a timer that expires in the VM entry exits after the injection' },
      { file: PRIORITIES, test: 'time passes in %s until the preemption timer expires, or nothing comes' },
    ],
  },
  {
    id: 'entry.inject-vectored',
    rule: 'An event of type 0 or 2 to 6 is delivered through the IDT, or the interrupt vector table, with all guest state loaded; it does not exit itself, but exceptions in its delivery may.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      { file: ENTRY, test: 'an external interrupt enters the handler; guest RIP is pushed' },
      { file: ENTRY, test: 'it does not exit, whatever the exception bitmap says' },
      { file: ENTRY, test: 'a fault on the way exits by its own vector' },
      { file: MODES, test: '%s: flags, CS and IP on the stack, then the interrupt vector table' },
    ],
  },
  {
    id: 'entry.inject-rip',
    rule: 'Types 4, 5 and 6 push guest RIP plus the VM-entry instruction length; the others, and faults in the delivery, push guest RIP.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      { file: ENTRY, test: '%s pushes the RIP of the next instruction' },
      { file: ENTRY, test: 'an external interrupt enters the handler; guest RIP is pushed' },
      { file: MODES, test: '%s: through a gate to CPL 0, whatever IOPL is' },
    ],
  },
  {
    id: 'entry.inject-error-code',
    rule: 'With the deliver-error-code bit the VM-entry exception error code is pushed.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: { file: ENTRY, test: 'an exception pushes the error code as given, and leaves CR2 and DR6' },
  },
  {
    id: 'entry.inject-no-db-update',
    rule: 'Injection changes neither DR6 nor DR7 nor IA32_DEBUGCTL, also of vector 1.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: { file: LOADING, test: '#DB changes neither DR6 nor DR7 nor IA32_DEBUGCTL' },
  },
  {
    id: 'entry.inject-v8086-iopl',
    rule: 'INT n into virtual-8086 mode is no #GP whatever IOPL is; with CR4.VME the redirection bitmap decides, and the image shows VIF.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      { file: MODES, test: '%s: through a gate to CPL 0, whatever IOPL is' },
      { file: MODES, test: 'with CR4.VME and a clear redirection bit INT n stays in the 8086 program' },
    ],
  },
  {
    id: 'entry.inject-privilege',
    rule: 'The DPL of the gate counts for types 4 and 6 alone.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: { file: MODES, test: 'through a gate with DPL 0: %s' },
  },
  {
    id: 'entry.inject-ext-bit',
    rule: 'EXT in the error code of a fault in the delivery is 1 for types 0, 2, 3 and 5, and 0 for 4 and 6; that of a double fault is 0.',
    section: 'SDM Vol. 3C, 27.6.1.1',
    shown: [
      { file: LOADING, test: 'the error code of a fault in the delivery of %s has EXT %s' },
      { file: LOADING, test: 'a double fault in its place has the error code 0' },
    ],
  },
  {
    id: 'entry.inject-nmi-blocking',
    rule: 'An injected NMI blocks NMIs, or with virtual NMIs begins virtual-NMI blocking.',
    section: 'SDM Vol. 3C, 27.6.1',
    shown: [
      { file: ENTRY, test: 'an NMI blocks further ones; a halted guest wakes' },
      {
        file: NMIS,
        test: 'begins with the injection of an NMI, ends with IRET, and says nothing of the host',
      },
    ],
  },
  {
    id: 'entry.inject-task-gate',
    rule: 'An injection through a task gate exits with reason 9 and the event as IDT-vectoring information.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: [
      { file: DELIVERY, test: '28.2.4 a task gate' },
      { file: DELIVERY, test: 'an injected exception with error code' },
    ],
  },
  {
    id: 'entry.inject-mtf',
    rule: 'Type 7 with vector 0 makes an MTF VM exit pending before the first instruction, whatever "monitor trap flag" is.',
    section: 'SDM Vol. 3C, 27.6.2',
    shown: { file: MONITOR_TRAP, test: 'exits before the first instruction although the control is 0' },
  },
  {
    id: 'entry.inject-fred',
    rule: 'With CR4.FRED events are delivered by FRED, and SYSCALL and SYSENTER may be injected.',
    section: 'SDM Vol. 3C, 27.6.1',
    shown: { unbuilt: 'Load FRED' },
  },
  {
    id: 'entry.blocking-sti-mov-ss',
    rule: 'After a vectoring VM entry nothing is blocked by STI or MOV SS.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: [
      { file: LOADING, test: 'an injection ends blocking by STI' },
      { file: LOADING, test: 'and blocking by MOV SS' },
    ],
  },
  {
    id: 'entry.blocking-from-field',
    rule: 'After another VM entry blocking by STI and MOV SS is as the field says, for one instruction.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: [
      { file: FRONT_DOOR, test: '%s enters a guest blocked by STI' },
      { file: ENTRY, test: 'activity, blocking and pending debug exceptions' },
      { file: PENDING, test: 'blocking by MOV SS holds them back for an instruction' },
      { file: NMIS, test: 'whatever RFLAGS.IF is, blocking by STI: after the instruction' },
    ],
  },
  {
    id: 'entry.blocking-nmi',
    rule: 'Without virtual NMIs NMIs are blocked as bit 3 says, and IRET unblocks them only where they do not exit.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: [
      { file: ENTRY, test: 'activity, blocking and pending debug exceptions' },
      { file: EVENTS, test: 'IRET unblocks them unless they exit' },
    ],
  },
  {
    id: 'entry.blocking-virtual-nmi',
    rule: 'With virtual NMIs bit 3 is virtual-NMI blocking, which IRET ends and which blocks no NMI.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: [
      { file: NMIS, test: 'is no blocking of NMIs: one that comes exits, and the blocking is saved' },
      {
        file: NMIS,
        test: 'begins with the injection of an NMI, ends with IRET, and says nothing of the host',
      },
      { file: NMIS, test: 'ends the blocking of NMIs that the host had' },
    ],
  },
  {
    id: 'entry.blocking-smi',
    rule: 'A VM entry from SMM blocks SMIs as bit 2 says; others leave that as it is.',
    section: 'SDM Vol. 3C, 27.7.1',
    shown: SMM,
  },
  {
    id: 'entry.activity-vectoring',
    rule: 'A vectoring VM entry leads to the active state.',
    section: 'SDM Vol. 3C, 27.7.2',
    shown: { file: ENTRY, test: 'an NMI blocks further ones; a halted guest wakes' },
  },
  {
    id: 'entry.activity-field',
    rule: 'After another VM entry the activity state is that of the field.',
    section: 'SDM Vol. 3C, 27.7.2',
    shown: [
      { file: ENTRY, test: 'activity, blocking and pending debug exceptions' },
      { file: DETAILS, test: 'the activity state before the exit, which another VM entry restores' },
    ],
  },
  {
    id: 'entry.activity-blocking',
    rule: 'The activity state says what comes through: HLT discards startup IPIs, shutdown blocks external interrupts, wait-for-SIPI all but startup IPIs.',
    section: 'SDM Vol. 3C, 27.7.2',
    shown: [
      { file: PRIORITIES, test: '%s %s in %s' },
      { file: PRIORITIES, test: 'a startup IPI in %s' },
    ],
  },
  {
    id: 'entry.pending-debug-none',
    rule: 'No debug exception is pending after an event of type 0, 2, 3 or 5, after one of type 4 or 6 without blocking by MOV SS, and in shutdown and wait-for-SIPI.',
    section: 'SDM Vol. 3C, 27.7.3',
    shown: [
      { file: PENDING, test: 'of the processor: none' },
      { file: PENDING, test: 'of software without blocking by MOV SS: none' },
      { file: PENDING, test: 'in HLT they wake; in shutdown and wait-for-SIPI there are none' },
    ],
  },
  {
    id: 'entry.pending-debug-deliver',
    rule: 'Otherwise BS or an enabled breakpoint is a #DB after the VM entry; blocking by MOV SS holds it back, and after INT n comes as after MOV SS before INT n.',
    section: 'SDM Vol. 3C, 27.7.3',
    shown: [
      { file: PENDING, test: '%s: #DB before the first instruction' },
      { file: PENDING, test: 'blocking by MOV SS holds them back for an instruction' },
      { file: PENDING, test: 'of software with blocking by MOV SS: as if MOV SS came before INT n' },
    ],
  },
  {
    id: 'entry.pending-debug-exit',
    rule: 'That #DB exits by bit 1 of the exception bitmap, and else updates DR6.',
    section: 'SDM Vol. 3C, 27.7.3',
    shown: { file: PENDING, test: '%s: #DB before the first instruction' },
  },
  {
    id: 'entry.tpr-threshold-exit',
    rule: 'Where the TPR threshold is above VTPR a VM exit with reason 43 follows the VM entry.',
    section: 'SDM Vol. 3C, 27.7',
    shown: { unbuilt: 'Use TPR shadow' },
  },
  {
    id: 'entry.mtf-after-entry',
    rule: 'With "monitor trap flag" the exit is pending before the first instruction of a handler that was injected, else after the first instruction, iteration or delivery.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: [
      {
        file: MONITOR_TRAP,
        test: '26.5.2 without injection the VM exit is pending after the first instruction',
      },
      {
        file: MONITOR_TRAP,
        test: '26.5.2 with injection it is pending before the first instruction of the handler',
      },
    ],
  },
  {
    id: 'entry.window-exits',
    rule: 'A window that is open exits before the first instruction, after an injection.',
    section: 'SDM Vol. 3C, 26.2',
    shown: [
      { file: NMIS, test: 'comes after the injection of another event, before its handler' },
      { file: PRIORITIES, test: 'interrupt window' },
    ],
  },
  {
    id: 'entry.virtual-interrupt',
    rule: 'A virtual interrupt that is recognized may be delivered after the VM entry.',
    section: 'SDM Vol. 3C, 27.3.2',
    shown: { unbuilt: 'Virtual-interrupt delivery' },
  },
  {
    id: 'entry.lbr',
    rule: 'A VM entry is no branch that is logged.',
    section: 'SDM Vol. 3C, 27.7',
    shown: {
      reason: 'the model logs no branches: no preset has a last-branch record stack or a debug store',
    },
  },
  {
    id: 'entry.single-step',
    rule: 'RFLAGS.TF of the host is a single-step trap after VMLAUNCH only where the next instruction follows it.',
    section: 'SDM Vol. 3C, 27.7',
    shown: [
      {
        file: LOADING,
        test: 'a host that single-steps has its trap after VMLAUNCH only where VMLAUNCH fails',
      },
      { file: FRONT_DOOR, test: '%s gets an entry failure after which nothing is pending' },
    ],
  },
  {
    id: 'entry.failure-33-34-41-info',
    rule: 'A late failure records exit reason, with bit 31, and qualification; the other information fields stay.',
    section: 'SDM Vol. 3C, 27.8',
    shown: { file: ENTRY, test: 'reason 33 with bit 31: host state, nothing else recorded' },
  },
  {
    id: 'entry.failure-host-load',
    rule: 'Then host state and the VM-exit MSR-load area are loaded as by a VM exit; blocking by NMI is as before.',
    section: 'SDM Vol. 3C, 27.8',
    shown: [
      { file: ENTRY, test: 'reason 33 with bit 31: host state, nothing else recorded' },
      {
        file: 'spec/vmx/exit/host-32.spec.ts',
        test: 'in a VM entry that fails: the area of VM exits is loaded then too',
      },
    ],
  },
  {
    id: 'entry.failure-not-done',
    rule: 'The valid bit of the injection stays, guest state and MSRs are not saved, and the launch state stays.',
    section: 'SDM Vol. 3C, 27.8',
    shown: [
      { file: LOADING, test: 'neither clears the valid bit nor saves guest state nor stores MSRs' },
      { file: ENTRY, test: 'reason 33 with bit 31: host state, nothing else recorded' },
    ],
  },
];
