import type { CpuidResult, CpuidTable } from '../cpuid';

type Register = keyof CpuidResult;
interface FeatureBit {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: Register;
  readonly bit: number;
  /** The model has it; only then may a processor announce it. */
  readonly built: boolean;
  /** What of an announced feature is not built: it raises `Unbuilt` by its own name. */
  readonly lacks?: string;
  /** Announced only when an edit asks for it. */
  readonly onRequest?: true;
}

const built = (leaf: number, register: Register, bit: number, subleaf = 0): FeatureBit => ({
  leaf,
  subleaf,
  register,
  bit,
  built: true,
});
const missing = (leaf: number, register: Register, bit: number, subleaf = 0): FeatureBit => ({
  ...built(leaf, register, bit, subleaf),
  built: false,
});

/** Its state is there, and all but what is named, which is unbuilt by its own names. */
const partly = (leaf: number, register: Register, bit: number, lacks: string): FeatureBit => ({
  ...built(leaf, register, bit),
  lacks,
});
/** So much of it is missing that no preset announces it; an edit can. */
const onRequest = (leaf: number, register: Register, bit: number, lacks: string): FeatureBit => ({
  ...partly(leaf, register, bit, lacks),
  onRequest: true,
});

/** Feature flags by name. SDM Vol. 2, Table 3-17 Information Returned by CPUID Instruction */
export const FEATURES = {
  sse3: onRequest(1, 'ecx', 0, 'HADDPS and its like, ADDSUBPS'),
  pclmulqdq: missing(1, 'ecx', 1),
  dtes64: missing(1, 'ecx', 2),
  monitor: built(1, 'ecx', 3),
  'ds-cpl': missing(1, 'ecx', 4),
  vmx: built(1, 'ecx', 5),
  smx: missing(1, 'ecx', 6),
  est: missing(1, 'ecx', 7),
  tm2: missing(1, 'ecx', 8),
  ssse3: missing(1, 'ecx', 9),
  sdbg: missing(1, 'ecx', 11),
  fma: missing(1, 'ecx', 12),
  cx16: built(1, 'ecx', 13),
  xtpr: missing(1, 'ecx', 14),
  pdcm: missing(1, 'ecx', 15),
  pcid: built(1, 'ecx', 17),
  dca: missing(1, 'ecx', 18),
  sse4_1: missing(1, 'ecx', 19),
  sse4_2: onRequest(1, 'ecx', 20, 'PCMPESTRI and its like, PCMPGTQ'),
  x2apic: built(1, 'ecx', 21),
  movbe: built(1, 'ecx', 22),
  popcnt: built(1, 'ecx', 23),
  'tsc-deadline': built(1, 'ecx', 24),
  aes: missing(1, 'ecx', 25),
  xsave: built(1, 'ecx', 26),
  avx: onRequest(1, 'ecx', 28, 'floating-point arithmetic, conversions and permutations'),
  f16c: missing(1, 'ecx', 29),
  rdrand: built(1, 'ecx', 30),
  /** Set by software that runs other software in a virtual machine. */
  hypervisor: built(1, 'ecx', 31),
  fpu: partly(1, 'edx', 0, 'arithmetic, comparisons and BCD'),
  vme: built(1, 'edx', 1),
  de: built(1, 'edx', 2),
  pse: built(1, 'edx', 3),
  tsc: built(1, 'edx', 4),
  msr: built(1, 'edx', 5),
  pae: built(1, 'edx', 6),
  /** No machine check ever comes. */
  mce: built(1, 'edx', 7),
  cx8: built(1, 'edx', 8),
  apic: built(1, 'edx', 9),
  sep: built(1, 'edx', 11),
  mtrr: built(1, 'edx', 12),
  pge: built(1, 'edx', 13),
  /** IA32_MCG_CAP reports no bank. */
  mca: built(1, 'edx', 14),
  cmov: built(1, 'edx', 15),
  pat: built(1, 'edx', 16),
  pse36: built(1, 'edx', 17),
  clfsh: built(1, 'edx', 19),
  ds: missing(1, 'edx', 21),
  acpi: missing(1, 'edx', 22),
  mmx: built(1, 'edx', 23),
  fxsr: built(1, 'edx', 24),
  sse: partly(1, 'edx', 25, 'floating-point arithmetic, comparisons and conversions'),
  sse2: partly(1, 'edx', 26, 'floating-point arithmetic, comparisons and conversions'),
  /** Self-snoop: nothing of it can be seen without caches. */
  ss: built(1, 'edx', 27),
  tm: missing(1, 'edx', 29),
  pbe: missing(1, 'edx', 31),
  /** Version 2 of architectural performance monitoring: bit 1 of the version. Its counters have no event to count. */
  perfmon: onRequest(0x0a, 'eax', 1, 'events: CPUID says that none is available'),
  fsgsbase: built(7, 'ebx', 0),
  'tsc-adjust': built(7, 'ebx', 1),
  bmi1: built(7, 'ebx', 3),
  hle: missing(7, 'ebx', 4),
  avx2: onRequest(7, 'ebx', 5, 'gathers, broadcasts, permutations and what SSE4.1 brought'),
  /** The x87 data pointer is updated by unmasked exceptions only. */
  'fdp-exceptions-only': built(7, 'ebx', 6),
  smep: built(7, 'ebx', 7),
  bmi2: built(7, 'ebx', 8),
  erms: built(7, 'ebx', 9),
  invpcid: built(7, 'ebx', 10),
  rtm: missing(7, 'ebx', 11),
  'rdt-m': missing(7, 'ebx', 12),
  /** The x87 code and data segment selectors are saved as 0. */
  'fcs-fds-deprecated': built(7, 'ebx', 13),
  mpx: missing(7, 'ebx', 14),
  'rdt-a': missing(7, 'ebx', 15),
  avx512f: missing(7, 'ebx', 16),
  avx512dq: missing(7, 'ebx', 17),
  rdseed: built(7, 'ebx', 18),
  adx: built(7, 'ebx', 19),
  smap: built(7, 'ebx', 20),
  avx512_ifma: missing(7, 'ebx', 21),
  /** No part announces it. Intel Architecture Instruction Set Extensions Programming Reference (319433-024) */
  pcommit: { ...built(7, 'ebx', 22), onRequest: true },
  clflushopt: built(7, 'ebx', 23),
  clwb: built(7, 'ebx', 24),
  pt: missing(7, 'ebx', 25),
  avx512cd: missing(7, 'ebx', 28),
  sha: missing(7, 'ebx', 29),
  avx512bw: missing(7, 'ebx', 30),
  avx512vl: missing(7, 'ebx', 31),
  avx512_vbmi: missing(7, 'ecx', 1),
  umip: built(7, 'ecx', 2),
  pku: built(7, 'ecx', 3),
  waitpkg: built(7, 'ecx', 5),
  avx512_vbmi2: missing(7, 'ecx', 6),
  'cet-ss': onRequest(7, 'ecx', 7, 'enforcement: its registers and state components are there'),
  gfni: missing(7, 'ecx', 8),
  vaes: missing(7, 'ecx', 9),
  vpclmulqdq: missing(7, 'ecx', 10),
  avx512_vnni: missing(7, 'ecx', 11),
  avx512_bitalg: missing(7, 'ecx', 12),
  avx512_vpopcntdq: missing(7, 'ecx', 14),
  la57: built(7, 'ecx', 16),
  rdpid: built(7, 'ecx', 22),
  cldemote: built(7, 'ecx', 25),
  movdiri: built(7, 'ecx', 27),
  movdir64b: built(7, 'ecx', 28),
  pks: built(7, 'ecx', 31),
  /** Short REP MOVSB is fast: nothing to see. */
  fsrm: built(7, 'edx', 4),
  uintr: missing(7, 'edx', 5),
  /** VERW also overwrites buffers that the model does not have. */
  'md-clear': built(7, 'edx', 10),
  serialize: built(7, 'edx', 14),
  'cet-ibt': onRequest(7, 'edx', 20, 'enforcement: its registers and state components are there'),
  'amx-bf16': missing(7, 'edx', 22),
  avx512_fp16: missing(7, 'edx', 23),
  'amx-tile': missing(7, 'edx', 24),
  'amx-int8': missing(7, 'edx', 25),
  'ibrs-ibpb': built(7, 'edx', 26),
  stibp: built(7, 'edx', 27),
  'l1d-flush': built(7, 'edx', 28),
  'arch-capabilities': built(7, 'edx', 29),
  'core-capabilities': missing(7, 'edx', 30),
  ssbd: built(7, 'edx', 31),
  'avx-vnni': missing(7, 'eax', 4, 1),
  avx512_bf16: missing(7, 'eax', 5, 1),
  /** Zero-length REP MOVSB, short REP STOSB, short REP CMPSB and SCASB are fast: nothing to see. */
  fzrm: built(7, 'eax', 10, 1),
  fsrs: built(7, 'eax', 11, 1),
  fsrc: built(7, 'eax', 12, 1),
  psfd: missing(7, 'edx', 0, 2),
  'ipred-ctrl': missing(7, 'edx', 1, 2),
  'rrsba-ctrl': missing(7, 'edx', 2, 2),
  'bhi-ctrl': missing(7, 'edx', 4, 2),
  xsaveopt: built(0x0d, 'eax', 0, 1),
  xsavec: built(0x0d, 'eax', 1, 1),
  xgetbv1: built(0x0d, 'eax', 2, 1),
  xsaves: built(0x0d, 'eax', 3, 1),
  xfd: missing(0x0d, 'eax', 4, 1),
  lahf64: built(0x80000001, 'ecx', 0),
  lzcnt: built(0x80000001, 'ecx', 5),
  prefetchw: built(0x80000001, 'ecx', 8),
  syscall: built(0x80000001, 'edx', 11),
  nx: built(0x80000001, 'edx', 20),
  'page-1gib': built(0x80000001, 'edx', 26),
  rdtscp: built(0x80000001, 'edx', 27),
  lm: built(0x80000001, 'edx', 29),
  'invariant-tsc': built(0x80000007, 'edx', 8),
  wbnoinvd: built(0x80000008, 'ebx', 9),
} as const satisfies Record<string, FeatureBit>;

