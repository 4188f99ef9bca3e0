import fc from 'fast-check';
import {
  lackedControls,
  roundVmEntry,
  SKYLAKE_CAPABILITIES,
  VM_ENTRY_GUESTS,
  VM_ENTRY_TABLES,
  VMCS_FIELDS,
  VmcsData,
  type VmcsField,
  type VmEntryPlatform,
  vmEntryTemplate,
} from '../vmx';

/** Fields that some check of VM entry reads. */
const CHECKED: readonly VmcsField[] = [
  ...new Set(
    VM_ENTRY_TABLES.flatMap(({ rules }) => rules.flatMap(({ reads }) => reads)).filter(
      (name): name is VmcsField => name in VMCS_FIELDS,
    ),
  ),
];

const bit = fc.nat(63).map((place) => 1n << BigInt(place));

/** What a field may become: a bit less or more, or another value. */
const revised: fc.Arbitrary<(value: bigint) => bigint> = fc.oneof(
  { weight: 4, arbitrary: bit.map((flip) => (value: bigint) => value ^ flip) },
  { weight: 1, arbitrary: bit.map((edge) => () => edge - 1n) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((value) => () => value) },
);

const change = fc.record({ field: fc.constantFrom(...CHECKED), revise: revised });

const template = ({ capabilities = SKYLAKE_CAPABILITIES }: VmEntryPlatform): fc.Arbitrary<VmcsData> =>
  fc
    .constantFrom(...VM_ENTRY_GUESTS.filter((guest) => lackedControls(guest, capabilities).length === 0))
    .map((guest) => {
      const vmcs = new VmcsData();
      for (const [field, value] of Object.entries(vmEntryTemplate(guest, capabilities)))
        vmcs.set(field as VmcsField, value);
      return vmcs;
    });

const MOST_CHANGES = 6;

/**
 * VMCSs that enter by VMLAUNCH from a 64-bit host on such a processor (Skylake's capabilities when left out): templates of 64-bit, 32-bit and real-mode guests, changed and rounded.
 * They shrink to a template. What rules read of memory is not looked at. SDM Vol. 3C, 27 VM Entries
 */
export const validVmcs = (platform: VmEntryPlatform = {}): fc.Arbitrary<VmcsData> =>
  fc.tuple(template(platform), fc.array(change, { maxLength: MOST_CHANGES })).map(([start, changes]) => {
    const vmcs = new VmcsData(start);
    for (const { field, revise } of changes) vmcs.set(field, revise(vmcs.get(field)));
    return roundVmEntry({ vmcs }, platform)!.vmcs;
  });

/** A VMCS and the field in which it differs from one that enters. */
export interface NearlyValidVmcs {
  readonly vmcs: VmcsData;
  readonly field: VmcsField;
  /** Of the VMCS that enters. */
  readonly before: bigint;
}

/** VMCSs that differ in one field from one that enters; some of them still enter. SDM Vol. 3C, 27 VM Entries */
export const nearlyValidVmcs = (platform: VmEntryPlatform = {}): fc.Arbitrary<NearlyValidVmcs> =>
  fc.tuple(validVmcs(platform), change).map(([valid, { field, revise }]) => {
    const vmcs = new VmcsData(valid);
    const before = valid.get(field);
    vmcs.set(field, revise(before));
    return { vmcs, field, before };
  });
