import { high32, low32, type SectionTitle } from '../../core';
import { controlSupported, type VmxCapabilities } from '../capabilities';
import { CONTROLS, type Control, type ControlRow, fieldIndex, VMCS_FIELDS, type VmcsField } from '../vmcs';
import type { StateField } from './context';
import type { GuestEntryContext } from './guest-context';
import type { VmEntryFailure, VmEntryRule } from './vm-entry-rule';

/** A state field that a term looks at; capabilities are constant, and `needsMemory` stands for memory. */
export type GuestInput = StateField | 'processor.wrmsrFaults';

/** A condition: its words, what it reads, and its test. Rules are two of them, so text and `reads` follow from the row. */
export interface Term {
  readonly says: string;
  readonly reads: readonly GuestInput[];
  readonly test: (context: GuestEntryContext) => boolean;
}

export const term = (
  says: string,
  reads: readonly GuestInput[],
  test: (context: GuestEntryContext) => boolean,
): Term => ({ says, reads, test });

const union = (terms: readonly Term[]): readonly GuestInput[] => [
  ...new Set(terms.flatMap(({ reads }) => reads)),
];

export const always: Term = term('', [], () => true);

const both = (a: Term, b: Term): Term =>
  a === always
    ? b
    : term(`${a.says} and ${b.says}`, union([a, b]), (context) => a.test(context) && b.test(context));

/** All hold. */
export const all = (first: Term, ...others: readonly Term[]): Term => others.reduce(both, first);

/** At least one holds. */
export const any = (...terms: readonly Term[]): Term =>
  term(`either ${terms.map((each) => each.says).join(' or ')}`, union(terms), (context) =>
    terms.some((each) => each.test(context)),
  );

/** Place of a field's low half in `VmcsData.halves`; the high half follows. */
export const lowHalf = (field: VmcsField): number => 2 * fieldIndex(field);

/** The mask of bits `high` to `low`. */
export const bits = (high: number, low: number = high): bigint =>
  ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);

/** "bits 11:8 and 2", from the mask. */
const namesOfBits = (mask: bigint): string => {
  const ranges: string[] = [];
  for (let low = 0; low < 64; low++) {
    if (((mask >> BigInt(low)) & 1n) === 0n) continue;
    let high = low;
    while (high < 63 && ((mask >> BigInt(high + 1)) & 1n) === 1n) high++;
    ranges.unshift(high === low ? `${low}` : `${high}:${low}`);
    low = high;
  }
  const last = ranges.pop() ?? 'none';
  return ranges.length > 0
    ? `bits ${ranges.join(', ')} and ${last}`
    : `bit${last.includes(':') ? 's' : ''} ${last}`;
};

export const nameOf = (field: VmcsField): string => VMCS_FIELDS[field].name;

/** Every bit of the mask is 0. */
export const clear = (field: VmcsField, mask: bigint, says?: string): Term => {
  const low = lowHalf(field);
  const lowMask = low32(mask);
  const highMask = high32(mask);
  return term(
    says ?? `${nameOf(field)} ${namesOfBits(mask)} = 0`,
    [field],
    highMask === 0
      ? ({ vmcs }) => (vmcs.halves[low] & lowMask) === 0
      : ({ vmcs }) => ((vmcs.halves[low] & lowMask) | (vmcs.halves[low + 1] & highMask)) === 0,
  );
};

/** At least one bit of the mask is 1. */
export const some = (field: VmcsField, mask: bigint, says: string): Term => {
  const { reads, test } = clear(field, mask);
  return term(says, reads, (context) => !test(context));
};

/** Bits 31:0 under a mask have one of the values; `says` follows the field's name. */
export const lowIsOneOf = (field: VmcsField, mask: number, values: readonly number[], says: string): Term => {
  const low = lowHalf(field);
  const [first] = values;
  const allowed = new Set(values);
  return term(
    `${nameOf(field)} ${says}`,
    [field],
    values.length === 1
      ? ({ vmcs }) => (vmcs.halves[low] & mask) === first
      : ({ vmcs }) => allowed.has(vmcs.halves[low] & mask),
  );
};

