import { event, injectedIsOneOf, injects, injectsType } from './guest-injection-terms';
import { dplIs, lowIs } from './guest-segment-terms';
import {
  all,
  always,
  any,
  bits,
  clear,
  lowHalf,
  lowIsOneOf,
  ofCapabilities,
  on,
  one,
  pointsToVmxon,
  returnsFromSmm,
  rulesOf,
  some,
  type Term,
  term,
  zero,
} from './guest-terms';

// SDM Vol. 3C, 27.3.1.5 Checks on Guest Non-Register State
const section = 'Checks on Guest Non-Register State';
const rule = rulesOf(section);
const nmiRule = rulesOf(section, 3);

/** Activity states. SDM Vol. 3C, 25.4.2 Guest Non-Register State */
const ACTIVE = 0;
const HLT = 1;
const SHUTDOWN = 2;
const WAIT_FOR_SIPI = 3;

const activityIs = (value: number, name: string): Term =>
  lowIs('guestActivityState', value, `is ${value} (${name})`);
const halted = activityIs(HLT, 'HLT');
const notWaitForSipi = lowIsOneOf(
  'guestActivityState',
  WAIT_FOR_SIPI,
  [ACTIVE, HLT, SHUTDOWN],
  'is not 3 (wait-for-SIPI)',
);

const ACTIVITY = lowHalf('guestActivityState');
const FIRST_ACTIVITY_BIT = 5;
const miscLow = ofCapabilities(({ ia32VmxMisc }) => Number(ia32VmxMisc & 0xffffn));
const activitySupported = term(
  'IA32_VMX_MISC announces the activity state',
  ['guestActivityState'],
  (context) => ((miscLow(context) >> (FIRST_ACTIVITY_BIT + context.vmcs.halves[ACTIVITY])) & 1) === 1,
);

const blockingByStiOrMovSs = some(
  'guestInterruptibilityState',
  bits(1, 0),
  'there is blocking by STI or by MOV SS',
);
const entersSmm = on('entryToSmm');
const injectsInterrupt = injectsType(0);
const injectsNmi = injectsType(2);
const FRED_CPL3 = all(one('CR4.FRED'), dplIs('ss', 3));

const activityRules = [
  rule(
    'guest.activity-state.range',
    always,
    lowIsOneOf('guestActivityState', -1, [ACTIVE, HLT, SHUTDOWN, WAIT_FOR_SIPI], 'is 0 to 3'),
  ),
  rule(
    'guest.activity-state.supported',
    lowIsOneOf('guestActivityState', -1, [HLT, SHUTDOWN, WAIT_FOR_SIPI], 'is 1 to 3'),
    activitySupported,
  ),
  rule('guest.activity-state.hlt-dpl', halted, dplIs('ss', 0)),
  rule('guest.activity-state.active-if-blocking', blockingByStiOrMovSs, activityIs(ACTIVE, 'active')),
  rule(
    'guest.activity-state.hlt-event',
    all(injects, halted),
    injectedIsOneOf(
      'the event is an external interrupt, NMI, #DB, #MC or pending MTF VM exit',
      [0, 2],
      [event(3, 1), event(3, 18), event(7, 0)],
    ),
  ),
  rule(
    'guest.activity-state.shutdown-event',
    all(injects, activityIs(SHUTDOWN, 'shutdown')),
    injectedIsOneOf('the event is NMI or #MC', [2], [event(3, 18)]),
  ),
  rule(
    'guest.activity-state.wait-for-sipi-event',
    activityIs(WAIT_FOR_SIPI, 'wait-for-SIPI'),
    term('no event is injected', injects.reads, (context) => !injects.test(context)),
  ),
  rule('guest.activity-state.wait-for-sipi-smm', entersSmm, notWaitForSipi),
];

const hasFeature = (feature: string): Term =>
  term(`the processor supports ${feature}`, ['processor.features'], ({ processor }) =>
    processor.features.has(feature),
  );

