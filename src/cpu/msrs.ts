import { hex, isCanonical, maskOf, shiftRight, u64 } from '../core';
import { withoutPages } from './caching';
import { CET_MSRS } from './control-flow-enforcement';
import { MISC_NO_EXECUTE, writeEfer } from './control-registers';
import { MSR } from './msr-index';
import {
  bySlot,
  type Check,
  command,
  consecutive,
  constant,
  type MsrRow,
  named,
  stored,
  within,
} from './msr-row';
import { PERFORMANCE_MSRS } from './performance-monitoring';
import { announces, type FeatureName, linearAddressWidth, physicalAddressWidth } from './presets/features';
import type { ProcessorDraft } from './processor-draft';
import { SLOT } from './slots';
import { supervisorComponents } from './state-components';

const canonical: Check = (cpu, value) => isCanonical(value, linearAddressWidth(cpu.cpuid));
// SDM Vol. 3A, 12.11.2.1 IA32_MTRR_DEF_TYPE MSR: memory types UC, WC, WT, WP, WB (and UC- in the PAT)
const MEMORY_TYPES = [0, 1, 4, 5, 6];
const PAT_TYPES = [...MEMORY_TYPES, 7];
const isMemoryType = (value: bigint): boolean => MEMORY_TYPES.includes(Number(value));
const everyByte =
  (types: readonly number[]): Check =>
  (_, value) =>
    [0n, 8n, 16n, 24n, 32n, 40n, 48n, 56n].every((at) =>
      types.includes(Number(shiftRight(value, at) & 0xffn)),
    );

/** The mitigations that CPUID announces. SDM Vol. 4, 2.1 Architectural MSRs: IA32_SPEC_CTRL */
const SPECULATION: readonly (readonly [bit: bigint, feature: FeatureName])[] = [
  [1n, 'ibrs-ibpb'],
  [2n, 'stibp'],
  [4n, 'ssbd'],
];
const speculationControl: Check = (cpu, value) =>
  (value & ~SPECULATION.reduce((all, [bit, name]) => (announces(cpu.cpuid, name) ? all | bit : all), 0n)) ===
  0n;
/** RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, MDS_NO, PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO: nothing of it exists here. */
const ARCHITECTURAL_CAPABILITIES = 0xe16bn;

const VARIABLE_RANGES = 10;

/** Values that it may show. */
const TIME_STAMPS = 1n << 64n;

/**
 * The time-stamp counter as software sees it, with the offset and the scaling of non-root operation; asks `Choice`.
 * SDM Vol. 3B, 18.17 Time-Stamp Counter; SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation
 */
export const readTimeStamp = (cpu: ProcessorDraft): bigint =>
  cpu.decide('time-stamp', TIME_STAMPS, shownTimeStamp(cpu));

/** The same by the machine clock, unasked. */
const shownTimeStamp = (cpu: ProcessorDraft): bigint => {
  const counter = u64(BigInt(Math.floor(cpu.clock.now())) + cpu.R[SLOT.tscOffset]);
  return cpu.nonRoot && cpu.virtualization ? cpu.virtualization.shownTimeStamp(cpu, counter) : counter;
};

const LIMIT = 0xffff_fffcn;

/** When a wait of UMWAIT or TPAUSE that begins now ends, as machine clock, and whether by the limit of IA32_UMWAIT_CONTROL; undefined where the time has come. SDM Vol. 2, UMWAIT, TPAUSE; SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const userWaitEnd = (
  cpu: ProcessorDraft,
  until: bigint,
): { readonly clock: number; readonly limited: boolean } | undefined => {
  const left = until - shownTimeStamp(cpu);
  if (left <= 0n) return undefined;
  const limit = (cpu.msrs.get(MSR.IA32_UMWAIT_CONTROL) ?? 0n) & LIMIT;
  const limited = limit !== 0n && limit < left;
  const delay = limited ? limit : left;
  const physical = cpu.nonRoot && cpu.virtualization ? cpu.virtualization.physicalDelay(cpu, delay) : delay;
  const clock = Math.floor(cpu.clock.now()) + Number(physical);
  return { clock: Number.isSafeInteger(clock) ? clock : Number.POSITIVE_INFINITY, limited };
};

/** SDM Vol. 3A, 11.5.4.1 TSC-Deadline Mode: the timer expires once the counter of this processor is not below the value. */
const setTscDeadline = (cpu: ProcessorDraft, value: bigint): void => {
  const now = Math.floor(cpu.clock.now());
  const counter = u64(BigInt(now) + cpu.R[SLOT.tscOffset]);
  const clock = now + Math.max(0, Number(value - counter));
  cpu.bus.writeTscDeadline(value, Number.isSafeInteger(clock) ? clock : Number.POSITIVE_INFINITY);
};

