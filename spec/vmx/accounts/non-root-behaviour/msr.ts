import type { Account } from '../account';

const INTERCEPTS = 'spec/vmx/non-root/intercepts.spec.ts';
const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';
const EXIT_REASONS = 'spec/vmx/exit/exit-reasons.spec.ts';
const CONTROLS = 'spec/vmx/non-root/newer-controls.spec.ts';
const INVALIDATIONS = 'spec/caching/instructions.spec.ts';

/** RDMSR and WRMSR. */
export const MSR: readonly Account[] = [
  {
    id: 'msr.bitmaps',
    rule: 'RDMSR and WRMSR cause VM exits without MSR bitmaps, for an index outside both ranges, and where the bit of the index is 1.',
    section: 'SDM Vol. 3C, 25.6.9',
    shown: [
      { file: INTERCEPTS, test: 'without bitmaps every access exits' },
      { file: INTERCEPTS, test: 'an index outside both ranges exits' },
      { file: INTERCEPTS, test: 'high write' },
      { file: INTERCEPTS, test: 'low write' },
      { file: INTERCEPTS, test: 'low read' },
      { file: INTERCEPTS, test: 'high read' },
    ],
  },
  {
    id: 'msr.bios-updt-trig',
    rule: 'WRMSR to IA32_BIOS_UPDT_TRIG loads no microcode and does not fault.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'WRMSR of IA32_BIOS_UPDT_TRIG loads no microcode' },
  },
  {
    id: 'msr.bios-sign',
    rule: 'RDMSR of IA32_BIOS_SIGN_ID is as outside VMX non-root operation.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'IA32_BIOS_SIGN_ID reads' },
  },
  {
    id: 'msr.rtit-ctl',
    rule: 'WRMSR to IA32_RTIT_CTL that sets TraceEn is #GP(0) where Intel PT cannot be used in VMX operation.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'pt' },
  },
  {
    id: 'msr.rtit-any',
    rule: 'Where Intel PT can be used in VMX operation WRMSR to IA32_RTIT_CTL is as outside it.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'pt' },
  },
  {
    id: 'msr.x2apic',
    rule: 'RDMSR and WRMSR of the MSRs 800H to 8FFH use the virtual-APIC page with "virtualize x2APIC mode".',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'Virtualize x2APIC mode' },
  },
  {
    id: 'msr.sysenter',
    rule: 'WRMSR to the SYSENTER MSRs writes the MSRs themselves, which the next VM exit saves.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { file: EXAMPLES, test: 'SYSENTER MSRs are saved by the exit' },
  },
  {
    id: 'msr.fs-gs-base',
    rule: 'IA32_FS_BASE, IA32_GS_BASE, WRFSBASE and WRGSBASE change the bases of FS and GS, which the next VM exit saves.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: [
      { file: EXAMPLES, test: 'FS and GS bases are those of the segments' },
      { file: UNCHANGED, test: 'WRFSBASE and WRGSBASE write the bases of the segments' },
    ],
  },
  {
    id: 'msr.kernel-gs-swapgs',
    rule: 'SWAPGS and IA32_KERNEL_GS_BASE use the MSR itself, which has no field in the VMCS: the host finds what the guest left.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'SWAPGS exchanges with the real IA32_KERNEL_GS_BASE' },
  },
  {
    id: 'msr.syscall-msrs',
    rule: 'IA32_STAR, IA32_LSTAR and IA32_FMASK have no fields in the VMCS: the host finds what the guest left.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'MSRs of SYSCALL stay in the processor' },
  },
  {
    id: 'msr.efer',
    rule: 'WRMSR to IA32_EFER is checked as outside VMX operation: a change of LME while CR0.PG is 1 is #GP(0), and LMA is not written.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'a change of IA32_EFER.LME while paging' },
      { file: EXAMPLES, test: 'IA32_EFER.LMA is not written' },
    ],
  },
  {
    id: 'msr.pat',
    rule: 'WRMSR to IA32_PAT writes the MSR itself.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'IA32_PAT is the real one' },
  },
  {
    id: 'msr.debugctl',
    rule: 'WRMSR to IA32_DEBUGCTL writes the MSR itself, which a VM exit saves with "save debug controls", and clears.',
    section: 'SDM Vol. 3C, 28.3.1',
    shown: { file: EXAMPLES, test: 'IA32_DEBUGCTL is saved and cleared by the exit' },
  },
  {
    id: 'msr.feature-control',
    rule: 'WRMSR to IA32_FEATURE_CONTROL is #GP(0) while its lock bit is 1.',
    section: 'SDM Vol. 3C, 24.7',
    shown: { file: EXAMPLES, test: 'IA32_FEATURE_CONTROL is locked' },
  },
  {
    id: 'msr.vmx-capability',
    rule: 'RDMSR of a VMX capability MSR that does not exit gives what the processor has.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'capability MSRs read' },
      { file: EXAMPLES, test: 'and are not written' },
    ],
  },
  {
    id: 'msr.spec-ctrl-read',
    rule: 'With "virtualize IA32_SPEC_CTRL" RDMSR of IA32_SPEC_CTRL gives the shadow.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'msr.spec-ctrl-write',
    rule: 'With "virtualize IA32_SPEC_CTRL" WRMSR to IA32_SPEC_CTRL writes the shadow and the unmasked bits of the MSR.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'msr.xss',
    rule: 'WRMSR to IA32_XSS writes the MSR itself, by which XSAVES and XRSTORS exit.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: EXIT_REASONS, test: 'every basic exit reason' },
      { file: CONTROLS, test: 'exit when something asked for is enabled and in the bitmap' },
    ],
  },
  {
    id: 'msr.msrlist',
    rule: 'RDMSRLIST and WRMSRLIST are #UD without "enable MSR-list instructions", and with it cause VM exits by the MSR bitmaps.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'msr.tlb',
    rule: 'WRMSR that invalidates translations does so for the current VPID alone.',
    section: 'SDM Vol. 3C, 29.4.3.1',
    shown: [
      { file: INVALIDATIONS, test: 'WRMSR to an MTRR' },
      { file: INVALIDATIONS, test: 'WRMSR to IA32_EFER that changes NXE' },
      { file: INVALIDATIONS, test: ', in a guest with VPID 1' },
    ],
  },
  {
    id: 'msr.rdmsr-unimplemented',
    rule: 'RDMSR and WRMSR of an MSR that the processor lacks, and that do not exit, are #GP(0).',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: EXAMPLES, test: 'RDMSR of an unknown MSR' },
      { file: EXAMPLES, test: 'WRMSR of an MSR that the processor lacks' },
    ],
  },
];