/** Named bits of guest registers and state fields. */
const FLAGS = {
  'CR0.PE': ['guestCr0', 0],
  'CR0.WP': ['guestCr0', 16],
  'CR0.PG': ['guestCr0', 31],
  'CR4.PAE': ['guestCr4', 5],
  'CR4.PCIDE': ['guestCr4', 17],
  'CR4.CET': ['guestCr4', 23],
  'CR4.FRED': ['guestCr4', 32],
  'CS.L': ['guestCsAccessRights', 13],
  'CS.D': ['guestCsAccessRights', 14],
  'RFLAGS.TF': ['guestRflags', 8],
  'RFLAGS.IF': ['guestRflags', 9],
  'RFLAGS.VM': ['guestRflags', 17],
  'DEBUGCTL.BTF': ['guestIa32Debugctl', 1],
  'blocking by STI': ['guestInterruptibilityState', 0],
  'blocking by MOV SS': ['guestInterruptibilityState', 1],
  'blocking by SMI': ['guestInterruptibilityState', 2],
  'blocking by NMI': ['guestInterruptibilityState', 3],
  'enclave interruption': ['guestInterruptibilityState', 4],
  'pending debug BS': ['guestPendingDebugExceptions', 14],
  'pending debug RTM': ['guestPendingDebugExceptions', 16],
} as const satisfies Record<string, readonly [VmcsField, number]>;

export type Flag = keyof typeof FLAGS;

/** The flag is 0. */
export const zero = (flag: Flag): Term => clear(FLAGS[flag][0], bits(FLAGS[flag][1]), `guest ${flag} = 0`);

/** The flag is 1. */
export const one = (flag: Flag): Term => some(FLAGS[flag][0], bits(FLAGS[flag][1]), `guest ${flag} = 1`);

const ENTRY_CONTROLS = lowHalf('vmEntryControls');
const ENTRY_TO_SMM = 1 << CONTROLS.entryToSmm.bit;
const PRIMARY = lowHalf('primaryProcBasedControls');
const ACTIVATE_SECONDARY = 1 << CONTROLS.activateSecondaryControls.bit;

const EXECUTIVE_POINTER = lowHalf('executiveVmcsPointer');

/** A physical address (below 2^52) from its halves, or a number beyond every address. */
export const addressAt = (halves: Int32Array, low: number): number =>
  (halves[low + 1] >>> 0) * 2 ** 32 + (halves[low] >>> 0);

/** The executive-VMCS pointer is the VMXON pointer: the SMI came in VMX root operation. */
export const pointsToVmxon: Term = term(
  'the executive-VMCS pointer is the VMXON pointer',
  ['executiveVmcsPointer', 'processor.vmxonPointer'],
  ({ vmcs, processor }) => addressAt(vmcs.halves, EXECUTIVE_POINTER) === processor.vmxonPointer,
);

/** A VM entry that returns from SMM. SDM Vol. 3C, 32.15.4 VM Entries That Return from SMM */
export const returnsFromSmm: Term = term(
  'the VM entry returns from SMM',
  ['processor.inSmm', 'vmEntryControls'],
  ({ processor, vmcs }) => processor.inSmm && (vmcs.halves[ENTRY_CONTROLS] & ENTRY_TO_SMM) === 0,
);

// SDM Vol. 3C, 32.15.4.4 Checks on the Guest State Area: the executive VMCS has the controls; without one they are 0.
const executionControls = (context: GuestEntryContext): Int32Array | undefined =>
  returnsFromSmm.test(context) ? context.processor.executiveVmcs?.halves : context.vmcs.halves;

const SMM_INPUTS: readonly GuestInput[] = [...returnsFromSmm.reads, 'processor.executiveVmcs'];