/** Moves counter and TSC_ADJUST by the same amount. SDM Vol. 3B, 18.17.3 Time-Stamp Counter Adjustment */
const moveTimeStamp = (cpu: ProcessorDraft, by: bigint): void => {
  const deadline = announces(cpu.cpuid, 'tsc-deadline') ? cpu.bus.readTscDeadline() : 0n;
  cpu.R[SLOT.tscOffset] = u64(cpu.R[SLOT.tscOffset] + by);
  if (deadline !== 0n) setTscDeadline(cpu, deadline);
  cpu.msrs = new Map(cpu.msrs).set(MSR.IA32_TSC_ADJUST, u64((cpu.msrs.get(MSR.IA32_TSC_ADJUST) ?? 0n) + by));
};

const physicalMask = (cpu: ProcessorDraft): bigint => maskOf(physicalAddressWidth(cpu.cpuid)) & ~0xfffn;

const APIC_ENABLED = 0x800n;
const BOOTSTRAP = 0x100n;
const LOCKED = 1n;

const X2APIC_MODE = 0x400n;

// SDM Vol. 3A, 11.4.4 Local APIC Status and Location: BSP is read-only
const writeApicBase = (cpu: ProcessorDraft, value: bigint): boolean => {
  const mode = announces(cpu.cpuid, 'x2apic') ? APIC_ENABLED | X2APIC_MODE : APIC_ENABLED;
  if ((value & ~(physicalMask(cpu) | mode | BOOTSTRAP)) !== 0n) return false;
  const next = (value & ~BOOTSTRAP) | (cpu.R[SLOT.apicBase] & BOOTSTRAP);
  if (!cpu.bus.apicBaseWritten(next)) return false;
  cpu.R[SLOT.apicBase] = next;
  return true;
};

// SDM Vol. 3C, 24.7 Enabling and Entering VMX Operation: lock (0), VMX inside (1) and outside (2) SMX operation
const writeFeatureControl = (cpu: ProcessorDraft, value: bigint): boolean => {
  if ((cpu.R[SLOT.featureControl] & LOCKED) !== 0n || (value & ~5n) !== 0n) return false;
  cpu.R[SLOT.featureControl] = value;
  return true;
};

// SDM Vol. 4, IA32_MISC_ENABLE: fast strings, thermal, EIST, limit CPUID, xTPR, turbo; 7, 11 and 12 are read-only and ignored
const MISC_WRITABLE = (1n << 0n) | (1n << 3n) | (1n << 16n) | (1n << 22n) | (1n << 23n) | (1n << 38n);
const MISC_MONITOR = 1n << 18n;
const MISC_IGNORED = (1n << 7n) | (1n << 11n) | (1n << 12n);
const writeMiscEnable = (cpu: ProcessorDraft, value: bigint): boolean => {
  const writable =
    MISC_WRITABLE |
    (announces(cpu.cpuid, 'monitor') ? MISC_MONITOR : 0n) |
    (announces(cpu.cpuid, 'nx') ? MISC_NO_EXECUTE : 0n);
  if ((value & ~(writable | MISC_IGNORED)) !== 0n) return false;
  cpu.R[SLOT.miscEnable] = (value & writable) | (cpu.R[SLOT.miscEnable] & MISC_IGNORED);
  return true;
};

