import { high32, low32, ModelError, maskOf, type SectionTitle } from '../../core';
import { allowed0, allowed1, type ControlField, VMX_BASIC } from '../capabilities';
import { CONTROLS, type Control, type ControlRow, fieldIndex, type VmcsData, type VmcsField } from '../vmcs';
import type { PhysicalReader, VmEntryContext } from './context';
import { clear, lowHalf, nameOf, ofCapabilities, returnsFromSmm, type Term, term } from './guest-terms';
import type { VmEntryFailure, VmEntryRule } from './vm-entry-rule';

/** The control that gives a field its effect; without it every control of the field counts as 0. */
const ACTIVATION: Partial<Record<ControlField, Control>> = {
  secondaryProcBasedControls: 'activateSecondaryControls',
  tertiaryProcBasedControls: 'activateTertiaryControls',
  secondaryVmExitControls: 'activateSecondaryVmExitControls',
  vmFunctionControls: 'enableVmFunctions',
};

const chain = (control: Control): readonly Control[] => {
  const activation = ACTIVATION[CONTROLS[control].field];
  return activation === undefined ? [control] : [control, ...chain(activation)];
};

/** The control of the VMCS at hand is 1, and so is every control that activates its field. */
export const is1 = (control: Control): Term => {
  const rows: readonly ControlRow[] = chain(control).map((name) => CONTROLS[name]);
  const [first, second, third] = rows.map(({ field, bit }) => ({ at: lowHalf(field), mask: 1 << bit }));
  const test = ({ halves }: VmcsData): boolean =>
    (halves[first.at] & first.mask) !== 0 &&
    (second === undefined || (halves[second.at] & second.mask) !== 0) &&
    (third === undefined || (halves[third.at] & third.mask) !== 0);
  return term(`"${CONTROLS[control].name}" = 1`, [...new Set(rows.map(({ field }) => field))], ({ vmcs }) =>
    test(vmcs),
  );
};

/** The control is 0, or its field has no effect. */
export const is0 = (control: Control): Term => {
  const { reads, test } = is1(control);
  return term(`"${CONTROLS[control].name}" = 0`, reads, (context) => !test(context));
};

/** Every bit that the capability MSR fixes to 1 is 1. SDM Vol. 3D, A.2 Reserved Controls and Default Settings */
export const fixedOnes = (field: ControlField, msr: string): Term => {
  const low = lowHalf(field);
  const required = ofCapabilities((capabilities) => Number(BigInt.asIntN(32, allowed0(capabilities, field))));
  return term(`every bit that ${msr}[31:0] sets is 1`, [field], (context) => {
    const ones = required(context);
    return (context.vmcs.halves[low] & ones) === ones;
  });
};

/** Every bit that the capability MSR fixes to 0 is 0. SDM Vol. 3D, A.2 Reserved Controls and Default Settings */
export const fixedZeros = (field: ControlField, msr: string): Term => {
  const low = lowHalf(field);
  const forbidden = ofCapabilities((capabilities) => {
    const mask = ~allowed1(capabilities, field);
    return { low: low32(mask), high: high32(mask) };
  });
  return term(`no bit that ${msr} clears is 1`, [field], (context) => {
    const mask = forbidden(context);
    const { halves } = context.vmcs;
    return ((halves[low] & mask.low) | (halves[low + 1] & mask.high)) === 0;
  });
};

/** Bits 63:32 of an address decide; bits of a width below 32 are in the low half. */
const fits = (low: number, high: number, width: number): boolean =>
  width >= 32 ? width >= 64 || high >>> (width - 32) === 0 : high === 0 && low >>> width === 0;

const addresses32 = ofCapabilities(
  ({ ia32VmxBasic }) => VMX_BASIC.get(ia32VmxBasic, 'physicalAddressWidth32') === 1n,
);

