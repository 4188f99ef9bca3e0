import { isCanonical, maskOf, shiftRight } from '../../core';
import { MSR } from '../../cpu/msr-index';
import type { GuestEntryContext } from './guest-context';
import { bits } from './guest-terms';

/** IA32_EFER: SCE, LME, LMA, NXE. SDM Vol. 3A, 2.2.1 Extended Feature Enable Register */
export const EFER_BITS: bigint = bits(0) | bits(8) | bits(10) | bits(11);

// SDM Vol. 3B, 18.4.1 IA32_DEBUGCTL MSR
const DEBUGCTL_BITS = bits(1, 0) | bits(14, 6);
const BUS_LOCK_DETECT = bits(2);
const RTM_DEBUG = bits(15);

/** Bits that this processor lets software set in IA32_DEBUGCTL: two of them come with bus-lock detection and RTM. */
export const debugctlBits = (features: ReadonlySet<string>): bigint =>
  DEBUGCTL_BITS |
  (features.has('bus-lock detection') ? BUS_LOCK_DETECT : 0n) |
  (features.has('RTM') ? RTM_DEBUG : 0n);

/** Four general and three fixed counters. SDM Vol. 3B, 20.2 Architectural Performance Monitoring */
const PERF_GLOBAL_CTRL_BITS: bigint = bits(3, 0) | bits(34, 32);

/** Bits of IA32_PERF_GLOBAL_CTRL that name a counter of this processor. */
export const allowedPerfGlobalCtrl = ({ processor }: GuestEntryContext): bigint =>
  processor.perfGlobalCtrlBits ?? PERF_GLOBAL_CTRL_BITS;

/** Every bit of IA32_RTIT_CTL that some processor defines. SDM Vol. 3C, 33 Intel Processor Trace */
export const RTIT_CTL_BITS: bigint =
  bits(17, 0) | bits(22, 19) | bits(27, 24) | bits(31) | bits(47, 32) | bits(56, 55);

/** IA32_LBR_CTL: LBREn, OS, USR, call stack, branch filters. SDM Vol. 3B, 19 Last Branch Records */
export const LBR_CTL_BITS: bigint = bits(3, 0) | bits(22, 16);

/** IA32_SPEC_CTRL with every sub-feature enumerated. SDM Vol. 4, 2.1 Architectural MSRs */
const SPEC_CTRL_BITS: bigint = bits(8, 0) | bits(10);

const MEMORY_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7]);

/** Whether each byte is a memory type of the PAT. SDM Vol. 3A, 12.12.2 IA32_PAT MSR */
export const isPat = (low: number, high: number): boolean => {
  for (let shift = 0; shift < 32; shift += 8)
    if (!MEMORY_TYPES.has((low >>> shift) & 0xff) || !MEMORY_TYPES.has((high >>> shift) & 0xff)) return false;
  return true;
};

/** What a value written to an MSR must obey; `undefined` for an MSR that this table does not know. */
type Legal = (value: bigint, context: GuestEntryContext) => boolean;

const anyValue: Legal = () => true;
const readOnly: Legal = () => false;
const within =
  (mask: bigint): Legal =>
  (value) =>
    (value & ~mask) === 0n;
const canonicalAddress: Legal = (value, { processor }) => isCanonical(value, processor.linearAddressWidth);
const aligned =
  (mask: bigint): Legal =>
  (value, context) =>
    (value & mask) === 0n && canonicalAddress(value, context);

const CR0_PG = bits(31);
const LME = bits(8);
const IA32E_MODE_GUEST = bits(9);

// SDM Vol. 3C, 27.4 Loading MSRs: LMA is ignored here; LME cannot change while paging is on.
const efer: Legal = (value, { vmcs }) =>
  (value & ~EFER_BITS) === 0n &&
  ((vmcs.get('guestCr0') & CR0_PG) === 0n ||
    ((value & LME) !== 0n) === ((vmcs.get('vmEntryControls') & IA32E_MODE_GUEST) !== 0n));

// SDM Vol. 1, 17 Control-Flow Enforcement Technology: bits 9:6 reserved, SUPPRESS and TRACKER exclude each other.
const cet: Legal = (value, context) =>
  (value & bits(9, 6)) === 0n &&
  (value & (bits(10) | bits(11))) !== (bits(10) | bits(11)) &&
  canonicalAddress(value, context);

