import type { Processor } from '../../cpu/presets';
import { SKYLAKE_CAPABILITIES } from '../preset-capabilities';
import { FIELD_NAMES, VmcsData, type VmcsField, type VmcsValues } from '../vmcs';
import type { PhysicalReader, VmEntryContext, VmEntryProcessor } from './context';
import { PartialMemory } from './partial-memory';
import { platformOf, type VmEntryPlatform } from './platform';

/** What `checkVmEntry` is asked about. */
export interface VmEntryInput {
  /** The VMCS, whole, or by field: rules that read a field left out are then not evaluated. */
  readonly vmcs: VmcsData | Partial<VmcsValues>;
  /** Launch state of a VMCS given by field; clear when left out. */
  readonly launched?: boolean;
  /** Shadow-VMCS indicator of a VMCS given by field; 0 when left out. */
  readonly shadow?: boolean;
  /** Physical memory; without it rules that read memory are not evaluated. `PartialMemory` is a reader that knows some of it. */
  readonly memory?: PhysicalReader;
  /** The four PDPTEs in the table at guest CR3, where `memory` does not have them. */
  readonly pdptes?: readonly bigint[];
  /** The VM-entry MSR-load area, where `memory` does not have it: bits 63:0 (the index in 31:0) and 127:64 of each entry. */
  readonly msrLoadArea?: readonly { readonly index: bigint; readonly value: bigint }[];
  /** State of the processor where it differs from VMLAUNCH at CPL 0 in 64-bit mode and VMX root operation. */
  readonly state?: Partial<VmEntryProcessor>;
  /** Also the rules that no source settles; off when left out. */
  readonly unconfirmed?: boolean;
}

/** VMLAUNCH at CPL 0 in 64-bit mode and VMX root operation. */
export const ORDINARY: VmEntryProcessor = {
  longMode: true,
  ia32eMode: true,
  cpl: 0,
  instruction: 'vmlaunch',
  currentVmcs: undefined,
  movSsBlocking: false,
  inSmm: false,
  physicalAddressWidth: 46,
  linearAddressWidth: 48,
  traceEnabled: false,
  features: new Set(),
};

const NONE_MISSING: ReadonlySet<VmcsField> = new Set();

/** Puts the VMCS that was given by field into `vmcs`, 0 where a field was not given: those are what comes back. */
const takeFields = (
  { vmcs: given, launched = false, shadow = false }: VmEntryInput,
  vmcs: VmcsData,
): ReadonlySet<VmcsField> => {
  let missing: Set<VmcsField> | undefined;
  for (let index = 0; index < FIELD_NAMES.length; index++) {
    const value = (given as Partial<VmcsValues>)[FIELD_NAMES[index]];
    vmcs.setAt(index, value ?? 0n);
    if (value !== undefined) continue;
    missing ??= new Set();
    missing.add(FIELD_NAMES[index]);
  }
  vmcs.launched = launched;
  vmcs.shadow = shadow;
  return missing ?? NONE_MISSING;
};

/** Bits of guest CR3 that locate the four PDPTEs. SDM Vol. 3A, 4.4.1 PDPTE Registers */
export const PDPT_BASE = 0xffff_ffe0n;
const ENTRY_BYTES = 16;
const ADDRESS_BITS = (1n << 52n) - 1n;

/** Memory with the tables that were given apart from it. */
const memoryOf = ({ memory, pdptes, msrLoadArea }: VmEntryInput, vmcs: VmcsData) => {
  if (pdptes === undefined && msrLoadArea === undefined) return memory;
  const all = new PartialMemory(memory ?? new PartialMemory());
  const table = Number(vmcs.get('guestCr3') & PDPT_BASE);
  pdptes?.forEach((entry, place) => {
    all.put64(table + 8 * place, entry);
  });
  const area = Number(vmcs.get('vmEntryMsrLoadAddress') & ADDRESS_BITS);
  msrLoadArea?.forEach(({ index, value }, place) => {
    all.put64(area + ENTRY_BYTES * place, index).put64(area + ENTRY_BYTES * place + 8, value);
  });
  return all;
};

/** What rules look at, and the fields that were not given. A VMCS given by field goes to `scratch`. */
export const contextOf = (
  input: VmEntryInput,
  processor: VmEntryPlatform | Processor,
  scratch: VmcsData = new VmcsData(),
): { readonly context: VmEntryContext; readonly absent: ReadonlySet<VmcsField> } => {
  const { capabilities = SKYLAKE_CAPABILITIES, ...widthsAndFeatures } = platformOf(processor);
  const isWhole = input.vmcs instanceof VmcsData;
  const vmcs = isWhole ? (input.vmcs as VmcsData) : scratch;
  const absent = isWhole ? NONE_MISSING : takeFields(input, vmcs);
  const context = {
    vmcs,
    capabilities,
    memory: memoryOf(input, vmcs),
    processor: { ...ORDINARY, ...widthsAndFeatures, ...input.state },
  };
  return { context, absent };
};
