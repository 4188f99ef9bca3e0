import { dplOf } from '../../cpu/segments';
import {
  accessClear,
  accessSet,
  baseIsSelectorTimes16,
  dataOrNonconforming,
  dplIs,
  lowIs,
  related,
  rplOf,
  type Segment,
  segmentField,
  typeIs,
  usable,
} from './guest-segment-terms';
import {
  all,
  always,
  bits,
  canonical,
  clear,
  intel64,
  lowHalf,
  off,
  on,
  one,
  rulesOf,
  some,
  type Term,
  term,
  zero,
} from './guest-terms';

// SDM Vol. 3C, 27.3.1.2 Checks on Guest Segment Registers
const rule = rulesOf('Checks on Guest Segment Registers');

const DATA = ['ds', 'es', 'fs', 'gs'] as const;
const SIX = ['cs', 'ss', ...DATA] as const;

const inVirtual8086 = one('RFLAGS.VM');
const notVirtual8086 = zero('RFLAGS.VM');
const restricted = off('unrestrictedGuest');
const fred = one('CR4.FRED');

/** When the access rights of a code, stack or data segment count: CS always, the others unless unusable. */
const counts = (segment: Segment): Term =>
  segment === 'cs' ? notVirtual8086 : all(notVirtual8086, usable(segment));

const base = (segment: Segment) => segmentField(segment, 'Base');
const limit = (segment: Segment) => segmentField(segment, 'Limit');
const access = (segment: Segment) => segmentField(segment, 'AccessRights');
const selector = (segment: Segment) => segmentField(segment, 'Selector');

const LIMIT_8086 = 0xffff;
const ACCESS_8086 = 0xf3;
const TABLE_INDICATOR = bits(2);
const PAGE_OFFSET = 0xfff;

const present = (segment: Segment): Term => accessSet(segment, 7, 'P');
const system = (segment: Segment): Term => accessClear(segment, 4);
const codeOrData = (segment: Segment): Term => accessSet(segment, 4, 'S');

/** When G must be 0: the limit is not a whole number of pages. */
const limitInBytes = (segment: Segment): Term => {
  const low = lowHalf(limit(segment));
  return term(
    `${segment.toUpperCase()} limit bits 11:0 are not all 1`,
    [limit(segment)],
    ({ vmcs }) => (vmcs.halves[low] & PAGE_OFFSET) !== PAGE_OFFSET,
  );
};

/** When G must be 1: the limit needs more than 20 bits. */
const limitInPages = (segment: Segment): Term =>
  some(limit(segment), bits(31, 20), `${segment.toUpperCase()} limit bits 31:20 are not all 0`);

const granular = (segment: Segment): Term => accessSet(segment, 15, 'G');
const byteGranular = (segment: Segment): Term => accessClear(segment, 15);

const dplAgainstSs = (says: string, holds: (cs: number, ss: number) => boolean): Term =>
  related(access('cs'), access('ss'), says, (cs, ss) => holds(dplOf(cs), dplOf(ss)));

/** The access rights that TR and LDTR share, in the manual's order. */
const systemAccessRules = <const S extends 'tr' | 'ldtr'>(segment: S, when: Term) => [
  rule(`guest.${segment}.s-bit`, when, system(segment)),
  rule(`guest.${segment}.present`, when, present(segment)),
  rule(`guest.${segment}.reserved-11-8`, when, accessClear(segment, 11, 8)),
  rule(`guest.${segment}.granularity-low`, all(when, limitInBytes(segment)), byteGranular(segment)),
  rule(`guest.${segment}.granularity-high`, all(when, limitInPages(segment)), granular(segment)),
];

const selectorAndBaseRules = [
  rule('guest.tr.selector-ti', always, clear(selector('tr'), TABLE_INDICATOR)),
  rule('guest.ldtr.selector-ti', usable('ldtr'), clear(selector('ldtr'), TABLE_INDICATOR)),
  rule(
    'guest.ss.selector-rpl',
    all(notVirtual8086, restricted),
    related(selector('ss'), selector('cs'), 'SS RPL = CS RPL', (ss, cs) => rplOf(ss) === rplOf(cs)),
  ),
  ...SIX.map((s) => rule(`guest.${s}.base-v8086`, inVirtual8086, baseIsSelectorTimes16(s))),
  ...(['tr', 'fs', 'gs'] as const).map((s) => rule(`guest.${s}.base-canonical`, intel64, canonical(base(s)))),
  rule('guest.ldtr.base-canonical', all(intel64, usable('ldtr')), canonical(base('ldtr'))),
  rule('guest.cs.base-high', intel64, clear(base('cs'), bits(63, 32))),
  ...(['ss', 'ds', 'es'] as const).map((s) =>
    rule(`guest.${s}.base-high`, all(intel64, usable(s)), clear(base(s), bits(63, 32))),
  ),
];

