import { injectsType } from './guest-injection-terms';
import { dplIs } from './guest-segment-terms';
import {
  all,
  always,
  any,
  bits,
  canonical,
  clear,
  identicalHigh,
  intel64,
  off,
  on,
  one,
  rulesOf,
  some,
  UNCONFIRMED,
  zero,
} from './guest-terms';

const descriptorTable = rulesOf('Checks on Guest Descriptor-Table Registers');

/** SDM Vol. 3C, 27.3.1.3 Checks on Guest Descriptor-Table Registers */
export const guestDescriptorTableRules = [
  descriptorTable('guest.gdtr.base-canonical', intel64, canonical('guestGdtrBase')),
  descriptorTable('guest.idtr.base-canonical', intel64, canonical('guestIdtrBase')),
  descriptorTable('guest.gdtr.limit-high', always, clear('guestGdtrLimit', bits(31, 16))),
  descriptorTable('guest.idtr.limit-high', always, clear('guestIdtrLimit', bits(31, 16))),
];

const rule = rulesOf('Checks on Guest RIP, RFLAGS, and SSP');
const ia32e = on('ia32eModeGuest');
const loadsCet = on('loadGuestCetState');
const FLAGS_RESERVED = bits(63, 22) | bits(15) | bits(5) | bits(3);

/** SDM Vol. 3C, 27.3.1.4 Checks on Guest RIP, RFLAGS, and SSP */
export const guestRipRules = [
  rule(
    'guest.rip.high',
    all(intel64, any(off('ia32eModeGuest'), zero('CS.L'))),
    clear('guestRip', bits(63, 32)),
  ),
  rule('guest.rip.identical', all(ia32e, one('CS.L')), identicalHigh('guestRip')),
  rule('guest.rflags.reserved-zero', always, clear('guestRflags', FLAGS_RESERVED)),
  rule('guest.rflags.reserved-one', always, some('guestRflags', bits(1), 'Guest RFLAGS bit 1 = 1')),
  rule('guest.rflags.vm-ia32e', ia32e, zero('RFLAGS.VM')),
  rule('guest.rflags.vm-real-mode', zero('CR0.PE'), zero('RFLAGS.VM')),
  rule('guest.rflags.if-injection', injectsType(0), one('RFLAGS.IF')),
  rule('guest.rflags.iopl-fred', all(one('CR4.FRED'), dplIs('ss', 3)), clear('guestRflags', bits(13, 12)), {
    feature: 'FRED',
  }),
  rule('guest.ssp.aligned', loadsCet, clear('guestSsp', bits(1, 0)), { feature: 'CET' }),
  rule('guest.ssp.identical', loadsCet, identicalHigh('guestSsp'), { feature: 'CET' }),
  rule(
    'guest.ssp.high',
    all(loadsCet, off('ia32eModeGuest')),
    all(clear('guestSsp', bits(63, 32)), clear('guestIa32SCet', bits(63, 32))),
    { feature: 'CET', ...UNCONFIRMED },
  ),
];