// SDM Vol. 2, WRMSR: the TLBs are invalidated
const MTRR = { feature: 'mtrr', invalidates: true } as const;

// SDM Vol. 3A, 12.11.2.3 Variable Range MTRRs: bases are even, masks odd
const writeVariableRange: Check = (cpu, value) => (value & ~(physicalMask(cpu) | 0xfffn)) === 0n;
const rangeBase: Check = (cpu, value) =>
  writeVariableRange(cpu, value) && (value & 0xf00n) === 0n && isMemoryType(value & 0xffn);
const rangeMask: Check = (cpu, value) => writeVariableRange(cpu, value) && (value & 0x7ffn) === 0n;
const ranges: MsrRow[] = Array.from({ length: VARIABLE_RANGES }, (_, n): MsrRow[] => [
  { index: 0x200 + 2 * n, name: `IA32_MTRR_PHYSBASE${n}`, ...MTRR, ...stored(rangeBase) },
  { index: 0x201 + 2 * n, name: `IA32_MTRR_PHYSMASK${n}`, ...MTRR, ...stored(rangeMask) },
]).flat();
// SDM Vol. 3A, 12.11.2.2 Fixed Range MTRRs: named after the address at which they begin
const FIXED_RANGE = { ...MTRR, ...stored(everyByte(MEMORY_TYPES)) } as const;
const fixedRanges: readonly MsrRow[] = [
  { ...named('IA32_MTRR_FIX64K_00000'), ...FIXED_RANGE },
  ...consecutive(
    'IA32_MTRR_FIX16K',
    ['80000', 'A0000'].map((address) => `IA32_MTRR_FIX16K_${address}`),
    FIXED_RANGE,
  ),
  ...consecutive(
    'IA32_MTRR_FIX4K',
    ['C0000', 'C8000', 'D0000', 'D8000', 'E0000', 'E8000', 'F0000', 'F8000'].map(
      (address) => `IA32_MTRR_FIX4K_${address}`,
    ),
    FIXED_RANGE,
  ),
];
// SDM Vol. 3A, 4.6.2 Protection Keys: bits 63:32 are reserved
const writePkrs = (cpu: ProcessorDraft, value: bigint): boolean => {
  if (shiftRight(value, 32n) !== 0n) return false;
  cpu.R[SLOT.pkrs] = value;
  cpu.mmu.contextChanged();
  return true;
};
const defaultType: Check = (_, value) => (value & ~0xcffn) === 0n && isMemoryType(value & 0xffn);

