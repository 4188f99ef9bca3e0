import { high32, low32 } from '../../core';
import { capabilityMsrName } from '../capabilities';
import type { VmcsField } from '../vmcs';
import type { GuestEntryContext } from './guest-context';
import {
  allowedPerfGlobalCtrl,
  debugctlBits,
  EFER_BITS,
  isPat,
  LBR_CTL_BITS,
  RTIT_CTL_BITS,
  wrmsrFaults,
} from './guest-msr-values';
import {
  all,
  always,
  bits,
  canonical,
  clear,
  fitsWidth,
  intel64,
  lowHalf,
  nameOf,
  ofCapabilities,
  off,
  on,
  one,
  rulesOf,
  type Term,
  term,
  UNCONFIRMED,
  zero,
} from './guest-terms';

// SDM Vol. 3C, 27.3.1.1 Checks on Guest Control Registers, Debug Registers, and MSRs
const rule = rulesOf('Checks on Guest Control Registers, Debug Registers, and MSRs');

const CR0_UNCHECKED = bits(30, 29);
const CR0_PE_PG = bits(31) | bits(0);

type FixedMsr = 'ia32VmxCr0Fixed0' | 'ia32VmxCr0Fixed1' | 'ia32VmxCr4Fixed0' | 'ia32VmxCr4Fixed1';

/** Bits of a control register that a FIXED MSR pins: to 1 (FIXED0) or to 0 (FIXED1). SDM Vol. 3D, A.7 and A.8 */
const fixed = (field: VmcsField, msr: FixedMsr, to: 0 | 1, unchecked = 0n): Term => {
  const low = lowHalf(field);
  const pinned = ofCapabilities((capabilities) => {
    const mask = (to === 1 ? capabilities[msr] : ~capabilities[msr]) & ~unchecked;
    return { low: low32(mask), high: high32(mask) };
  });
  const wanted = to === 1 ? -1 : 0;
  return term(
    `${nameOf(field)} bits that are ${to} in ${capabilityMsrName(msr)} are ${to}`,
    [field],
    (context) => {
      const { halves } = context.vmcs;
      const mask = pinned(context);
      return ((halves[low] ^ wanted) & mask.low) === 0 && ((halves[low + 1] ^ wanted) & mask.high) === 0;
    },
  );
};

const unrestricted = on('unrestrictedGuest');

/** The FIXED rule of CR0: PE and PG are free for an unrestricted guest, NW and CD always. */
const fixedCr0 = (msr: FixedMsr, to: 0 | 1): Term => {
  const strict = fixed('guestCr0', msr, to, CR0_UNCHECKED);
  const relaxed = fixed('guestCr0', msr, to, CR0_UNCHECKED | CR0_PE_PG);
  return term(
    `${strict.says}, but for NW and CD, and for PE and PG with ${unrestricted.says}`,
    [...strict.reads, ...unrestricted.reads],
    (context) => strict.test(context) || (relaxed.test(context) && unrestricted.test(context)),
  );
};

const LAM_BITS = 0x6000_0000;

// Linear-address masking, which CR3 bits 62:61 select, is newer than the edition.
const cr3High = lowHalf('guestCr3') + 1;
const cr3FitsWidth = term(
  'Guest CR3 bits from the physical-address width to 63 = 0, but for bits 62:61 on processors with LAM',
  ['guestCr3', 'processor.physicalAddressWidth', 'processor.features'],
  ({ vmcs, processor }) => {
    const high = vmcs.halves[cr3High];
    const width = processor.physicalAddressWidth;
    return fitsWidth(high, width) || (processor.features.has('LAM') && fitsWidth(high & ~LAM_BITS, width));
  },
);

/** Bits that the processor does not let software set are 0; `defined` may depend on its features. */
const msrReserved = (
  field: VmcsField,
  defined: (context: GuestEntryContext) => bigint,
  reads: Term['reads'] = [],
): Term =>
  term(`${nameOf(field)} reserved bits = 0`, [field, ...reads], (context) => {
    const value = context.vmcs.get(field);
    return value === 0n || (value & ~defined(context)) === 0n;
  });

const pat = lowHalf('guestIa32Pat');
const efer = lowHalf('guestIa32Efer');
const sCet = lowHalf('guestIa32SCet');
const LME = 1 << 8;
const LMA = 1 << 10;
const SUPPRESS_AND_TRACKER = (1 << 10) | (1 << 11);
const ia32e = on('ia32eModeGuest');

const loadsCet = on('loadGuestCetState');
const loadsFred = on('loadGuestFred');
const loadsEfer = on('loadGuestIa32Efer');
const cet = { feature: 'CET' };
const fred = { feature: 'FRED' };
const unconfirmedFred = { ...fred, ...UNCONFIRMED };