const limitRules = SIX.map((s) =>
  rule(`guest.${s}.limit-v8086`, inVirtual8086, lowIs(limit(s), LIMIT_8086, '= 0000FFFFH')),
);

const typeAndPrivilegeRules = [
  ...SIX.map((s) =>
    rule(`guest.${s}.access-rights-v8086`, inVirtual8086, lowIs(access(s), ACCESS_8086, '= 000000F3H')),
  ),
  rule('guest.cs.type-restricted', all(notVirtual8086, restricted), typeIs('cs', 9, 11, 13, 15)),
  rule(
    'guest.cs.type-unrestricted',
    all(notVirtual8086, on('unrestrictedGuest')),
    typeIs('cs', 3, 9, 11, 13, 15),
  ),
  rule('guest.ss.type', counts('ss'), typeIs('ss', 3, 7)),
  ...DATA.map((s) => rule(`guest.${s}.type-accessed`, counts(s), accessSet(s, 0, 'accessed'))),
  ...DATA.map((s) =>
    rule(`guest.${s}.type-readable`, all(counts(s), accessSet(s, 3, 'code')), accessSet(s, 1, 'readable')),
  ),
  ...SIX.map((s) => rule(`guest.${s}.s-bit`, counts(s), codeOrData(s))),
  rule('guest.cs.dpl-type3', all(notVirtual8086, typeIs('cs', 3)), dplIs('cs', 0)),
  rule(
    'guest.cs.dpl-nonconforming',
    all(notVirtual8086, typeIs('cs', 9, 11)),
    dplAgainstSs('CS DPL = SS DPL', (cs, ss) => cs === ss),
  ),
  rule(
    'guest.cs.dpl-conforming',
    all(notVirtual8086, typeIs('cs', 13, 15)),
    dplAgainstSs('CS DPL is at most SS DPL', (cs, ss) => cs <= ss),
  ),
  rule(
    'guest.ss.dpl-rpl',
    all(notVirtual8086, restricted),
    related(access('ss'), selector('ss'), 'SS DPL = SS RPL', (ss, sel) => dplOf(ss) === rplOf(sel)),
  ),
  rule('guest.ss.dpl-cs-type3', all(notVirtual8086, typeIs('cs', 3)), dplIs('ss', 0)),
  rule('guest.ss.dpl-real-mode', all(notVirtual8086, zero('CR0.PE')), dplIs('ss', 0)),
  ...DATA.map((s) =>
    rule(
      `guest.${s}.dpl-rpl`,
      all(counts(s), restricted, dataOrNonconforming(s)),
      related(
        access(s),
        selector(s),
        `${s.toUpperCase()} DPL is at least its RPL`,
        (rights, sel) => dplOf(rights) >= rplOf(sel),
      ),
    ),
  ),
];

const presenceAndGranularityRules = [
  ...SIX.map((s) => rule(`guest.${s}.present`, counts(s), present(s))),
  ...SIX.map((s) => rule(`guest.${s}.reserved-11-8`, counts(s), accessClear(s, 11, 8))),
  rule('guest.cs.db-l', all(notVirtual8086, on('ia32eModeGuest'), one('CS.L')), zero('CS.D')),
  ...SIX.map((s) => rule(`guest.${s}.granularity-low`, all(counts(s), limitInBytes(s)), byteGranular(s))),
  ...SIX.map((s) => rule(`guest.${s}.granularity-high`, all(counts(s), limitInPages(s)), granular(s))),
  ...SIX.map((s) => rule(`guest.${s}.reserved-31-17`, counts(s), accessClear(s, 31, 17))),
  rule('guest.ss.dpl-fred', fred, dplIs('ss', 0, 3), { feature: 'FRED' }),
  rule('guest.cs.l-fred', all(fred, dplIs('ss', 0)), one('CS.L'), { feature: 'FRED' }),
];

const systemSegmentRules = [
  rule('guest.tr.type-legacy', off('ia32eModeGuest'), typeIs('tr', 3, 11)),
  rule('guest.tr.type-ia32e', on('ia32eModeGuest'), typeIs('tr', 11)),
  ...systemAccessRules('tr', always),
  rule('guest.tr.usable', always, accessClear('tr', 16)),
  rule('guest.tr.reserved-31-17', always, accessClear('tr', 31, 17)),
  rule('guest.ldtr.type', usable('ldtr'), typeIs('ldtr', 2)),
  ...systemAccessRules('ldtr', usable('ldtr')),
  rule('guest.ldtr.reserved-31-17', usable('ldtr'), accessClear('ldtr', 31, 17)),
];

/** Rules of 27.3.1.2, in the manual's order. */
export const guestSegmentRules = [
  ...selectorAndBaseRules,
  ...limitRules,
  ...typeAndPrivilegeRules,
  ...presenceAndGranularityRules,
  ...systemSegmentRules,
];