/** Every MSR outside virtualization. SDM Vol. 4, 2.1 Architectural MSRs; an index that is not here is #GP(0). */
export const MSR_ROWS: readonly MsrRow[] = [
  { ...named('P5_MC_ADDR'), ...constant(0n) },
  { ...named('P5_MC_TYPE'), ...constant(0n) },
  { ...named('P5_CESR'), family: 'P5', ...stored(within(0x3ff_ffffn)) },
  ...consecutive('P5_CTR', ['P5_CTR0', 'P5_CTR1'], { family: 'P5', ...stored(within(0xff_ffff_ffffn)) }),
  { ...named('IA32_SPEC_CTRL'), feature: 'ibrs-ibpb', ...stored(speculationControl) },
  { ...named('IA32_PRED_CMD'), feature: 'ibrs-ibpb', ...command(within(1n)) },
  { ...named('IA32_BIOS_UPDT_TRIG'), family: 'P6', ...command() },
  {
    ...named('IA32_ARCH_CAPABILITIES'),
    feature: 'arch-capabilities',
    ...constant(ARCHITECTURAL_CAPABILITIES),
  },
  { ...named('IA32_FLUSH_CMD'), feature: 'l1d-flush', ...command(within(1n)) },
  {
    ...named('IA32_XSS'),
    feature: 'xsaves',
    ...stored(({ cpuid }, value) => (value & ~supervisorComponents(cpuid)) === 0n),
  },
  {
    ...named('IA32_TIME_STAMP_COUNTER'),
    feature: 'tsc',
    read: readTimeStamp,
    write: (cpu, value) => {
      moveTimeStamp(cpu, value - BigInt(Math.floor(cpu.clock.now())) - cpu.R[SLOT.tscOffset]);
      return true;
    },
  },
  { ...named('IA32_PLATFORM_ID'), family: 'P6', ...constant(0n) },
  {
    ...named('IA32_APIC_BASE'),
    family: 'P6',
    feature: 'apic',
    read: (c) => c.R[SLOT.apicBase],
    write: writeApicBase,
  },
  {
    ...named('IA32_FEATURE_CONTROL'),
    feature: 'vmx',
    read: (cpu) => cpu.R[SLOT.featureControl],
    write: writeFeatureControl,
  },
  {
    ...named('IA32_TSC_ADJUST'),
    feature: 'tsc-adjust',
    read: (cpu) => cpu.decide('time-stamp', 1n << 64n, cpu.msrs.get(MSR.IA32_TSC_ADJUST) ?? 0n),
    write: (cpu, value) => {
      moveTimeStamp(cpu, value - (cpu.msrs.get(MSR.IA32_TSC_ADJUST) ?? 0n));
      return true;
    },
  },
  { ...named('IA32_BIOS_SIGN_ID'), family: 'P6', ...stored() },
  { ...named('MSR_PLATFORM_INFO'), family: 'P6', ...constant(30n << 8n) },
  // Fixed ranges and write-combining, no SMRR. SDM Vol. 3A, 12.11.1 MTRR Feature Identification
  { ...named('IA32_MTRRCAP'), feature: 'mtrr', ...constant(0x500n | BigInt(VARIABLE_RANGES)) },
  {
    ...named('IA32_SYSENTER_CS'),
    feature: 'sep',
    read: (cpu) => cpu.R[SLOT.sysenterCs],
    write: (cpu, value) => {
      cpu.R[SLOT.sysenterCs] = BigInt.asUintN(32, value);
      return true;
    },
  },
  { ...named('IA32_SYSENTER_ESP'), feature: 'sep', ...bySlot(SLOT.sysenterEsp, canonical) },
  { ...named('IA32_SYSENTER_EIP'), feature: 'sep', ...bySlot(SLOT.sysenterEip, canonical) },
  { ...named('IA32_UMWAIT_CONTROL'), feature: 'waitpkg', ...stored(within(0xffff_fffdn)) },
  { ...named('IA32_MCG_CAP'), family: 'P6', ...constant(0n) },
  { ...named('IA32_MCG_STATUS'), family: 'P6', ...stored(within(0xfn)) },
  { ...named('IA32_MISC_ENABLE'), family: 'P6', read: (c) => c.R[SLOT.miscEnable], write: writeMiscEnable },
  ...PERFORMANCE_MSRS,
  ...CET_MSRS,
  // LBR and BTF. SDM Vol. 3B, 18.4.1 IA32_DEBUGCTL MSR
  { ...named('IA32_DEBUGCTL'), family: 'P6', ...bySlot(SLOT.debugctl, within(3n)) },
  ...ranges,
  ...fixedRanges,
  { ...named('IA32_PAT'), feature: 'pat', ...bySlot(SLOT.pat, everyByte(PAT_TYPES)) },
  { ...named('IA32_MTRR_DEF_TYPE'), ...MTRR, ...stored(defaultType) },
  { ...named('IA32_PKRS'), feature: 'pks', read: (c) => c.R[SLOT.pkrs], write: writePkrs },
  {
    ...named('IA32_TSC_DEADLINE'),
    feature: 'tsc-deadline',
    read: (cpu) => cpu.bus.readTscDeadline(),
    write: (cpu, value) => {
      setTscDeadline(cpu, value);
      return true;
    },
  },
  { ...named('IA32_EFER'), feature: ['lm', 'nx', 'syscall'], read: (c) => c.R[SLOT.efer], write: writeEfer },
  { ...named('IA32_STAR'), feature: 'syscall', ...bySlot(SLOT.star) },
  { ...named('IA32_LSTAR'), feature: 'syscall', ...bySlot(SLOT.lstar, canonical) },
  { ...named('IA32_CSTAR'), feature: 'syscall', ...bySlot(SLOT.cstar, canonical) },
  { ...named('IA32_FMASK'), feature: 'syscall', ...bySlot(SLOT.fmask, within(0xffffffffn)) },
  { ...named('IA32_FS_BASE'), feature: 'lm', ...bySlot(SLOT.fsBase, canonical) },
  { ...named('IA32_GS_BASE'), feature: 'lm', ...bySlot(SLOT.gsBase, canonical) },
  { ...named('IA32_KERNEL_GS_BASE'), feature: 'lm', ...bySlot(SLOT.kernelGsBase, canonical) },
  { ...named('IA32_TSC_AUX'), feature: 'rdtscp', ...bySlot(SLOT.tscAux, within(0xffffffffn)) },
];