/** Rules of 27.3.1.1, in the manual's order. */
export const guestRegisterRules = [
  rule('guest.cr0.fixed0', always, fixedCr0('ia32VmxCr0Fixed0', 1)),
  rule('guest.cr0.fixed1', always, fixedCr0('ia32VmxCr0Fixed1', 0)),
  rule('guest.cr0.pg-needs-pe', one('CR0.PG'), one('CR0.PE')),
  rule('guest.cr4.fixed0', always, fixed('guestCr4', 'ia32VmxCr4Fixed0', 1)),
  rule('guest.cr4.fixed1', always, fixed('guestCr4', 'ia32VmxCr4Fixed1', 0)),
  rule('guest.cr4.cet-needs-wp', one('CR4.CET'), one('CR0.WP'), cet),
  rule(
    'guest.debugctl.reserved',
    on('loadDebugControls'),
    msrReserved('guestIa32Debugctl', ({ processor }) => debugctlBits(processor.features), [
      'processor.features',
    ]),
  ),
  rule('guest.ia32e.cr0-pg', ia32e, one('CR0.PG')),
  rule('guest.ia32e.cr4-pae', ia32e, one('CR4.PAE')),
  rule('guest.cr4.pcide-32bit', off('ia32eModeGuest'), zero('CR4.PCIDE')),
  rule('guest.cr4.fred-32bit', off('ia32eModeGuest'), zero('CR4.FRED'), fred),
  rule('guest.cr3.reserved', intel64, cr3FitsWidth),
  rule('guest.dr7.high', all(on('loadDebugControls'), intel64), clear('guestDr7', bits(63, 32))),
  rule('guest.sysenter-esp.canonical', intel64, canonical('guestIa32SysenterEsp')),
  rule('guest.sysenter-eip.canonical', intel64, canonical('guestIa32SysenterEip')),
  rule('guest.s-cet.canonical', all(loadsCet, intel64), canonical('guestIa32SCet'), cet),
  rule(
    'guest.interrupt-ssp-table.canonical',
    all(loadsCet, intel64),
    canonical('guestIa32InterruptSspTableAddr'),
    cet,
  ),
  rule(
    'guest.perf-global-ctrl.reserved',
    on('loadGuestIa32PerfGlobalCtrl'),
    msrReserved('guestIa32PerfGlobalCtrl', allowedPerfGlobalCtrl, ['processor.perfGlobalCtrlBits']),
  ),
  rule(
    'guest.pat.values',
    on('loadGuestIa32Pat'),
    term('each byte of Guest IA32_PAT is 0, 1, 4, 5, 6 or 7', ['guestIa32Pat'], ({ vmcs }) =>
      isPat(vmcs.halves[pat], vmcs.halves[pat + 1]),
    ),
  ),
  rule('guest.efer.reserved', loadsEfer, clear('guestIa32Efer', bits(63, 0) & ~EFER_BITS)),
  rule(
    'guest.efer.lma',
    loadsEfer,
    term(
      `guest EFER.LMA is 1 exactly with ${ia32e.says}`,
      ['guestIa32Efer', 'vmEntryControls'],
      (context) => ((context.vmcs.halves[efer] & LMA) !== 0) === ia32e.test(context),
    ),
  ),
  rule(
    'guest.efer.lme',
    all(loadsEfer, one('CR0.PG')),
    term('guest EFER.LME = guest EFER.LMA', ['guestIa32Efer'], ({ vmcs }) => {
      const value = vmcs.halves[efer];
      return ((value & LME) !== 0) === ((value & LMA) !== 0);
    }),
  ),
  rule('guest.bndcfgs.reserved', on('loadGuestIa32Bndcfgs'), clear('guestIa32Bndcfgs', bits(11, 2)), {
    feature: 'MPX',
  }),
  rule('guest.bndcfgs.canonical', on('loadGuestIa32Bndcfgs'), canonical('guestIa32Bndcfgs'), {
    feature: 'MPX',
  }),
  rule(
    'guest.rtit-ctl.reserved',
    on('loadIa32RtitCtl'),
    clear('guestIa32RtitCtl', bits(63, 0) & ~RTIT_CTL_BITS),
    { feature: 'Intel PT' },
  ),
  rule('guest.s-cet.reserved', loadsCet, clear('guestIa32SCet', bits(9, 6)), cet),
  rule(
    'guest.s-cet.suppress-tracker',
    loadsCet,
    term(
      'Guest IA32_S_CET bits 10 (SUPPRESS) and 11 (TRACKER) are not both 1',
      ['guestIa32SCet'],
      ({ vmcs }) => (vmcs.halves[sCet] & SUPPRESS_AND_TRACKER) !== SUPPRESS_AND_TRACKER,
    ),
    cet,
  ),
  rule(
    'guest.lbr-ctl.reserved',
    on('loadGuestIa32LbrCtl'),
    clear('guestIa32LbrCtl', bits(63, 0) & ~LBR_CTL_BITS),
    { feature: 'architectural LBR' },
  ),
  rule('guest.pkrs.reserved', on('loadGuestPkrs'), clear('guestIa32Pkrs', bits(63, 32)), { feature: 'PKS' }),
  rule('guest.uinv.reserved', on('loadUinv'), clear('guestUinv', bits(15, 8)), { feature: 'UINTR' }),
  rule(
    'guest.spec-ctrl.reserved',
    on('loadGuestSpecCtrl'),
    term(
      'Guest IA32_SPEC_CTRL is a value that WRMSR accepts',
      ['guestIa32SpecCtrl', 'processor.wrmsrFaults', 'processor.specCtrlBits'],
      (context) => !wrmsrFaults(context, 0x48, context.vmcs.get('guestIa32SpecCtrl')),
    ),
    { feature: 'SPEC_CTRL load', ...UNCONFIRMED },
  ),
  rule(
    'guest.fred-config.reserved',
    loadsFred,
    clear('guestIa32FredConfig', bits(2) | bits(5, 4) | bits(11)),
    unconfirmedFred,
  ),
  rule('guest.fred-config.canonical', loadsFred, canonical('guestIa32FredConfig'), unconfirmedFred),
  ...([1, 2, 3] as const).flatMap((level) => {
    const rsp = `guestIa32FredRsp${level}` as const;
    const ssp = `guestIa32FredSsp${level}` as const;
    return [
      rule(`guest.fred-rsp${level}`, loadsFred, all(canonical(rsp), clear(rsp, bits(5, 0))), unconfirmedFred),
      rule(`guest.fred-ssp${level}`, loadsFred, all(canonical(ssp), clear(ssp, bits(2, 0))), unconfirmedFred),
    ];
  }),
];
