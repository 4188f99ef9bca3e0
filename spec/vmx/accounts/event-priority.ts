import { type Account, from, type Shown } from './account';

const boundary = from('spec/vmx/non-root/boundary-priorities.spec.ts');
const competes = from('spec/vmx/non-root/examples-priorities.ts');
const modes = from('spec/vmx/non-root/examples-priorities-modes.ts');
const behaves = from('spec/vmx/non-root/behaviour-examples.ts');
const events = from('spec/vmx/non-root/events.spec.ts');
const intercepts = from('spec/vmx/non-root/intercepts.spec.ts');
const monitorTrap = from('spec/vmx/non-root/monitor-trap.spec.ts');
const newer = from('spec/vmx/non-root/newer-controls.spec.ts');
const virtualNmis = from('spec/vmx/non-root/virtual-nmis.spec.ts');
const pendingDebug = from('spec/vmx/entry/pending-debug.spec.ts');
const violations = from('spec/vmx/ept/violations.spec.ts');
const misconfigured = from('spec/vmx/ept/misconfigurations.spec.ts');
const exceptions = from('spec/vmx/ept/virtualization-exceptions.spec.ts');
const functions = from('spec/vmx/ept/vm-functions.spec.ts');
const checks = from('spec/vmx/entry/check-vm-entry.spec.ts');
const processor = from('spec/cpu/events/boundary.spec.ts');

const BOUNDARY = 'SDM Vol. 3A, 6.9';
const OTHER_CAUSES = 'SDM Vol. 3C, 26.2';
const PRIORITY = 'SDM Vol. 3C, 26.1.1';
const CONDITIONAL = 'SDM Vol. 3C, 26.1.3';
const UNCONDITIONAL = 'SDM Vol. 3C, 26.1.2';

const RANK = '%s before %s';
const INACTIVE = '%s %s in %s';

/** The pairs of events at a boundary, each tried with each, and the inactive states, of which `name` is an event. */
const ranked = (name: string): readonly Shown[] => boundary(name, RANK, INACTIVE);