/** Width of VMX structure addresses: MAXPHYADDR, or 32 with IA32_VMX_BASIC[48]. */
export const addressWidth = (context: VmEntryContext): number =>
  addresses32(context) ? 32 : context.processor.physicalAddressWidth;

/** The memory of a rule that said `needsMemory`. */
export const memoryOf = ({ memory }: VmEntryContext): PhysicalReader => {
  if (memory === undefined) throw new ModelError('a VM-entry rule that reads memory ran without memory');
  return memory;
};

const WIDTH = 'processor.physicalAddressWidth';

/** No bit is set at or above the width of physical addresses. SDM Vol. 3D, A.1 Basic VMX Information */
export const withinPhysicalWidth = (field: VmcsField): Term => {
  const low = lowHalf(field);
  return term(`${nameOf(field)} is within the physical-address width`, [field, WIDTH], (context) => {
    const { halves } = context.vmcs;
    return fits(halves[low], halves[low + 1], addressWidth(context));
  });
};

/** No bit is set at or above MAXPHYADDR, whatever IA32_VMX_BASIC[48] says. */
export const withinMaxPhyAddr = (field: VmcsField): Term => {
  const low = lowHalf(field);
  return term(`${nameOf(field)} is within MAXPHYADDR`, [field, WIDTH], ({ vmcs, processor }) =>
    fits(vmcs.halves[low], vmcs.halves[low + 1], processor.physicalAddressWidth),
  );
};

/** The last byte of a list is within the width of physical addresses; the sum does not wrap. */
export const lastByteWithinWidth = (
  address: VmcsField,
  count: VmcsField,
  bytesOf: (count: bigint) => bigint,
  says: string,
): Term => {
  const addressAt = fieldIndex(address);
  const countAt = fieldIndex(count);
  return term(says, [address, count, WIDTH], (context) => {
    const { words } = context.vmcs;
    return (words[addressAt] + bytesOf(words[countAt]) - 1n) >> BigInt(addressWidth(context)) === 0n;
  });
};

/** The low `bits` bits are 0. */
export const aligned = (field: VmcsField, bits: number): Term =>
  clear(field, maskOf(bits), `${nameOf(field)} is a multiple of ${2 ** bits}`);

/** The whole field passes a test. */
export const valueIs = (field: VmcsField, says: string, test: (value: bigint) => boolean): Term => {
  const at = fieldIndex(field);
  return term(`${nameOf(field)} ${says}`, [field], ({ vmcs }) => test(vmcs.words[at]));
};

export const not = (given: Term, says: string): Term =>
  term(says, given.reads, (context) => !given.test(context));

/** What the capabilities alone decide. */
export const capability = (says: string, derive: Parameters<typeof ofCapabilities<boolean>>[0]): Term =>
  term(says, [], ofCapabilities(derive));

export interface Row<Id extends string> extends VmEntryRule {
  readonly id: Id;
}

export type Extras = Pick<
  Row<string>,
  'unconfirmed' | 'feature' | 'needsMemory' | 'needsState' | 'failureIn' | 'impliedBy'
>;

/** The row constructor of one section: an id, when the rule applies, what must hold; all violations show the same way. */
export const rowsOf =
  (section: SectionTitle, failure: VmEntryFailure) =>
  <const Id extends string>(id: Id, when: Term, holds: Term, extras: Extras = {}): Row<Id> => ({
    id,
    section,
    says: when.says === '' ? holds.says : `if ${when.says}: ${holds.says}`,
    reads: [...new Set([...when.reads, ...holds.reads])],
    when: when.test,
    appliesBy: when.reads,
    holds: holds.test,
    failure,
    ...extras,
  });

/** The same condition, but never on a VM entry that returns from SMM: the executive VMCS is checked instead. */
export const notReturningFromSmm = (when: Term): Term =>
  term(
    when.says,
    [...new Set([...when.reads, ...returnsFromSmm.reads])],
    (context) => when.test(context) && !(context.processor.inSmm && returnsFromSmm.test(context)),
  );