const LEGAL: ReadonlyMap<number, Legal> = new Map<number, Legal>([
  [MSR.IA32_TIME_STAMP_COUNTER, anyValue],
  [MSR.IA32_PLATFORM_ID, readOnly],
  [MSR.IA32_TSC_ADJUST, anyValue],
  [0x048, (value, { processor }) => (value & ~(processor.specCtrlBits ?? SPEC_CTRL_BITS)) === 0n],
  [0x049, within(1n)], // IA32_PRED_CMD
  [0x0c1, anyValue], // IA32_PMC0 to IA32_PMC3
  [0x0c2, anyValue],
  [0x0c3, anyValue],
  [0x0c4, anyValue],
  [0x0e7, anyValue], // IA32_MPERF, IA32_APERF
  [0x0e8, anyValue],
  [MSR.IA32_MTRRCAP, readOnly],
  [0x10a, readOnly], // IA32_ARCH_CAPABILITIES
  [0x10b, within(1n)], // IA32_FLUSH_CMD
  [MSR.IA32_SYSENTER_CS, anyValue],
  [MSR.IA32_SYSENTER_ESP, canonicalAddress],
  [MSR.IA32_SYSENTER_EIP, canonicalAddress],
  [MSR.IA32_MCG_CAP, readOnly],
  [MSR.IA32_MCG_STATUS, within(0xfn)],
  [MSR.IA32_DEBUGCTL, (value, { processor }) => (value & ~debugctlBits(processor.features)) === 0n],
  [MSR.IA32_PAT, (value) => isPat(Number(value & maskOf(32)), Number(shiftRight(value, 32n)))],
  [0x309, within(maskOf(48))], // IA32_FIXED_CTR0 to IA32_FIXED_CTR2
  [0x30a, within(maskOf(48))],
  [0x30b, within(maskOf(48))],
  [0x345, readOnly], // IA32_PERF_CAPABILITIES
  [0x38d, within(maskOf(12))], // IA32_FIXED_CTR_CTRL
  [0x38e, readOnly], // IA32_PERF_GLOBAL_STATUS
  [0x38f, (value, context) => (value & ~allowedPerfGlobalCtrl(context)) === 0n],
  [0x570, within(RTIT_CTL_BITS)],
  [0x6a0, cet], // IA32_U_CET, IA32_S_CET
  [0x6a2, cet],
  [0x6a4, aligned(3n)], // IA32_PL0_SSP to IA32_PL3_SSP
  [0x6a5, aligned(3n)],
  [0x6a6, aligned(3n)],
  [0x6a7, aligned(3n)],
  [0x6a8, canonicalAddress], // IA32_INTERRUPT_SSP_TABLE_ADDR
  [0x6e0, anyValue], // IA32_TSC_DEADLINE
  [0x6e1, within(maskOf(32))], // IA32_PKRS
  [0xd90, aligned(bits(11, 2))], // IA32_BNDCFGS
  [MSR.IA32_EFER, efer],
  [MSR.IA32_STAR, anyValue],
  [MSR.IA32_LSTAR, canonicalAddress],
  [MSR.IA32_CSTAR, canonicalAddress],
  [MSR.IA32_FMASK, within(maskOf(32))],
  [MSR.IA32_KERNEL_GS_BASE, canonicalAddress],
  [MSR.IA32_TSC_AUX, within(maskOf(32))],
]);

/** VMX capability MSRs cannot be written. SDM Vol. 3D, Appendix A VMX Capability Reporting Facility */
const isCapability = (index: number): boolean => index >= 0x480 && index <= 0x493;

/**
 * Whether WRMSR of an unsigned 64-bit value at CPL 0 would raise #GP: what the context says, or else the architectural rules for
 * the MSRs known here. An MSR unknown to both does not fault. SDM Vol. 2D, WRMSR; Vol. 4, 2.1 Architectural MSRs
 */
export const wrmsrFaults = (context: GuestEntryContext, index: number, value: bigint): boolean => {
  if (context.processor.wrmsrFaults !== undefined) return context.processor.wrmsrFaults(index, value);
  if (isCapability(index)) return true;
  const legal = LEGAL.get(index);
  return legal !== undefined && !legal(value, context);
};
