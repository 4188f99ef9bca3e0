import type { Account } from '../account';

const CONTROLS = 'spec/vmx/non-root/newer-controls.spec.ts';
const INTERCEPTS = 'spec/vmx/non-root/intercepts.spec.ts';
const EXIT_REASONS = 'spec/vmx/exit/exit-reasons.spec.ts';
const EXAMPLES = 'spec/vmx/non-root/behaviour-examples.ts';
const UNCHANGED = 'spec/vmx/non-root/examples-unchanged.ts';
const EVENTS = 'spec/vmx/non-root/events.spec.ts';
const EXIT_STATE = 'spec/vmx/exit/state.spec.ts';

/** The time-stamp counter as a guest is shown it. */
export const TSC: readonly Account[] = [
  {
    id: 'tsc.rdtsc-plain',
    rule: 'While "use TSC offsetting" is 0 RDTSC, RDTSCP and RDMSR of IA32_TIME_STAMP_COUNTER give the counter itself, whatever "use TSC scaling" is.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: CONTROLS, test: '%s shows the product and then the sum' },
  },
  {
    id: 'tsc.rdtsc-offset',
    rule: 'With "use TSC offsetting" alone they give the sum of counter and TSC offset, modulo 2 to the power of 64.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: INTERCEPTS, test: 'the offset is added to RDTSC in non-root operation alone' },
  },
  {
    id: 'tsc.rdtsc-scaled',
    rule: 'With "use TSC scaling" too they give the sum of the TSC offset and bits 111:48 of the product of counter and TSC multiplier.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: CONTROLS, test: '%s shows the product and then the sum' },
      { file: CONTROLS, test: 'the product has 128 bits, of which 111:48 count' },
    ],
  },
  {
    id: 'tsc.rdtsc-exit',
    rule: 'With "RDTSC exiting" RDTSC and RDTSCP cause VM exits, and RDMSR of IA32_TIME_STAMP_COUNTER does not.',
    section: 'SDM Vol. 3C, 26.1.3',
    shown: [
      { file: INTERCEPTS, test: 'RDTSCP: #UD unless enabled, then as RDTSC' },
      { file: EXIT_REASONS, test: 'every basic exit reason' },
      { file: EXAMPLES, test: 'RDMSR of the counter does not exit by RDTSC exiting' },
    ],
  },
  {
    id: 'tsc.rdtscp-aux',
    rule: 'RDTSCP gives IA32_TSC_AUX[31:0] in ECX.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'RDTSCP has IA32_TSC_AUX in ECX' },
  },
  {
    id: 'tsc.rdtscp-disabled',
    rule: 'While "enable RDTSCP" is 0 RDTSCP and RDPID are #UD before anything else.',
    section: 'SDM Vol. 3C, 26.3',
    shown: [
      { file: INTERCEPTS, test: 'RDTSCP and RDPID: #UD unless enabled, before CR4.TSD is looked at' },
      { file: EXAMPLES, test: 'RDTSCP is #UD unless enabled, also for a user where CR4.TSD is 1' },
    ],
  },
  {
    id: 'tsc.tsd',
    rule: 'RDTSC at CPL above 0 while CR4.TSD is 1 is #GP(0) before it is a VM exit.',
    section: 'SDM Vol. 3C, 26.1.1',
    shown: { file: EXAMPLES, test: 'CR4.TSD keeps users out before the exit' },
  },
  {
    id: 'tsc.wrmsr-10h',
    rule: 'WRMSR to IA32_TIME_STAMP_COUNTER that does not exit writes the counter as it is, without offset and multiplier.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: CONTROLS, test: 'WRMSR of the counter writes it as it is' },
  },
  {
    id: 'tsc.tsc-adjust',
    rule: 'RDMSR and WRMSR of IA32_TSC_ADJUST are those of the MSR itself.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { file: EXAMPLES, test: 'IA32_TSC_ADJUST is the real one' },
  },
  {
    id: 'tsc.deadline',
    rule: 'IA32_TSC_DEADLINE is compared with the counter itself, without offset and multiplier.',
    section: 'SDM Vol. 3C, 26.3',
    shown: {
      file: UNCHANGED,
      test: 'IA32_TSC_DEADLINE is compared with the counter itself, not with what the guest is shown',
    },
  },
  {
    id: 'tsc.deadline-virtual',
    rule: 'With "APIC-timer virtualization" WRMSR to IA32_TSC_DEADLINE sets the guest deadline in place of the timer.',
    section: 'SDM Vol. 3C, 26.3',
    shown: { unbuilt: 'Activate tertiary controls' },
  },
  {
    id: 'tsc.preemption-timer',
    rule: 'The VMX-preemption timer counts with the counter itself, by the rate in IA32_VMX_MISC, without offset and multiplier.',
    section: 'SDM Vol. 3C, 26.5.1',
    shown: [
      { file: CONTROLS, test: 'the preemption timer counts by the counter itself' },
      { file: EVENTS, test: 'counts once in 32 clocks' },
    ],
  },
  {
    id: 'tsc.other-readers',
    rule: 'Timing packets of Intel PT may hold the counter as the guest is shown it.',
    section: 'SDM Vol. 3C, 33',
    shown: { unbuilt: 'pt' },
  },
  {
    id: 'tsc.msr-store-area',
    rule: 'The VM-exit MSR-store area gets IA32_TIME_STAMP_COUNTER without the TSC offset.',
    section: 'SDM Vol. 3C, 28.4',
    shown: { file: EXIT_STATE, test: 'the TSC is stored without offset' },
  },
];
