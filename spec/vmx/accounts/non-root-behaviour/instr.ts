import type { Account } from '../account';

const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';
const INTERCEPTS = 'spec/vmx/non-root/intercepts.spec.ts';
const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const INVALIDATIONS = 'spec/caching/instructions.spec.ts';
const CONTROLS = 'spec/vmx/non-root/newer-controls.spec.ts';
const PRIORITIES = 'spec/vmx/non-root/examples-priorities.ts';
const EXIT_REASONS = 'spec/vmx/exit/exit-reasons.spec.ts';

/** Other instructions. */
export const INSTR: readonly Account[] = [
  {
    id: 'instr.rdpmc',
    rule: 'Without "RDPMC exiting" RDPMC is as outside VMX operation, by CR4.PCE and the number of the counter.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: UNCHANGED, test: 'RDPMC of a user where CR4.PCE is 1' },
      { file: UNCHANGED, test: 'RDPMC of a user where CR4.PCE is 0' },
      { file: INTERCEPTS, test: 'RDPMC, which otherwise faults for a counter that does not exist' },
    ],
  },
  {
    id: 'instr.invpcid-disabled',
    rule: 'While "enable INVPCID" is 0 INVPCID is #UD before any other fault.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      {
        file: INTERCEPTS,
        test: 'INVPCID: #UD unless enabled, at any CPL; with INVLPG exiting it names its operands',
      },
      { file: EXAMPLES, test: 'INVPCID unless enabled' },
    ],
  },
  {
    id: 'instr.invpcid-exit',
    rule: 'With "enable INVPCID" and "INVLPG exiting" INVPCID causes a VM exit.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: {
      file: INTERCEPTS,
      test: 'INVPCID: #UD unless enabled, at any CPL; with INVLPG exiting it names its operands',
    },
  },
  {
    id: 'instr.invpcid-normal',
    rule: 'INVPCID that does not exit invalidates for the current VPID, and combined mappings of every EP4TA.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: [
      { file: INVALIDATIONS, test: 'INVPCID of type 0' },
      { file: INVALIDATIONS, test: 'INVPCID of type 1' },
      { file: INVALIDATIONS, test: 'INVPCID of type 2' },
      { file: INVALIDATIONS, test: 'INVPCID of type 3' },
      { file: INVALIDATIONS, test: ', in a guest with VPID 1' },
    ],
  },
  {
    id: 'instr.invlpg',
    rule: 'INVLPG that does not exit invalidates for the current VPID alone.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: [
      { file: EXAMPLES, test: 'INVLPG without its control' },
      { file: INVALIDATIONS, test: ', in a guest with VPID 1' },
    ],
  },
  {
    id: 'instr.xsaves-disabled',
    rule: 'While "enable XSAVES/XRSTORS" is 0 XSAVES and XRSTORS are #UD.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: CONTROLS, test: '#UD unless enabled' },
      { file: EXAMPLES, test: 'XSAVES unless enabled' },
    ],
  },
  {
    id: 'instr.xsaves-exit',
    rule: 'XSAVES and XRSTORS cause VM exits where a bit is 1 in EDX:EAX, in IA32_XSS and in the XSS-exiting bitmap.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: CONTROLS, test: 'exit when something asked for is enabled and in the bitmap' },
      { file: CONTROLS, test: 'not in the bitmap' },
      { file: CONTROLS, test: 'not asked for' },
      { file: CONTROLS, test: 'not enabled' },
    ],
  },
  {
    id: 'instr.encls',
    rule: 'With "enable ENCLS exiting" ENCLS causes a VM exit by the bit of EAX in the ENCLS-exiting bitmap.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { unbuilt: 'Enable ENCLS exiting' },
  },
  {
    id: 'instr.enclv',
    rule: 'With "enable ENCLV exiting" ENCLV causes a VM exit by the bit of EAX in the ENCLV-exiting bitmap.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { unbuilt: 'Enable ENCLV exiting' },
  },
  {
    id: 'instr.pconfig-disabled',
    rule: 'While "enable PCONFIG" is 0 PCONFIG is #UD.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: UNCHANGED, test: 'PCONFIG on a processor without it' },
  },
  {
    id: 'instr.pconfig-exit',
    rule: 'With "enable PCONFIG" PCONFIG causes a VM exit by the bit of EAX in the PCONFIG-exiting bitmap.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { unbuilt: 'Enable PCONFIG' },
  },
  {
    id: 'instr.pause-exit',
    rule: 'With "PAUSE exiting" PAUSE causes a VM exit at any CPL, and "PAUSE-loop exiting" does not count at CPL 0.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXAMPLES, test: 'PAUSE exiting at CPL 3' },
      { file: UNCHANGED, test: 'PAUSE exiting at CPL 0 lets no loop begin' },
    ],
  },
  {
    id: 'instr.ple-first',
    rule: 'With "PAUSE-loop exiting" a PAUSE at CPL 0 is the first of a loop, and does not exit, where it is the first after VM entry or more than PLE_Gap has passed since the last.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: CONTROLS, test: 'after more than the gap a PAUSE is the first of a loop' },
      { file: CONTROLS, test: 'so is the first after a VM entry' },
    ],
  },
  {
    id: 'instr.ple-exit',
    rule: 'Any other PAUSE at CPL 0 causes a VM exit where more than PLE_Window has passed since the first of the loop.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: {
      file: CONTROLS,
      test: 'a loop exits once more than the window has passed since its first PAUSE',
    },
  },
  {
    id: 'instr.ple-time',
    rule: 'PLE_Gap and PLE_Window are in ticks of the counter itself, without offset and multiplier.',
    section: 'SDM Vol. 3C, 25.6.13',
    shown: { file: CONTROLS, test: 'counts the time itself, without offset and multiplier' },
  },
  {
    id: 'instr.ple-cpl3',
    rule: 'At CPL above 0 "PAUSE-loop exiting" does not count.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: CONTROLS, test: 'counts at CPL 0 alone, where PAUSE exiting does not overrule it' },
  },
  {
    id: 'instr.swapgs',
    rule: 'SWAPGS is as outside VMX operation.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'SWAPGS exchanges with the real IA32_KERNEL_GS_BASE' },
  },
  {
    id: 'instr.sysenter',
    rule: 'SYSENTER, SYSEXIT, SYSCALL and SYSRET are as outside VMX operation.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: UNCHANGED, test: 'SYSENTER goes where the MSRs of the guest say' },
      { file: UNCHANGED, test: 'SYSEXIT goes to CPL 3' },
      { file: UNCHANGED, test: 'SYSCALL goes where the MSRs of the processor say' },
      { file: UNCHANGED, test: 'SYSRET goes to CPL 3' },
    ],
  },
  {
    id: 'instr.rsm-outside',
    rule: 'RSM outside system-management mode is #UD.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'RSM outside SMM' },
  },
  {
    id: 'instr.rsm-smm',
    rule: 'RSM in system-management mode causes a VM exit in VMX non-root operation.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { unbuilt: 'system-management interrupt' },
  },
  {
    id: 'instr.hlt',
    rule: 'Without "HLT exiting" HLT brings the processor into the activity state HLT, which a VM exit saves.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: UNCHANGED, test: 'HLT without its control waits, and an exit says so' },
  },
  {
    id: 'instr.hlt-sti',
    rule: 'An external interrupt that blocking by STI has held back until HLT causes its VM exit from the activity state HLT, with RIP after HLT.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { file: UNCHANGED, test: 'an interrupt that STI holds back exits from HLT' },
  },
  {
    id: 'instr.monitor',
    rule: 'Without "MONITOR exiting" MONITOR is as outside VMX operation, and VM entry and VM exit drop what it armed.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: INTERCEPTS, test: 'MWAIT, which tells whether the monitor was armed; the exit clears that' },
      {
        file: INTERCEPTS,
        test: 'what MONITOR armed is dropped by VM entry and by VM exit: MWAIT then does not wait',
      },
    ],
  },
  {
    id: 'instr.mwait-normal',
    rule: 'Without "MWAIT exiting" MWAIT is as outside VMX operation unless it asks for masked interrupts as break events.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      {
        file: INTERCEPTS,
        test: 'without the control MWAIT waits; the activity state of an exit then is active',
      },
      { file: INTERCEPTS, test: 'with interrupt-window exiting MWAIT does not wait for masked interrupts' },
    ],
  },
  {
    id: 'instr.mwait-nop',
    rule: 'MWAIT with ECX[0] = 1 and IF = 0 does not wait while "interrupt-window exiting" is 1.',
    section: 'SDM Vol. 3C, 26.3',
    shown: {
      file: INTERCEPTS,
      test: 'with interrupt-window exiting MWAIT does not wait for masked interrupts',
    },
  },
  {
    id: 'instr.mwait-unarmed',
    rule: 'MWAIT does not wait after a VM exit has dropped what MONITOR armed.',
    section: 'SDM Vol. 3C, 28.5.6',
    shown: {
      file: INTERCEPTS,
      test: 'what MONITOR armed is dropped by VM entry and by VM exit: MWAIT then does not wait',
    },
  },
  {
    id: 'instr.mov-dr',
    rule: 'Without "MOV-DR exiting" MOV DR is as outside VMX operation, DR7.GD too; DR0 to DR3 and DR6 have no fields in the VMCS.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: UNCHANGED, test: 'MOV DR writes the registers that the host has, too' },
      { file: EXAMPLES, test: 'MOV DR while DR7.GD is 1' },
      { file: EXAMPLES, test: 'MOV DR without its control' },
    ],
  },
  {
    id: 'instr.wbinvd',
    rule: 'Without "WBINVD exiting" WBINVD is as outside VMX operation.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'WBINVD without its control' },
  },
  {
    id: 'instr.invd',
    rule: 'INVD always causes a VM exit.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: { file: EXAMPLES, test: 'INVD always exits' },
  },
  {
    id: 'instr.rdrand',
    rule: 'Without their controls RDRAND and RDSEED are as outside VMX operation.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { file: EXAMPLES, test: 'RDRAND and RDSEED without their controls' },
  },
  {
    id: 'instr.lgdt',
    rule: 'Without "descriptor-table exiting" LGDT, LIDT, LLDT, LTR, SGDT, SIDT, SLDT and STR are as outside VMX operation.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXAMPLES, test: 'descriptor tables without their control' },
      { file: UNCHANGED, test: 'LGDT, LLDT, LTR, LIDT, SLDT and SIDT without their control' },
    ],
  },
  {
    id: 'instr.loadiwkey',
    rule: 'With "LOADIWKEY exiting" LOADIWKEY causes a VM exit.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'instr.getsec',
    rule: 'GETSEC always causes a VM exit while CR4.SMXE is 1, and is #UD while it is 0.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: { unbuilt: 'getsec' },
  },
  {
    id: 'instr.io',
    rule: 'Without an I/O control ports are reached as IOPL and the I/O permission bit map allow.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXAMPLES, test: 'IN with neither control' },
      { file: UNCHANGED, test: 'IN of a user whose IOPL is 3' },
      { file: UNCHANGED, test: 'IN of a user without permission' },
      { file: UNCHANGED, test: 'IN of a user whom the map of the TSS allows it' },
    ],
  },
  {
    id: 'instr.vmread-shadow',
    rule: 'With "VMCS shadowing" VMREAD and VMWRITE act on the VMCS of the VMCS link pointer where the bit of the field is 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'VMCS shadowing' },
  },
  {
    id: 'instr.vmread-shadow-none',
    rule: 'With "VMCS shadowing" VMREAD and VMWRITE that do not exit fail with VMfailInvalid while there is no VMCS link pointer.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'VMCS shadowing' },
  },
  {
    id: 'instr.vmread-shadow-cpl',
    rule: 'With "VMCS shadowing" VMREAD and VMWRITE that do not exit are #GP(0) at CPL above 0.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'VMCS shadowing' },
  },
  {
    id: 'instr.invept',
    rule: 'INVEPT and INVVPID always cause VM exits, at any CPL, after #UD, and invalidate nothing.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: [
      { file: EXAMPLES, test: 'INVEPT exits at any CPL' },
      { file: INVALIDATIONS, test: '%s of a guest exits, and drops nothing' },
      { file: PRIORITIES, test: 'INVEPT of a register' },
      { file: EXAMPLES, test: 'INVEPT in real mode' },
      { file: EXAMPLES, test: 'INVVPID in real mode' },
    ],
  },
  {
    id: 'instr.vmx-other',
    rule: 'VMCALL, VMCLEAR, VMLAUNCH, VMPTRLD, VMPTRST, VMRESUME, VMXOFF and VMXON always cause VM exits, at any CPL.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: [
      { file: EXIT_REASONS, test: 'every basic exit reason' },
      { file: EXAMPLES, test: 'VMXOFF exits at any CPL' },
      { file: PRIORITIES, test: 'VMCALL at CPL 3' },
      { file: PRIORITIES, test: 'VMLAUNCH at CPL 3' },
    ],
  },
  {
    id: 'instr.cpuid',
    rule: 'CPUID always causes a VM exit, at any CPL.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: { file: EXAMPLES, test: 'CPUID always exits, at any CPL' },
  },
  {
    id: 'instr.xsetbv',
    rule: 'XSETBV at CPL 0 always causes a VM exit, and XGETBV none.',
    section: 'SDM Vol. 3C, 26.1.2',
    shown: [
      { file: EXAMPLES, test: 'XSETBV exits at CPL 0' },
      { file: EXAMPLES, test: 'XGETBV does not exit' },
    ],
  },
  {
    id: 'instr.tsx-exit',
    rule: 'In a transactional region an event or an instruction that would exit aborts the region first.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'rtm' },
  },
  {
    id: 'instr.bus-lock',
    rule: 'With "VMM bus-lock detection" a bus lock causes a VM exit after its instruction, or sets bit 26 of another exit reason.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'VMM bus-lock detection' },
  },
  {
    id: 'instr.notify',
    rule: 'With "instruction timeout" a VM exit occurs where no instruction boundary is reached within the timeout.',
    section: 'SDM Vol. 3C, 26.2',
    shown: { unbuilt: 'Instruction timeout' },
  },
];
