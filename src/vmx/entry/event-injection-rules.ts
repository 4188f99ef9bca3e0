import { controlSupported, VMX_BASIC, VMX_MISC } from '../capabilities';
import { capability, type Extras, is0, not, type Row, rowsOf } from './control-terms';
import { all, any, bits, clear, lowHalf, one, type Term, term } from './guest-terms';

// SDM Vol. 3C, 27.2.1.3 VM-Entry Control Fields
const rule = rowsOf('VM-Entry Control Fields', { kind: 'VMfailValid', error: 7 });

const FRED: Extras = { feature: 'FRED' };

const INFO = 'vmEntryInterruptionInfo';
const AT = lowHalf(INFO);
const VALID = 1 << 31;

/** Event types of bits 10:8. SDM Vol. 3C, 25.8.3 VM-Entry Controls for Event Injection */
const NMI = 2;
const HARDWARE_EXCEPTION = 3;
const SOFTWARE_TYPES = [4, 5, 6];
const OTHER_EVENT = 7;

const about = (says: string, test: (info: number) => boolean): Term =>
  term(says, [INFO], ({ vmcs }) => test(vmcs.halves[AT]));

const injecting = about('an event is injected', (info) => (info & VALID) !== 0);
const typeOf = (info: number): number => (info >>> 8) & 7;
const vectorOf = (info: number): number => info & 0xff;
const injectsType = (says: string, ...types: readonly number[]): Term => {
  const wanted = new Set(types);
  return about(`${says} is injected`, (info) => (info & VALID) !== 0 && wanted.has(typeOf(info)));
};

const hardwareException = injectsType('a hardware exception', HARDWARE_EXCEPTION);
const otherEvent = injectsType('an other event', OTHER_EVENT);
const softwareEvent = injectsType('a software event (type 4, 5 or 6)', ...SOFTWARE_TYPES);

const vectorIn = (says: string, ...vectors: readonly number[]): Term => {
  const wanted = new Set(vectors);
  return about(`the vector is ${says}`, (info) => wanted.has(vectorOf(info)));
};

const withErrorCode = vectorIn('8, 10 to 14 or 17', 8, 10, 11, 12, 13, 14, 17);
const withoutErrorCode = all(
  not(withErrorCode, 'the vector is none of 8, 10 to 14, 17'),
  about('at most 31', (info) => vectorOf(info) <= 31),
);

const deliversErrorCode = about('"deliver error code" = 1', (info) => (info & 0x800) !== 0);
const noErrorCode = clear(INFO, bits(11), '"deliver error code" = 0');
const strictErrorCodes = capability(
  'IA32_VMX_BASIC[56] = 0',
  ({ ia32VmxBasic }) => VMX_BASIC.get(ia32VmxBasic, 'anyErrorCode') === 0n,
);

// With "unrestricted guest" = 0, CR0.PE = 0 fails a guest-state rule later anyway.
const protectedMode = any(is0('unrestrictedGuest'), one('CR0.PE'));
const realMode = not(protectedMode, 'the guest is in real-address mode');

const nestedExceptions = capability(
  'nested exceptions are supported',
  ({ ia32VmxBasic }) => VMX_BASIC.get(ia32VmxBasic, 'nestedException') === 1n,
);
const fredEvent = all(one('CR4.FRED'), vectorIn('1 or 2', 1, 2));
const LENGTH = lowHalf('vmEntryInstructionLength');
const lengthAtMost15 = term(
  'VM-entry instruction length is at most 15',
  ['vmEntryInstructionLength'],
  ({ vmcs }) => vmcs.halves[LENGTH] >>> 0 <= 15,
);

/** In any order. SDM Vol. 3C, 27.2.1.3 VM-Entry Control Fields */
export const eventInjectionRules = [
  rule(
    'ctl.inject.type-reserved',
    injecting,
    about('the type is not 1', (info) => typeOf(info) !== 1),
  ),
  rule(
    'ctl.inject.type-other-event',
    otherEvent,
    any(
      capability('"Monitor trap flag" may be 1', (capabilities) =>
        controlSupported(capabilities, 'monitorTrapFlag'),
      ),
      fredEvent,
    ),
  ),
  rule('ctl.inject.nmi-vector', injectsType('an NMI', NMI), vectorIn('2', 2)),
  rule(
    'ctl.inject.hardware-exception-vector',
    hardwareException,
    about('the vector is at most 31', (info) => vectorOf(info) <= 31),
  ),
  rule('ctl.inject.other-event-vector', otherEvent, any(vectorIn('0', 0), fredEvent)),
  rule(
    'ctl.inject.error-code-required',
    all(hardwareException, protectedMode, strictErrorCodes, withErrorCode),
    deliversErrorCode,
  ),
  rule(
    'ctl.inject.error-code-not-hardware-exception',
    injectsType('anything but a hardware exception', 0, 1, NMI, ...SOFTWARE_TYPES, OTHER_EVENT),
    noErrorCode,
  ),
  rule('ctl.inject.error-code-real-mode', all(hardwareException, realMode), noErrorCode),
  rule(
    'ctl.inject.error-code-forbidden-vector',
    all(hardwareException, strictErrorCodes, withoutErrorCode),
    noErrorCode,
  ),
  rule(
    'ctl.inject.reserved-bits',
    injecting,
    all(clear(INFO, bits(30, 14) | bits(12)), any(nestedExceptions, clear(INFO, bits(13), 'bit 13 = 0'))),
  ),
  rule(
    'ctl.inject.nested-exception-type',
    all(
      injecting,
      nestedExceptions,
      about('bit 13 = 1', (info) => (info & 0x2000) !== 0),
    ),
    about('the type is 3', (info) => typeOf(info) === HARDWARE_EXCEPTION),
    FRED,
  ),
  rule(
    'ctl.inject.error-code-high-bits',
    all(injecting, deliversErrorCode),
    clear('vmEntryExceptionErrorCode', bits(31, 16)),
  ),
  rule('ctl.inject.instruction-length-max', softwareEvent, lengthAtMost15),
  rule(
    'ctl.inject.instruction-length-zero',
    all(
      softwareEvent,
      capability(
        'IA32_VMX_MISC[30] = 0',
        ({ ia32VmxMisc }) => VMX_MISC.get(ia32VmxMisc, 'zeroLengthInjection') === 0n,
      ),
    ),
    term(
      'VM-entry instruction length is not 0',
      ['vmEntryInstructionLength'],
      ({ vmcs }) => vmcs.halves[LENGTH] !== 0,
    ),
  ),
  rule('ctl.inject.fred-instruction-length', all(otherEvent, fredEvent), lengthAtMost15, FRED),
] as const satisfies readonly Row<string>[];