/** A CPUID feature that edits of a preset may name. */
export type FeatureName = keyof typeof FEATURES;

/** The same table with one type for all rows. */
export const featureBit = (name: FeatureName): FeatureBit => FEATURES[name];

/** What a feature needs: taking that away takes the feature away too, adding the feature adds it. */
const NEEDS: Readonly<Partial<Record<FeatureName, readonly FeatureName[]>>> = {
  fxsr: ['fpu'],
  mmx: ['fpu'],
  sse: ['fxsr'],
  sse2: ['sse'],
  sse3: ['sse2'],
  ssse3: ['sse3'],
  sse4_1: ['ssse3'],
  // Nothing of SSE4.1 is built.
  sse4_2: ['sse2'],
  aes: ['sse2'],
  pclmulqdq: ['sse2'],
  sha: ['sse2'],
  gfni: ['sse2'],
  xsave: ['fxsr'],
  xsaveopt: ['xsave'],
  xsavec: ['xsave'],
  xgetbv1: ['xsave'],
  xsaves: ['xsavec'],
  xfd: ['xsave'],
  avx: ['xsave', 'sse2'],
  fma: ['avx'],
  f16c: ['avx'],
  avx2: ['avx'],
  vaes: ['avx'],
  vpclmulqdq: ['avx'],
  'avx-vnni': ['avx2'],
  avx512f: ['avx2'],
  avx512dq: ['avx512f'],
  avx512cd: ['avx512f'],
  avx512bw: ['avx512f'],
  avx512vl: ['avx512f'],
  'amx-tile': ['xsave', 'xfd'],
  'amx-bf16': ['amx-tile'],
  'amx-int8': ['amx-tile'],
  mpx: ['xsave'],
  pku: ['lm'],
  pks: ['lm'],
  la57: ['lm'],
  pcid: ['lm'],
  lm: ['pae'],
  vmx: ['msr', 'apic'],
  x2apic: ['apic'],
  'tsc-deadline': ['apic', 'tsc'],
  'tsc-adjust': ['tsc'],
  mca: ['mce', 'msr'],
  perfmon: ['msr'],
  waitpkg: ['tsc'],
  rdtscp: ['tsc'],
};