const BY_INDEX: ReadonlyMap<number, MsrRow> = new Map(MSR_ROWS.map((row) => [row.index, row]));

/** The rows that exist on a processor, one an MSR, with their indexes. */
export const msrsOf = (cpu: ProcessorDraft): readonly (readonly [number, MsrRow])[] =>
  [...BY_INDEX].filter(([index]) => find(cpu, index) !== undefined);

/** Name of an MSR, for reports; its index in hexadecimal where there is none. */
export const msrName = (index: number): string => BY_INDEX.get(index)?.name ?? hex(index);

const VMX_MSRS = { first: 0x480, last: 0x493 } as const;

/** SDM Vol. 3A, 11.12.1.2 x2APIC Register Address Space */
const X2APIC_MSRS = { first: 0x800, last: 0x8ff } as const;
const isApicRegister = (cpu: ProcessorDraft, index: number): boolean =>
  index >= X2APIC_MSRS.first && index <= X2APIC_MSRS.last && announces(cpu.cpuid, 'x2apic');

const FAMILY_P5 = 5;
const familyOf = ({ cpuid }: ProcessorDraft): 'P5' | 'P6' =>
  ((cpuid.lookup(1, 0).eax >> 8) & 0xf) <= FAMILY_P5 ? 'P5' : 'P6';

const find = (cpu: ProcessorDraft, index: number): MsrRow | undefined => {
  const row = BY_INDEX.get(index >>> 0);
  const features = row?.feature === undefined ? [] : [row.feature].flat();
  if (features.length > 0 && !features.some((one) => announces(cpu.cpuid, one))) return undefined;
  return row?.family === undefined || row.family === familyOf(cpu) ? row : undefined;
};

/** The value that RDMSR gives; undefined where it is #GP(0). Also what VM-exit MSR areas store. SDM Vol. 2, RDMSR */
export const readMsr = (cpu: ProcessorDraft, index: number): bigint | undefined => {
  const number = index >>> 0;
  if (number >= VMX_MSRS.first && number <= VMX_MSRS.last)
    return announces(cpu.cpuid, 'vmx') ? cpu.virtualization?.readMsr(cpu, number) : undefined;
  if (isApicRegister(cpu, number)) return cpu.bus.readApic(number);
  return find(cpu, number)?.read(cpu, number);
};

/** Whether any write of an MSR invalidates the TLBs. SDM Vol. 2, WRMSR */
export const invalidatesTlbs = (index: number): boolean => BY_INDEX.get(index >>> 0)?.invalidates === true;

/** Writes an MSR as WRMSR does; false where that is #GP(0), and nothing has changed. SDM Vol. 2, WRMSR */
export const writeMsr = (cpu: ProcessorDraft, index: number, value: bigint): boolean => {
  const number = index >>> 0;
  if (isApicRegister(cpu, number)) return cpu.bus.writeApic(index, value);
  const row = find(cpu, number);
  if (row?.write?.(cpu, value, number) !== true) return false;
  if (row.invalidates === true) cpu.mmu.invalidate((caches, { vpid }) => withoutPages(caches, vpid));
  return true;
};

/** MSRs without a slot after power-up; the others are zero. */
export const initialMsrs = (): ReadonlyMap<number, bigint> => new Map();