const interruptibilityRules = [
  rule('guest.interruptibility.reserved', always, clear('guestInterruptibilityState', bits(31, 5))),
  rule(
    'guest.interruptibility.sti-and-mov-ss',
    always,
    lowIsOneOf('guestInterruptibilityState', 3, [0, 1, 2], 'has not both blocking by STI and by MOV SS'),
  ),
  rule('guest.interruptibility.sti-needs-if', one('blocking by STI'), one('RFLAGS.IF')),
  rule('guest.interruptibility.external-interrupt-sti', injectsInterrupt, zero('blocking by STI')),
  rule('guest.interruptibility.external-interrupt-mov-ss', injectsInterrupt, zero('blocking by MOV SS')),
  rule('guest.interruptibility.nmi-mov-ss', injectsNmi, zero('blocking by MOV SS')),
  nmiRule('guest.interruptibility.nmi-sti', injectsNmi, zero('blocking by STI')),
  rule(
    'guest.interruptibility.smi-outside-smm',
    term('the processor is not in SMM', ['processor.inSmm'], ({ processor }) => !processor.inSmm),
    zero('blocking by SMI'),
  ),
  rule('guest.interruptibility.smi-entry-to-smm', entersSmm, one('blocking by SMI')),
  rule('guest.interruptibility.virtual-nmi', all(on('virtualNmis'), injectsNmi), zero('blocking by NMI')),
  rule('guest.interruptibility.enclave-mov-ss', one('enclave interruption'), zero('blocking by MOV SS'), {
    feature: 'SGX',
  }),
  rule('guest.interruptibility.enclave-sgx', one('enclave interruption'), hasFeature('SGX'), {
    feature: 'SGX',
  }),
  rule('guest.interruptibility.sti-fred', FRED_CPL3, zero('blocking by STI'), { feature: 'FRED' }),
];

const PENDING = lowHalf('guestPendingDebugExceptions');
const BUS_LOCK = 1 << 11;
const pendingReserved = clear(
  'guestPendingDebugExceptions',
  bits(10, 4) | bits(13) | bits(15) | bits(63, 17),
);
const RTM_BITS = bits(11, 0) | bits(15, 13) | bits(63, 17);
const singleStepOwed = any(blockingByStiOrMovSs, halted);
const stepsInstructions = all(one('RFLAGS.TF'), zero('DEBUGCTL.BTF'));
const rtm = { feature: 'RTM' };

const pendingDebugRules = [
  rule(
    'guest.pending-debug.reserved',
    always,
    term(
      `${pendingReserved.says}, and bit 11 on processors without bus-lock detection`,
      [...pendingReserved.reads, 'processor.features'],
      (context) =>
        pendingReserved.test(context) &&
        ((context.vmcs.halves[PENDING] & BUS_LOCK) === 0 ||
          context.processor.features.has('bus-lock detection')),
    ),
  ),
  rule('guest.pending-debug.bs-set', all(singleStepOwed, stepsInstructions), one('pending debug BS')),
  rule(
    'guest.pending-debug.bs-clear',
    all(singleStepOwed, any(zero('RFLAGS.TF'), one('DEBUGCTL.BTF'))),
    zero('pending debug BS'),
  ),
  rule(
    'guest.pending-debug.rtm-bits',
    one('pending debug RTM'),
    all(
      clear('guestPendingDebugExceptions', RTM_BITS),
      some('guestPendingDebugExceptions', bits(12), 'bit 12 = 1'),
    ),
    rtm,
  ),
  rule('guest.pending-debug.rtm-supported', one('pending debug RTM'), hasFeature('RTM'), rtm),
  rule('guest.pending-debug.rtm-mov-ss', one('pending debug RTM'), zero('blocking by MOV SS'), rtm),
];

/** Activity state, interruptibility state, pending debug exceptions: in the manual's order. */
export const guestNonRegisterRules = [...activityRules, ...interruptibilityRules, ...pendingDebugRules];

/** SDM Vol. 3C, 32.15.4.4 Checks on the Guest State Area (VM entries that return from SMM) */
export const guestSmmRules = [
  rulesOf('Checks on the Guest State Area')(
    'smm.activity-state.wait-for-sipi-root',
    all(returnsFromSmm, pointsToVmxon),
    notWaitForSipi,
  ),
];