const needsOf = (name: FeatureName): readonly FeatureName[] => NEEDS[name] ?? [];

/** Adds a feature and what it needs. */
export const addFeature = (features: Set<FeatureName>, name: FeatureName): void => {
  features.add(name);
  for (const needed of needsOf(name)) if (!features.has(needed)) addFeature(features, needed);
};

/** Takes a feature away, and what needs it. */
export const removeFeature = (features: Set<FeatureName>, name: FeatureName): void => {
  features.delete(name);
  for (const other of [...features]) if (needsOf(other).includes(name)) removeFeature(features, other);
};

export const isFeatureName = (name: string): name is FeatureName => Object.hasOwn(FEATURES, name);

/** Whether a CPUID table announces a feature. */
export const announces = (table: CpuidTable, feature: FeatureName): boolean => table.features.has(feature);

/** MAXPHYADDR; without leaf 80000008H 36 where there is PAE and 32 elsewhere. SDM Vol. 3A, 4.1.4 Enumeration of Paging Features by CPUID */
export const physicalAddressWidth = (table: CpuidTable): number => {
  const extended = table.lookup(0x80000000, 0).eax >>> 0;
  if (extended >= 0x80000008) return table.lookup(0x80000008, 0).eax & 0xff;
  return announces(table, 'pae') ? 36 : 32;
};

const USUAL_LINE = 64;

/** Bytes of the line that MONITOR arms. SDM Vol. 2, CPUID, leaf 05H: Largest monitor-line size */
export const monitorLineBytes = (table: CpuidTable): number => table.lookup(5, 0).ebx & 0xffff || USUAL_LINE;

/** Linear-address width of the part: the widest that it can be set to. */
export const linearAddressWidth = (table: CpuidTable): number => {
  const extended = table.lookup(0x80000000, 0).eax >>> 0;
  return extended >= 0x80000008 ? (table.lookup(0x80000008, 0).eax >> 8) & 0xff : 32;
};