/** What comes first at an instruction boundary, and where faults and VM exits of one instruction compete. */
export const EVENT_PRIORITY: readonly Account[] = [
  {
    id: 'boundary.reset-machine-check',
    rule: 'RESET and machine checks come before everything else at an instruction boundary.',
    section: BOUNDARY,
    shown: {
      reason:
        'The model has no machine checks, and a RESET is a new state that software outside the machine makes.',
    },
  },
  {
    id: 'boundary.apic-traps',
    rule: 'VM exits for TPR below threshold, virtualized EOI and APIC writes come before SMI, INIT and all below.',
    section: OTHER_CAUSES,
    shown: { unbuilt: 'Use TPR shadow' },
  },
  {
    id: 'boundary.task-switch-trap',
    rule: 'The debug trap of a task switch comes before INIT and all below; a guest never gets it, for its task switches exit.',
    section: BOUNDARY,
    shown: [
      ...processor('the trap of a task switch comes before an INIT, which comes before all else'),
      ...modes('JMP to a TSS'),
    ],
  },
  {
    id: 'boundary.smi',
    rule: 'An SMI comes before INIT and all below.',
    section: BOUNDARY,
    shown: { unbuilt: 'system-management interrupt' },
  },
  {
    id: 'boundary.init',
    rule: 'An INIT signal exits before a pending MTF VM exit and all below, ends HLT and shutdown, and is blocked while the processor waits for a SIPI and in VMX root operation.',
    section: OTHER_CAUSES,
    shown: [
      ...boundary(RANK, INACTIVE),
      ...events(
        'exit with reason 3, before pending traps, which are saved',
        'are blocked in VMX root operation, and taken after VMXOFF',
      ),
    ],
  },
  {
    id: 'boundary.mtf',
    rule: 'A pending MTF VM exit comes before debug traps and all below, and from the HLT state.',
    section: 'SDM Vol. 3C, 26.5.2',
    shown: [
      ...ranked('pending MTF VM exit'),
      ...monitorTrap('in shutdown it is not pending; after an NMI is delivered it is'),
    ],
  },
  {
    id: 'boundary.debug-traps',
    rule: 'Debug traps come before the VMX-preemption timer and all below, unless MOV SS blocks them.',
    section: BOUNDARY,
    shown: [
      ...ranked('debug trap'),
      ...pendingDebug('blocking by MOV SS holds them back for an instruction'),
    ],
  },
  {
    id: 'boundary.preemption-timer',
    rule: 'The VM exit of the VMX-preemption timer comes before an NMI window and all below, and ends HLT and shutdown.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: [
      ...ranked('VMX-preemption timer'),
      ...boundary('time passes in %s until the preemption timer expires, or nothing comes'),
    ],
  },
  {
    id: 'boundary.nmi-window',
    rule: 'An NMI-window exit comes before NMIs and all below, and is held back by virtual-NMI blocking, MOV SS and waiting for a SIPI.',
    section: OTHER_CAUSES,
    shown: [
      ...ranked('NMI window'),
      ...virtualNmis(
        'blocked by an NMI that was injected until IRET',
        'blocking by MOV SS: after the instruction',
        'does not wake a processor that waits for a startup IPI',
        'a choice says that STI does not hold it back, nor NMIs',
      ),
    ],
  },
  {
    id: 'boundary.nmi',
    rule: 'An NMI comes before an interrupt window and all below, exits where NMI exiting is 1, and is held back by blocking by NMI and MOV SS.',
    section: BOUNDARY,
    shown: [
      ...boundary(RANK, INACTIVE),
      ...events('exit, and are blocked in the host'),
      ...processor('a blocked NMI stays pending; MOV SS holds NMI and #DB'),
    ],
  },
  {
    id: 'boundary.interrupt-window',
    rule: 'An interrupt-window exit comes before external interrupts where RFLAGS.IF is 1 and neither STI nor MOV SS blocks, and ends HLT but not shutdown.',
    section: OTHER_CAUSES,
    shown: [
      ...ranked('interrupt window'),
      ...events(
        'exits before the next instruction once IF is 1 and nothing blocks',
        'wakes HLT, which is saved',
      ),
    ],
  },
  {
    id: 'boundary.external-interrupt',
    rule: 'An external interrupt comes below an interrupt window, exits whatever RFLAGS.IF is where external-interrupt exiting is 1, and is delivered otherwise.',
    section: BOUNDARY,
    shown: [
      ...ranked('external interrupt'),
      ...events(
        'exit with IF = 0, without acknowledgement',
        'are acknowledged on exit when asked to',
        'go to the guest otherwise',
      ),
      ...processor('no interrupt while IF is 0, in a shadow, or while waiting for a startup IPI'),
    ],
  },
  {
    id: 'boundary.user-interrupt',
    rule: 'A user interrupt is delivered below external interrupts.',
    section: BOUNDARY,
    shown: { unbuilt: 'uintr' },
  },
  {
    id: 'boundary.code-breakpoint',
    rule: 'An instruction breakpoint comes before the fetch of the instruction, unless RFLAGS.RF is 1.',
    section: BOUNDARY,
    shown: [...ranked('code breakpoint'), ...processor('RF suppresses a code breakpoint once')],
  },
  {
    id: 'boundary.fetch',
    rule: 'Faults and VM exits of the fetch come after an instruction breakpoint and before decoding.',
    section: BOUNDARY,
    shown: [
      ...boundary('fault of the fetch', RANK),
      ...competes('the fetch of its rest, before a wrong opcode'),
    ],
  },
  {
    id: 'boundary.decode',
    rule: 'Faults of decoding come after the fetch and before what execution meets.',
    section: BOUNDARY,
    shown: competes(
      'the fetch of its rest, before a wrong opcode',
      'a wrong opcode, before the operand',
      'more than 15 bytes, before the exit',
    ),
  },
  {
    id: 'boundary.execute',
    rule: 'Faults and VM exits of the execution come last.',
    section: BOUNDARY,
    shown: competes('a wrong opcode, before the operand', 'more than 15 bytes, before the exit'),
  },
  {
    id: 'rule.faults-over-exits',
    rule: 'Invalid opcodes, faults of the privilege level, also in virtual-8086 mode, and of the I/O-permission bit map come before the VM exit of the instruction.',
    section: PRIORITY,
    shown: [
      ...competes('CPUID with LOCK', 'HLT at CPL 3', 'IN without I/O permission'),
      ...modes('HLT in virtual-8086 mode', 'IN in virtual-8086 mode without I/O permission'),
    ],
  },
  {
    id: 'rule.operand-faults',
    rule: 'Faults of the fetch of an operand come before a VM exit that depends on its value.',
    section: PRIORITY,
    shown: competes('LMSW of an operand that is not mapped'),
  },
  {
    id: 'rule.exits-over-other-faults',
    rule: 'The VM exit of an instruction comes before all its other faults.',
    section: PRIORITY,
    shown: competes(
      'RDMSR of an MSR that does not exist',
      'WRMSR of a value that faults',
      'MOV to CR3 of reserved bits',
      'LGDT of an operand that is not mapped',
    ),
  },
  {
    id: 'rule.mov-dr-exception',
    rule: 'The VM exit of MOV DR comes before the fault of the privilege level and that of DR4 and DR5 with CR4.DE, but after an illegal encoding.',
    section: PRIORITY,
    shown: competes(
      'MOV DR at CPL 3',
      'MOV from DR4 with CR4.DE',
      'MOV DR at CPL 3 of DR4 with CR4.DE',
      'MOV DR with LOCK',
    ),
  },
  {
    id: 'rule.ins-outs',
    rule: 'The VM exit of INS and OUTS comes before faults of the segment, its limit, and alignment.',
    section: PRIORITY,
    shown: [
      ...modes('OUTS with a segment that is not usable', 'OUTS beyond the limit of the segment'),
      ...competes('OUTS of words that are not aligned, with alignment checks'),
    ],
  },
  {
    id: 'rule.exception-bitmap',
    rule: 'An exception exits where the bit of its vector is 1; for a page fault whose masked error code differs from the match, where it is 0.',
    section: OTHER_CAUSES,
    shown: [
      ...events('the exception bitmap decides', 'page fault: bitmap %s, mask %s, match %s, error code %s'),
      ...behaves(
        'a page fault that matches uses the bit: 1',
        'a page fault that matches uses the bit: 0',
        'a page fault that does not match inverts the bit: 0',
        'a page fault that does not match inverts the bit: 1',
      ),
    ],
  },
  {
    id: 'rule.double-fault',
    rule: 'A double fault uses bit 8 of the exception bitmap, and a fault in its delivery that does not exit itself is a triple fault, which exits.',
    section: OTHER_CAUSES,
    shown: [
      ...behaves('a double fault has bit 8', 'a triple fault exits whatever the bitmap is'),
      ...events('a double fault that exits is none', 'a triple fault exits with reason 2'),
    ],
  },
  {
    id: 'rule.ept-walk',
    rule: 'For each guest paging-structure entry EPT comes before the page fault of that entry; the access rights of the guest come before EPT of the page itself.',
    section: 'SDM Vol. 3C, 29.3.3.2',
    shown: [
      ...violations(
        'a table that may not be read',
        'a guest page fault comes before the access to the page itself',
      ),
      ...from('property-tests/nested-walk.spec.ts')('references and outcome agree'),
    ],
  },
  {
    id: 'rule.ept-misconfig-vs-violation',
    rule: 'An EPT entry that is not present ends the walk in a violation and a malformed one in a misconfiguration, and access rights count once the walk is complete.',
    section: 'SDM Vol. 3C, 29.3.3.1',
    shown: misconfigured(
      'a misconfiguration comes before rights that an entry above it lacks',
      'an entry that is not present comes before a misconfiguration below it',
    ),
  },
  {
    id: 'rule.ve-vs-exit',
    rule: 'A convertible violation becomes a virtualization exception only in protected mode, in no event delivery and with a free information area; bit 20 of the exception bitmap then decides.',
    section: 'SDM Vol. 3C, 26.5.7.1',
    shown: exceptions(
      've.condition-pe',
      've.condition-area-free',
      've.condition-no-event-delivery',
      'bit 20 of the exception bitmap makes it a VM exit, as a hardware exception',
    ),
  },
  {
    id: 'rule.apic-access-vs-ept',
    rule: 'The VM exit of an access to the APIC-access page comes after page faults and EPT of that access, with the flags set.',
    section: OTHER_CAUSES,
    shown: { unbuilt: 'Virtualize APIC accesses' },
  },
  {
    id: 'rule.task-switch-order',
    rule: 'Checks of the gate and of the TSS descriptor come before the VM exit of a task switch.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: modes(
      'JMP to a TSS that is busy',
      'JMP to a TSS that is not present',
      'JMP to a TSS that is too short',
      'JMP to a selector beyond the GDT',
      'JMP at CPL 3 to a TSS of DPL 0',
      'JMP to a TSS whose page is not mapped',
    ),
  },
  {
    id: 'rule.sipi',
    rule: 'A startup IPI exits where the processor waits for one, and is lost otherwise.',
    section: OTHER_CAUSES,
    shown: boundary('a startup IPI in %s'),
  },
  {
    id: 'rule.event-injection-first',
    rule: 'Windows, timer, MTF and pending debug exceptions come after the event that VM entry injects.',
    section: 'SDM Vol. 3C, 27.6',
    shown: [
      ...boundary('what comes after the event that VM entry injects, before its handler'),
      ...monitorTrap('26.5.2 with injection it is pending before the first instruction of the handler'),
      ...virtualNmis('comes after the injection of another event, before its handler'),
      ...pendingDebug(
        'of software with blocking by MOV SS: as if MOV SS came before INT n, before the handler',
      ),
    ],
  },
  {
    id: 'rule.entry-check-order',
    rule: 'Basic checks come in their order, those of controls and host state in any, and those of guest state in any.',
    section: 'SDM Vol. 3C, 27.2',
    shown: checks(
      '27.1: reports the first basic check alone',
      '27.2: permits error 7 and error 8 when controls and host state are both invalid',
    ),
  },
  {
    id: 'rule.bus-lock',
    rule: 'The VM exit of a bus lock comes after the instruction that locked the bus.',
    section: OTHER_CAUSES,
    shown: { unbuilt: 'VMM bus-lock detection' },
  },
  {
    id: 'instruction.cpuid',
    rule: 'CPUID exits at any CPL, after a LOCK prefix faulted.',
    section: UNCONDITIONAL,
    shown: [...competes('CPUID with LOCK', 'CPUID at CPL 3'), ...modes('CPUID in virtual-8086 mode')],
  },
  {
    id: 'instruction.getsec',
    rule: 'GETSEC is undefined while CR4.SMXE is 0, and otherwise exits.',
    section: UNCONDITIONAL,
    shown: { unbuilt: 'getsec' },
  },
  {
    id: 'instruction.invd',
    rule: 'INVD exits after faults of a LOCK prefix and of the privilege level.',
    section: UNCONDITIONAL,
    shown: [
      ...competes('INVD with LOCK', 'INVD at CPL 3'),
      ...modes('INVD in virtual-8086 mode', 'LOCK comes before the mode'),
      ...behaves('INVD always exits'),
    ],
  },
  {
    id: 'instruction.xsetbv',
    rule: 'XSETBV exits after faults of CR4.OSXSAVE and of the privilege level, and before those of register and value.',
    section: UNCONDITIONAL,
    shown: competes(
      'XSETBV without CR4.OSXSAVE',
      'XSETBV at CPL 3',
      'XSETBV of a register that does not exist',
    ),
  },
  {
    id: 'instruction.hlt',
    rule: 'HLT with HLT exiting exits after faults of a LOCK prefix and of the privilege level.',
    section: CONDITIONAL,
    shown: [
      ...competes('HLT with LOCK', 'HLT at CPL 3'),
      ...modes('HLT in virtual-8086 mode'),
      ...intercepts('26.1.3 Instructions That Cause VM Exits Conditionally'),
    ],
  },
  {
    id: 'instruction.invlpg',
    rule: 'INVLPG with INVLPG exiting exits after invalid opcodes and the fault of the privilege level.',
    section: CONDITIONAL,
    shown: [
      ...competes('INVLPG of a register', 'INVLPG with LOCK', 'INVLPG at CPL 3'),
      ...intercepts('INVLPG names the linear address'),
    ],
  },
  {
    id: 'instruction.invpcid',
    rule: 'INVPCID is undefined unless enabled, and with INVLPG exiting exits after faults of the encoding and the privilege level and before those of operand and type.',
    section: CONDITIONAL,
    shown: [
      ...competes(
        'INVPCID that is not enabled',
        'INVPCID at CPL 3 that is not enabled',
        'INVPCID of a register',
        'INVPCID at CPL 3',
        'INVPCID of an undefined type, operand not mapped',
      ),
      ...modes('INVPCID in virtual-8086 mode'),
    ],
  },
  {
    id: 'instruction.rdtsc',
    rule: 'RDTSC with RDTSC exiting exits after the fault of CR4.TSD.',
    section: CONDITIONAL,
    shown: [
      ...competes('RDTSC at CPL 3 with CR4.TSD'),
      ...intercepts('26.1.3 Instructions That Cause VM Exits Conditionally'),
    ],
  },
  {
    id: 'instruction.rdtscp',
    rule: 'RDTSCP is undefined unless enabled, and with RDTSC exiting exits after the fault of CR4.TSD.',
    section: CONDITIONAL,
    shown: [
      ...competes('RDTSCP that is not enabled', 'RDTSCP at CPL 3 with CR4.TSD'),
      ...intercepts('RDTSCP: #UD unless enabled, then as RDTSC'),
    ],
  },
  {
    id: 'instruction.rdpid',
    rule: 'RDPID is undefined unless RDTSCP is enabled, and never exits.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      ...competes('RDPID that is not enabled'),
      ...intercepts('RDTSCP and RDPID: #UD unless enabled, before CR4.TSD is looked at'),
    ],
  },
  {
    id: 'instruction.rdpmc',
    rule: 'RDPMC with RDPMC exiting exits after the fault of the privilege level and before that of the counter.',
    section: CONDITIONAL,
    shown: competes('RDPMC at CPL 3 without CR4.PCE', 'RDPMC of a counter that does not exist'),
  },
  {
    id: 'instruction.rdmsr',
    rule: 'RDMSR exits without MSR bitmaps, beyond their ranges and where its bit is 1, after the fault of the privilege level and before that of the MSR.',
    section: CONDITIONAL,
    shown: [
      ...competes('RDMSR at CPL 3', 'RDMSR of an MSR that does not exist'),
      ...modes('RDMSR in virtual-8086 mode'),
      ...intercepts('without bitmaps every access exits', 'an index outside both ranges exits'),
    ],
  },
  {
    id: 'instruction.wrmsr',
    rule: 'WRMSR exits without MSR bitmaps, beyond their ranges and where its bit is 1, after the fault of the privilege level and before those of MSR and value.',
    section: CONDITIONAL,
    shown: [
      ...competes('WRMSR at CPL 3', 'WRMSR of a value that faults'),
      ...intercepts('without bitmaps every access exits', 'an index outside both ranges exits'),
    ],
  },
  {
    id: 'instruction.monitor',
    rule: 'MONITOR with MONITOR exiting exits after the invalid opcode of the privilege level and before faults of extension and operand.',
    section: CONDITIONAL,
    shown: competes(
      'MONITOR at CPL 3',
      'MONITOR with an extension that does not exist',
      'MONITOR of an operand that is not mapped',
    ),
  },
  {
    id: 'instruction.mwait',
    rule: 'MWAIT with MWAIT exiting exits after the invalid opcode of the privilege level and before the fault of the extension.',
    section: CONDITIONAL,
    shown: competes('MWAIT at CPL 3', 'MWAIT with an extension that does not exist'),
  },
  {
    id: 'instruction.pause',
    rule: 'PAUSE exits with PAUSE exiting at any CPL, and with PAUSE-loop exiting at CPL 0 once the window of a loop has passed.',
    section: CONDITIONAL,
    shown: [
      ...behaves('PAUSE exiting at CPL 3'),
      ...newer(
        'a loop exits once more than the window has passed since its first PAUSE',
        'counts at CPL 0 alone, where PAUSE exiting does not overrule it',
      ),
    ],
  },
  {
    id: 'instruction.io',
    rule: 'IN and OUT exit by the I/O bitmaps, by wrap-around or unconditionally, after the fault of the I/O permission.',
    section: CONDITIONAL,
    shown: [
      ...competes('IN without I/O permission', 'IN with IOPL 3'),
      ...intercepts(
        'no control: no exit; unconditional: always',
        'a bitmap bit decides, whatever the unconditional control says',
        'an access that wraps around exits',
      ),
    ],
  },
  {
    id: 'instruction.ins-outs',
    rule: 'INS and OUTS exit as IN and OUT do, before all faults of the memory operand.',
    section: CONDITIONAL,
    shown: [
      ...competes(
        'OUTS without I/O permission',
        'OUTS of an operand that is not mapped',
        'OUTS of an operand that is not canonical',
        'OUTS of words that are not aligned, with alignment checks',
      ),
      ...modes('OUTS with a segment that is not usable', 'OUTS beyond the limit of the segment'),
    ],
  },
  {
    id: 'instruction.mov-to-cr0',
    rule: 'MOV to CR0 exits where a masked bit of the source differs from the read shadow, after faults of LOCK and the privilege level and before those of the value.',
    section: CONDITIONAL,
    shown: [
      ...competes(
        'MOV to CR0 with LOCK',
        'MOV to CR0 at CPL 3',
        'MOV to CR0 of an invalid value',
        'MOV to CR0 that clears what VMX fixes',
      ),
      ...behaves('a write of CR0 exits where a masked bit differs from the shadow'),
    ],
  },
  {
    id: 'instruction.mov-to-cr3',
    rule: 'MOV to CR3 with CR3-load exiting exits unless the value is a CR3-target value, after the fault of the privilege level and before those of value and PDPTEs.',
    section: CONDITIONAL,
    shown: [
      ...competes('MOV to CR3 at CPL 3', 'MOV to CR3 of reserved bits'),
      ...modes('MOV to CR3 of reserved bits in the PDPTEs'),
      ...behaves('a CR3-target value does not exit', 'a CR3-target value beyond the count does'),
    ],
  },
  {
    id: 'instruction.mov-from-cr3',
    rule: 'MOV from CR3 with CR3-store exiting exits after faults of LOCK and the privilege level.',
    section: CONDITIONAL,
    shown: [...competes('MOV from CR3 with LOCK', 'MOV from CR3 at CPL 3'), ...behaves('CR3-store exiting')],
  },
  {
    id: 'instruction.mov-to-cr4',
    rule: 'MOV to CR4 exits where a masked bit of the source differs from the read shadow, after the fault of the privilege level and before those of the value.',
    section: CONDITIONAL,
    shown: [
      ...competes('MOV to CR4 at CPL 3', 'MOV to CR4 of reserved bits'),
      ...behaves('a write of CR4 exits where a masked bit differs from the shadow'),
    ],
  },
  {
    id: 'instruction.mov-cr8',
    rule: 'MOV to and from CR8 exits by its control, after the fault of the privilege level and before that of the value.',
    section: CONDITIONAL,
    shown: [
      ...competes('MOV to CR8 at CPL 3', 'MOV to CR8 of reserved bits'),
      ...from('spec/vmx/non-root/control-registers.spec.ts')('CR3 and CR8'),
    ],
  },
  {
    id: 'instruction.clts',
    rule: 'CLTS exits where bit 3 is 1 in the CR0 mask and in the read shadow, after faults of LOCK and the privilege level.',
    section: CONDITIONAL,
    shown: [
      ...competes('CLTS with LOCK', 'CLTS at CPL 3'),
      ...behaves('CLTS leaves TS alone where mask is 1 and shadow 0', 'CLTS exits where both are 1'),
    ],
  },
  {
    id: 'instruction.lmsw',
    rule: 'LMSW exits where it would set a masked PE that the read shadow has clear, or masked bits 3:1 differ from it, after faults of the operand.',
    section: CONDITIONAL,
    shown: [
      ...competes('LMSW with LOCK', 'LMSW at CPL 3', 'LMSW of an operand that is not mapped'),
      ...behaves(
        'LMSW exits when it would set a masked PE',
        'LMSW that does not set a masked PE',
        'LMSW exits when masked bits 3:1 differ from the shadow',
      ),
    ],
  },
  {
    id: 'instruction.smsw',
    rule: 'SMSW never exits, reads through mask and read shadow, and faults at CPL 3 with CR4.UMIP.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      ...competes('SMSW with LOCK', 'SMSW at CPL 3 with CR4.UMIP'),
      ...behaves('SMSW of 64 bits shows all of them', 'SMSW of a user where CR4.UMIP is 1 and its shadow 0'),
    ],
  },
  {
    id: 'instruction.mov-dr',
    rule: 'MOV DR with MOV-DR exiting exits after an illegal encoding and before all other faults.',
    section: CONDITIONAL,
    shown: competes(
      'MOV DR with LOCK',
      'MOV to a debug register with LOCK',
      'MOV DR at CPL 3',
      'MOV from DR4 with CR4.DE',
      'MOV DR with DR7.GD',
      'MOV to DR7 of reserved bits',
    ),
  },
  {
    id: 'instruction.desc-load',
    rule: 'LGDT, LIDT, LLDT and LTR with descriptor-table exiting exit after faults of mode, encoding and privilege level and before those of the operand.',
    section: CONDITIONAL,
    shown: [
      ...competes(
        'LGDT of a register',
        'LGDT at CPL 3',
        'LGDT of an operand that is not mapped',
        'LTR of a null selector',
      ),
      ...modes('LLDT in virtual-8086 mode'),
    ],
  },
  {
    id: 'instruction.desc-store',
    rule: 'SGDT, SIDT, SLDT and STR with descriptor-table exiting exit after faults of mode and CR4.UMIP and before those of the operand.',
    section: CONDITIONAL,
    shown: [
      ...competes('SGDT at CPL 3 with CR4.UMIP', 'SIDT at CPL 3'),
      ...behaves('SLDT in real mode', 'STR in real mode'),
    ],
  },
  {
    id: 'instruction.wbinvd',
    rule: 'WBINVD and WBNOINVD with WBINVD exiting exit after faults of LOCK and the privilege level.',
    section: CONDITIONAL,
    shown: competes('WBINVD with LOCK', 'WBINVD at CPL 3', 'WBNOINVD at CPL 3', 'WBNOINVD at CPL 0'),
  },
  {
    id: 'instruction.rdrand',
    rule: 'RDRAND with RDRAND exiting exits after invalid opcodes.',
    section: CONDITIONAL,
    shown: [
      ...competes('RDRAND with LOCK'),
      ...newer('#UD comes first where the processor lacks the instruction'),
    ],
  },
  {
    id: 'instruction.rdseed',
    rule: 'RDSEED with RDSEED exiting exits after invalid opcodes.',
    section: CONDITIONAL,
    shown: [
      ...competes('RDSEED with LOCK'),
      ...newer('#UD comes first where the processor lacks the instruction'),
    ],
  },
  {
    id: 'instruction.xsaves',
    rule: 'XSAVES and XRSTORS are undefined unless enabled, and exit by IA32_XSS and the XSS-exiting bitmap after other faults but those of the operand.',
    section: CONDITIONAL,
    shown: [
      ...competes(
        'XSAVES that is not enabled',
        'XSAVES without CR4.OSXSAVE',
        'XSAVES at CPL 3',
        'XSAVES with CR0.TS',
        'XSAVES of an operand that is not mapped',
        'XRSTORS of an operand that is not mapped',
      ),
      ...newer('exit when something asked for is enabled and in the bitmap', 'no exit: %s'),
    ],
  },
  {
    id: 'instruction.rsm',
    rule: 'RSM is undefined outside system-management mode, and exits in it.',
    section: UNCONDITIONAL,
    shown: competes('RSM outside system-management mode'),
  },
  {
    id: 'instruction.vmcall',
    rule: 'VMCALL exits at any CPL and in any mode.',
    section: UNCONDITIONAL,
    shown: [
      ...competes('VMCALL at CPL 3'),
      ...modes('VMCALL in virtual-8086 mode', 'VMCALL in compatibility mode'),
      ...behaves('VMCALL exits in real mode'),
    ],
  },
  {
    id: 'instruction.vmx-root-only',
    rule: 'The other VMX instructions exit at any CPL, after invalid opcodes of encoding and mode and before faults of privilege level and operand.',
    section: UNCONDITIONAL,
    shown: [
      ...competes(
        'VMXON at CPL 3, operand not mapped',
        'VMCLEAR with LOCK',
        'VMLAUNCH at CPL 3',
        'INVEPT of a register',
      ),
      ...modes('VMXOFF in virtual-8086 mode', 'VMLAUNCH in compatibility mode'),
      ...behaves(
        'VMCLEAR in real mode',
        'VMPTRST in real mode',
        'VMXON in real mode',
        'INVEPT exits at any CPL',
      ),
    ],
  },
  {
    id: 'instruction.vmread-vmwrite',
    rule: 'VMREAD and VMWRITE exit without VMCS shadowing at any CPL, after invalid opcodes and before all other faults and failures.',
    section: CONDITIONAL,
    shown: [
      ...competes(
        'VMREAD at CPL 3 of a field that does not exist',
        'VMREAD of an operand that is not mapped',
      ),
      ...modes('VMREAD in compatibility mode'),
      ...behaves('VMWRITE in real mode'),
    ],
  },
  {
    id: 'instruction.vmfunc',
    rule: 'VMFUNC is undefined unless enabled and above function 63, at any CPL, and exits for a function that is not enabled or fails.',
    section: 'SDM Vol. 3C, 26.5.6.2',
    shown: [
      ...competes(
        'VMFUNC that is not enabled',
        'VMFUNC of a function above 63',
        'VMFUNC at CPL 3 of a function that is not enabled',
      ),
      ...functions('vmfunc.cpl: at CPL 3 too', 'vmfunc.ecx: index 512', 'vmfunc.validity: zero'),
    ],
  },
  {
    id: 'instruction.encls',
    rule: 'ENCLS exits by its control and bitmap after invalid opcodes and before faults of the leaf.',
    section: CONDITIONAL,
    shown: { unbuilt: 'Enable ENCLS exiting' },
  },
  {
    id: 'instruction.umwait',
    rule: 'UMWAIT and TPAUSE are undefined unless enabled, and with RDTSC exiting exit after the fault of CR4.TSD and before that of reserved bits.',
    section: CONDITIONAL,
    shown: competes('UMWAIT that is not enabled', 'TPAUSE at CPL 3 with CR4.TSD', 'UMWAIT of reserved bits'),
  },
  {
    id: 'instruction.pconfig',
    rule: 'PCONFIG is undefined unless enabled, and exits by its bitmap.',
    section: CONDITIONAL,
    shown: { unbuilt: 'Enable PCONFIG' },
  },
  {
    id: 'instruction.loadiwkey',
    rule: 'LOADIWKEY exits by its control after faults of mode and privilege level.',
    section: CONDITIONAL,
    shown: { unbuilt: 'key locker and others: loadiwkey' },
  },
  {
    id: 'instruction.iret',
    rule: 'IRET with NT outside IA-32e mode exits for its task switch after the checks of the link; IRET unblocks NMIs also where it faults.',
    section: 'SDM Vol. 3C, 26.4.2',
    shown: [
      ...modes(
        'IRET from a nested task',
        'IRET from a nested task to a TSS that is not busy',
        'IRET with NT in IA-32e mode',
      ),
      ...events('IRET unblocks them unless they exit'),
      ...from('spec/vmx/exit/task-switch.spec.ts')('with %j has unblocked NMIs'),
      ...violations('is 1 where IRET had just ended blocking by NMI'),
    ],
  },
  {
    id: 'instruction.software-interrupt',
    rule: 'INT n does not exit by itself, and INT3, INTO, INT1, BOUND and UD exit by the bit of their exception, before their gate is looked at.',
    section: 'SDM Vol. 3C, 25.6.3',
    shown: [
      ...competes(
        'INT n at CPL 3 through a gate with DPL 0',
        'INT3 at CPL 3 through a gate with DPL 0',
        'INT1 at CPL 3',
        'UD2 at CPL 3',
      ),
      ...modes('INTO of the 32-bit guest', 'BOUND of the 32-bit guest'),
      ...behaves('INT n does not look at the bitmap'),
      ...events('INT3 exits with its length and its own RIP; INT n never does'),
    ],
  },
];