/** The control is 1, where it counts: a field that is not activated counts as 0. Fields above bit 31 are not asked for. */
export const on = (control: Control): Term => {
  const row: ControlRow = CONTROLS[control];
  const mask = 1 << row.bit;
  const low = lowHalf(row.field);
  const says = `"${row.name}" = 1`;
  switch (row.field) {
    case 'vmEntryControls':
      return term(says, [row.field], ({ vmcs }) => (vmcs.halves[low] & mask) !== 0);
    case 'pinBasedControls':
      return term(says, [row.field, ...SMM_INPUTS], (context) => {
        const halves = executionControls(context);
        return halves !== undefined && (halves[low] & mask) !== 0;
      });
    case 'secondaryProcBasedControls':
      return term(says, [row.field, 'primaryProcBasedControls', ...SMM_INPUTS], (context) => {
        const halves = executionControls(context);
        return (
          halves !== undefined && (halves[low] & mask) !== 0 && (halves[PRIMARY] & ACTIVATE_SECONDARY) !== 0
        );
      });
    default:
      throw new RangeError(`no guest-state rule asks for ${control}`);
  }
};

/** The control is 0, or is in a field that is not activated. */
export const off = (control: Control): Term => {
  const { reads, test } = on(control);
  return term(`"${CONTROLS[control].name}" = 0`, reads, (context) => !test(context));
};

/** A value that depends on the capabilities alone, kept for the ones seen last. */
export const ofCapabilities = <A>(
  derive: (capabilities: VmxCapabilities) => A,
): ((context: GuestEntryContext) => A) => {
  let known: VmxCapabilities | undefined;
  let value: A;
  return ({ capabilities }) => {
    if (capabilities !== known) {
      value = derive(capabilities);
      known = capabilities;
    }
    return value;
  };
};

/** "IA-32e mode guest" may be 1 there and nowhere else. SDM Vol. 3C, 25.8.1 VM-Entry Controls */
export const intel64: Term = term(
  'the processor supports Intel 64',
  [],
  ofCapabilities((capabilities) => controlSupported(capabilities, 'ia32eModeGuest')),
);

/** Bits 63:N are identical to each other and, when canonical, to bit N-1; N is the linear-address width of the processor. */
const signExtended = (field: VmcsField, drop: 32 | 33, says: string): Term => {
  const high = lowHalf(field) + 1;
  return term(`${nameOf(field)} ${says}`, [field, 'processor.linearAddressWidth'], ({ vmcs, processor }) => {
    const sign = vmcs.halves[high] >> (processor.linearAddressWidth - drop);
    return sign === 0 || sign === -1;
  });
};

/** Canonical for the largest linear-address width of the processor, whatever CR4.LA57 is. */
export const canonical = (field: VmcsField): Term => signExtended(field, 33, 'is canonical');

/** Bits 63:N are identical; bit N-1 may differ. */
export const identicalHigh = (field: VmcsField): Term =>
  signExtended(field, 32, 'bits above the linear-address width are identical');

/** Whether bits 63:`width` of a value are 0, given bits 63:32; `width` is 32 to 63. */
export const fitsWidth = (high: number, width: number): boolean => high >>> (width - 32) === 0;

const exit33 = (qualification: number): VmEntryFailure => ({ kind: 'exit', reason: 33, qualification });

export type GuestRow<Id extends string> = VmEntryRule & { readonly id: Id };

type Extras = Pick<
  VmEntryRule,
  'unconfirmed' | 'feature' | 'needsMemory' | 'needsState' | 'failureIn' | 'impliedBy'
>;

/**
 * The row constructor of one section: an id, when the rule applies, what must hold. A violation shows as exit 33 with the
 * given exit qualification. SDM Vol. 3C, 27.8 VM-Entry Failures During or After Loading Guest State
 */
export const rulesOf =
  (section: SectionTitle, qualification = 0) =>
  <const Id extends string>(id: Id, when: Term, holds: Term, extras: Extras = {}): GuestRow<Id> => ({
    id,
    section,
    says: when.says === '' ? holds.says : `if ${when.says}: ${holds.says}`,
    reads: union([when, holds]),
    when: when.test,
    appliesBy: when.reads,
    holds: holds.test,
    failure: exit33(qualification),
    ...extras,
  });

/** Rules of an extension that no source settles yet: off unless asked for. */
export const UNCONFIRMED: Extras = { unconfirmed: true };
