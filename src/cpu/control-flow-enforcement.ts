import { isCanonical } from '../core';
import { MSR } from './msr-index';
import { bySlot, type Check, consecutive, type MsrRow, named, stored } from './msr-row';
import { announces, linearAddressWidth } from './presets/features';
import type { ProcessorDraft } from './processor-draft';
import { CR4, SLOT } from './slots';

const SHADOW_STACK_BITS = 3n;
/** ENDBR_EN, LEG_IW_EN, NO_TRACK_EN, SUPPRESS_DIS, SUPPRESS, TRACKER, and the base of the legacy bitmap. */
const BRANCH_BITS = 0xffff_ffff_ffff_fc3cn;
const SUPPRESS_AND_TRACKER = 0xc00n;
const ALIGNMENT = 3n;

/** SH_STK_EN and ENDBR_EN. */
const ENFORCING = 5n;

/**
 * CET has its registers here and does not enforce: where a program turns that on, the run ends with `Unbuilt`.
 * SDM Vol. 1, 17 Control-Flow Enforcement Technology
 */
export const requireNoEnforcement = (cpu: ProcessorDraft): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.cet) === 0) return;
  const either = cpu.R[SLOT.sCet] | (cpu.msrs.get(MSR.IA32_U_CET) ?? 0n);
  if ((either & ENFORCING) !== 0n) cpu.unbuilt('control-flow enforcement');
};

/** What IA32_U_CET and IA32_S_CET may hold. */
export const isCet: Check = ({ cpuid }, value) => {
  const bits =
    (announces(cpuid, 'cet-ss') ? SHADOW_STACK_BITS : 0n) | (announces(cpuid, 'cet-ibt') ? BRANCH_BITS : 0n);
  return (
    (value & ~bits) === 0n &&
    (value & SUPPRESS_AND_TRACKER) !== SUPPRESS_AND_TRACKER &&
    isCanonical(value, linearAddressWidth(cpuid))
  );
};
const isCanonicalAddress: Check = ({ cpuid }, value) => isCanonical(value, linearAddressWidth(cpuid));
/** What a shadow-stack pointer in an MSR may be. */
export const isPointer: Check = (cpu, value) => (value & ALIGNMENT) === 0n && isCanonicalAddress(cpu, value);

/** One of the two MSRs that can turn enforcement on. */
const enforcing = ({ read, write }: Pick<Required<MsrRow>, 'read' | 'write'>) => ({
  read,
  write: (cpu: ProcessorDraft, value: bigint, index: number): boolean => {
    const accepted = write(cpu, value, index);
    requireNoEnforcement(cpu);
    return accepted;
  },
});
const EITHER = ['cet-ss', 'cet-ibt'] as const;

/** MSRs of CET. SDM Vol. 4, 2.1 Architectural MSRs */
export const CET_MSRS: readonly MsrRow[] = [
  { ...named('IA32_U_CET'), feature: EITHER, ...enforcing(stored(isCet)) },
  { ...named('IA32_S_CET'), feature: EITHER, ...enforcing(bySlot(SLOT.sCet, isCet)) },
  ...consecutive(
    'IA32_PL0_SSP',
    [0, 1, 2, 3].map((level) => `IA32_PL${level}_SSP`),
    { feature: 'cet-ss', ...stored(isPointer) },
  ),
  {
    ...named('IA32_INTERRUPT_SSP_TABLE_ADDR'),
    feature: 'cet-ss',
    ...bySlot(SLOT.interruptSspTable, isCanonicalAddress),
  },
];
