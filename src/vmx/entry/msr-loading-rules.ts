import { MSR } from '../../cpu/msr-index';
import { mostAreaEntries } from '../capabilities';
import type { PhysicalReader } from './context';
import type { GuestEntryContext } from './guest-context';
import { wrmsrFaults } from './guest-msr-values';
import { addressAt, type GuestRow, lowHalf, type Term, term } from './guest-terms';
import type { VmEntryFailure } from './vm-entry-rule';

/** One 16-byte entry of an MSR area. SDM Vol. 3C, 25.7.2 VM-Exit Controls for MSRs */
interface MsrEntry {
  /** Bits 31:0. */
  readonly index: number;
  /** Bits 63:32, which must be 0. */
  readonly reserved: number;
  /** Bits 127:64. */
  readonly value: bigint;
}

type Check = (entry: MsrEntry, context: GuestEntryContext) => boolean;

const X2APIC_PAGE = 0x8;
/** IA32_SMM_MONITOR_CTL, IA32_SMBASE. */
const SMM_ONLY: ReadonlySet<number> = new Set([0x9b, 0x9e]);
/** IA32_BIOS_UPDT_TRIG, IA32_BIOS_SIGN_ID. */
const EXCLUDED: ReadonlySet<number> = new Set([0x79, 0x8b]);

const COUNT = lowHalf('vmEntryMsrLoadCount');
const ADDRESS = lowHalf('vmEntryMsrLoadAddress');
const ENTRY_BYTES = 16;

const READS = ['vmEntryMsrLoadAddress', 'vmEntryMsrLoadCount'] as const;

const entryCount = ({ vmcs }: GuestEntryContext): number => vmcs.halves[COUNT] >>> 0;
const isTooLong = (context: GuestEntryContext): boolean =>
  entryCount(context) > mostAreaEntries(context.capabilities);

const entryAt = (memory: PhysicalReader, at: number): MsrEntry => ({
  index: memory.read32(at) >>> 0,
  reserved: memory.read32(at + 4),
  value: memory.read64(at + 8),
});

/** Place of the first entry that fails the check, counted from 1; 0 when there is none, or no memory. */
const firstFailing = (context: GuestEntryContext, passes: Check): number => {
  const { memory } = context;
  if (memory === undefined) return 0;
  const first = addressAt(context.vmcs.halves, ADDRESS);
  const count = Math.min(entryCount(context), mostAreaEntries(context.capabilities));
  for (let position = 0; position < count; position++)
    if (!passes(entryAt(memory, first + position * ENTRY_BYTES), context)) return position + 1;
  return 0;
};

const someEntries: Term = term(
  'the VM-entry MSR-load area has entries',
  READS,
  ({ vmcs }) => vmcs.halves[COUNT] !== 0,
);

const row = <const Id extends string>(
  id: Id,
  says: string,
  passes: Check,
  reads: Term['reads'] = [],
): GuestRow<Id> & { readonly passes: Check } => ({
  id,
  section: 'Loading MSRs',
  says: `in each entry of the VM-entry MSR-load area ${says}`,
  reads: [...READS, ...reads],
  when: someEntries.test,
  holds: (context) => firstFailing(context, passes) === 0,
  failure: { kind: 'exit', reason: 34, qualification: 1 },
  failureIn: (context) => msrLoadingFailure(context),
  needsMemory: 'MSR area',
  passes,
});

/**
 * The checks on each entry of the VM-entry MSR-load area. The first entry that fails ends the loading: VM-entry failure 34, with its
 * place counted from 1 as exit qualification (`failureIn`). SDM Vol. 3C, 27.4 Loading MSRs
 */
const entryRules = [
  row('msr-load.fs-base', 'the MSR is not IA32_FS_BASE', ({ index }) => index !== MSR.IA32_FS_BASE),
  row('msr-load.gs-base', 'the MSR is not IA32_GS_BASE', ({ index }) => index !== MSR.IA32_GS_BASE),
  row('msr-load.x2apic', 'bits 31:8 are not 000008H', ({ index }) => index >>> 8 !== X2APIC_PAGE),
  row(
    'msr-load.smm-only',
    'the MSR can be written outside SMM, unless the processor is in SMM',
    ({ index }, { processor }) => processor.inSmm || !SMM_ONLY.has(index),
    ['processor.inSmm'],
  ),
  row(
    'msr-load.model-specific',
    'the MSR is not one of microcode update',
    ({ index }) => !EXCLUDED.has(index),
  ),
  row('msr-load.reserved-high', 'bits 63:32 = 0', ({ reserved }) => reserved === 0),
  row(
    'msr-load.wrmsr-faults',
    'WRMSR of bits 127:64 would not raise #GP at CPL 0',
    ({ index, value }, context) => !wrmsrFaults(context, index, value),
    [
      'guestCr0',
      'vmEntryControls',
      'processor.wrmsrFaults',
      'processor.linearAddressWidth',
      'processor.features',
      'processor.perfGlobalCtrlBits',
      'processor.specCtrlBits',
    ],
  ),
];

/** The rules about each entry, and the count that software must not exceed. SDM Vol. 3C, 27.4 Loading MSRs; SDM Vol. 3D, A.6 Miscellaneous Data */
export const msrLoadingRules = [
  ...entryRules,
  {
    id: 'msr-load.count',
    section: 'Loading MSRs',
    says: 'the VM-entry MSR-load area has no more entries than IA32_VMX_MISC recommends (more: undefined; by default the first one too many fails)',
    reads: ['vmEntryMsrLoadCount', 'vmEntryMsrLoadAddress'],
    when: someEntries.test,
    holds: (context) => !isTooLong(context),
    failure: { kind: 'exit', reason: 34, qualification: 513 },
    leavesOpen: true,
    failureIn: (context) => msrLoadingFailure(context),
  } satisfies GuestRow<'msr-load.count'>,
];

export type MsrLoadingRuleId = (typeof msrLoadingRules)[number]['id'];

/** Place, counted from 1, of the entry at which loading stops; 0 when all MSRs load. Without memory only the count tells. */
export const firstFailingMsrEntry = (context: GuestEntryContext): number =>
  firstFailing(context, (entry) => entryRules.every((rule) => rule.passes(entry, context))) ||
  (isTooLong(context) ? mostAreaEntries(context.capabilities) + 1 : 0);

/** How MSR loading fails: exit 34 with the place of the failing entry. */
export const msrLoadingFailure = (context: GuestEntryContext): VmEntryFailure => ({
  kind: 'exit',
  reason: 34,
  qualification: firstFailingMsrEntry(context),
});
