import { shiftRight, u64 } from './word';

/** Where the manual leaves a result open, the transition asks a `Choice`; the default answer is what real processors do. */
export interface ChoiceQuestion {
  /** Where the question arises. */
  readonly site: ChoiceSite;
  /** How often this site was asked before, in the life of the machine state. */
  readonly occurrence: number;
  /** The answers are 0 to `alternatives` - 1. */
  readonly alternatives: bigint;
  /** What the default answers: the behaviour of real processors (vendor in the site's description), or the value by the clock. */
  readonly preferred: bigint;
}

/** What answers the questions that the manual leaves open: a number below `alternatives`. */
export interface Choice {
  (question: ChoiceQuestion): bigint;
  /** The sites whose questions it answers; elsewhere the preferred answer is taken unasked. All sites when left out; 'undefined-flags' costs speed. */
  readonly sites?: readonly ChoiceSite[];
}

/** Every site with what it decides. */
export const CHOICE_SITES = {
  'undefined-flags': 'the value of status flags that the manual calls undefined (default: Intel processors)',
  'undefined-result':
    'a destination that the manual calls undefined, asked when it is: BSF and BSR of zero, BSWAP of 16 bits, SHLD and SHRD of 16 bits beyond 16 (default: Intel processors)',
  'push-selector':
    'whether PUSH of a segment register with 32-bit operand leaves the upper half of its slot (1) or clears it (0) (default: 1, Intel processors)',
  'general-detect':
    'the fault of MOV DR at a CPL above 0 with DR7.GD set: #GP(0) (0) or #DB (1) (default: 0, as faults based on privilege level come first where the manual orders them; models of Intel processors differ)',
  mwait:
    'whether MWAIT or UMWAIT with an armed monitor, or TPAUSE, waits (0) or goes on at once, for reasons of the implementation (1) (default: 0)',
  'time-stamp': 'what RDTSC, RDTSCP and the TSC and TSC_ADJUST MSRs return (default: the machine clock)',
  'timer-count':
    'what device registers that depend on time return, such as the current count of a timer (default: by the machine clock)',
  'vm-entry-failure':
    'which of several violated VM-entry rules is reported (default: the first in the manual)',
  '16-bit-task':
    'bits 31:16 of the general registers after a switch to a 16-bit task (default: all ones, as processors leave them)',
  'lar-limit':
    'bits 19:16 of the result of LAR (default: those of the descriptor, as Intel processors leave them)',
  'event-shadow':
    'whether blocking by STI holds back NMIs, NMI-window exits too, and blocking by STI or MOV SS the VM exits of NMIs and external interrupts (0: no, 1: yes; default: it does)',
  'iret-task-switch':
    'whether an IRET whose task switch causes a VM exit has ended blocking by NMI, or by virtual NMIs, where IRET ends it (0: no, 1: yes; default: it has, as when it faults)',
  'vmcs-region':
    'whether an ordinary access to the region of an active VMCS sees and changes its data, in the layout of the model (1), or memory alone, which VMCLEAR overwrites (0) (default: 0, the processor holds the data)',
  'msr-area':
    'whether a VM entry or VM exit goes on with an entry of an MSR area beyond the number that IA32_VMX_MISC recommends at most (1) or fails there (0) (default: it fails)',
  'update-violation':
    'whether the EPT violation of an instruction that reads what it writes tells the read too (bit 0 of the qualification; 0: no, 1: yes; default: no)',
  'speculative-fill':
    'under the policy `adversarial`, whether a processor remembers a page that no program touched: 0 no, 1 yes (default: by the seed of the policy)',
  'spurious-fault':
    'under the policy `adversarial`, whether an access faults on remembered rights that memory has raised: 0 no, 1 yes (default: by the seed of the policy)',
  rdrand:
    'the value of RDRAND and RDSEED, the last answer being failure (default: a fixed sequence that never fails)',
} as const;

/** A place where the manual leaves a result open, by name. */
export type ChoiceSite = keyof typeof CHOICE_SITES;

const WEYL = 0x9e37_79b9_7f4a_7c15n;
const MIX = 0xbf58_476d_1ce4_e5b9n;

/** What the site `rdrand` prefers the given time that it is asked: a word of a fixed sequence, the same in every machine. */
export const randomWord = (occurrence: number): bigint => {
  const word = u64(BigInt(occurrence + 1) * WEYL);
  const mixed = u64((word ^ shiftRight(word, 30n)) * MIX);
  return mixed ^ shiftRight(mixed, 31n);
};

/** What the sites of the policy `adversarial` prefer: a sequence that its seed selects. */
export const seededWord = (seed: bigint, occurrence: number): bigint =>
  randomWord(Number(seed) * 0x1_0001 + occurrence);

/** Whether a choice answers the questions of a site. */
export const answersAt = ({ sites }: Choice, site: ChoiceSite): boolean =>
  sites === undefined || sites.includes(site);

/** What a choice says to a question: its answer, or the preferred one where it answers none. */
export const answerOf = (choice: Choice, question: ChoiceQuestion): bigint =>
  answersAt(choice, question.site) ? choice(question) : question.preferred;

/** A choice that answers at the given sites, or at all when there are none given. */
export const choiceAt = (
  sites: readonly ChoiceSite[] | undefined,
  answer: (question: ChoiceQuestion) => bigint,
): Choice =>
  Object.assign((question: ChoiceQuestion) => answer(question), sites === undefined ? {} : { sites });

/** Always the preferred answer. */
export const preferred: Choice = choiceAt([], (question) => question.preferred);
