import type { CpuidResult, CpuidTable } from '../cpuid';

type Register = keyof CpuidResult;
interface FeatureBit {
  readonly leaf: number;
  readonly register: Register;
  readonly bit: number;
  /** The model has it; only then may a processor announce it. */
  readonly built: boolean;
}

const built = (leaf: number, register: Register, bit: number): FeatureBit => ({
  leaf,
  register,
  bit,
  built: true,
});
const missing = (leaf: number, register: Register, bit: number): FeatureBit => ({
  leaf,
  register,
  bit,
  built: false,
});

/** Feature flags by name; all in subleaf 0. SDM Vol. 2, Table 3-17 Information Returned by CPUID Instruction */
export const FEATURES = {
  sse3: missing(1, 'ecx', 0),
  pclmulqdq: missing(1, 'ecx', 1),
  monitor: missing(1, 'ecx', 3),
  vmx: built(1, 'ecx', 5),
  smx: missing(1, 'ecx', 6),
  ssse3: missing(1, 'ecx', 9),
  fma: missing(1, 'ecx', 12),
  cx16: built(1, 'ecx', 13),
  pcid: missing(1, 'ecx', 17),
  sse4_1: missing(1, 'ecx', 19),
  sse4_2: missing(1, 'ecx', 20),
  x2apic: missing(1, 'ecx', 21),
  movbe: built(1, 'ecx', 22),
  popcnt: built(1, 'ecx', 23),
  'tsc-deadline': missing(1, 'ecx', 24),
  aes: missing(1, 'ecx', 25),
  /** XGETBV and XSETBV, for XCR0 with x87 and SSE state; what saves that state is not built. */
  xsave: built(1, 'ecx', 26),
  avx: missing(1, 'ecx', 28),
  f16c: missing(1, 'ecx', 29),
  rdrand: missing(1, 'ecx', 30),
  /** Set by software that runs other software in a virtual machine. */
  hypervisor: built(1, 'ecx', 31),
  fpu: missing(1, 'edx', 0),
  vme: missing(1, 'edx', 1),
  de: built(1, 'edx', 2),
  pse: built(1, 'edx', 3),
  tsc: built(1, 'edx', 4),
  msr: built(1, 'edx', 5),
  pae: built(1, 'edx', 6),
  mce: missing(1, 'edx', 7),
  cx8: built(1, 'edx', 8),
  apic: built(1, 'edx', 9),
  sep: built(1, 'edx', 11),
  mtrr: built(1, 'edx', 12),
  pge: built(1, 'edx', 13),
  mca: missing(1, 'edx', 14),
  cmov: built(1, 'edx', 15),
  pat: built(1, 'edx', 16),
  pse36: missing(1, 'edx', 17),
  clfsh: built(1, 'edx', 19),
  mmx: missing(1, 'edx', 23),
  fxsr: missing(1, 'edx', 24),
  sse: missing(1, 'edx', 25),
  sse2: missing(1, 'edx', 26),
  fsgsbase: built(7, 'ebx', 0),
  'tsc-adjust': built(7, 'ebx', 1),
  bmi1: built(7, 'ebx', 3),
  hle: missing(7, 'ebx', 4),
  avx2: missing(7, 'ebx', 5),
  smep: built(7, 'ebx', 7),
  bmi2: built(7, 'ebx', 8),
  erms: built(7, 'ebx', 9),
  invpcid: missing(7, 'ebx', 10),
  rtm: missing(7, 'ebx', 11),
  mpx: missing(7, 'ebx', 14),
  rdseed: missing(7, 'ebx', 18),
  adx: built(7, 'ebx', 19),
  smap: built(7, 'ebx', 20),
  clflushopt: missing(7, 'ebx', 23),
  clwb: missing(7, 'ebx', 24),
  umip: built(7, 'ecx', 2),
  pku: missing(7, 'ecx', 3),
  waitpkg: missing(7, 'ecx', 5),
  la57: missing(7, 'ecx', 16),
  rdpid: built(7, 'ecx', 22),
  serialize: missing(7, 'edx', 14),
  lahf64: built(0x80000001, 'ecx', 0),
  lzcnt: built(0x80000001, 'ecx', 5),
  prefetchw: built(0x80000001, 'ecx', 8),
  syscall: built(0x80000001, 'edx', 11),
  nx: built(0x80000001, 'edx', 20),
  'page-1gib': built(0x80000001, 'edx', 26),
  rdtscp: built(0x80000001, 'edx', 27),
  lm: built(0x80000001, 'edx', 29),
  'invariant-tsc': built(0x80000007, 'edx', 8),
} as const satisfies Record<string, FeatureBit>;

/** A CPUID feature that edits of a preset may name. */
export type FeatureName = keyof typeof FEATURES;

export const isFeatureName = (name: string): name is FeatureName => Object.hasOwn(FEATURES, name);

/** Whether a CPUID table announces a feature. */
export const announces = (table: CpuidTable, feature: FeatureName): boolean => {
  const { leaf, register, bit } = FEATURES[feature];
  return ((table.lookup(leaf, 0)[register] >>> bit) & 1) === 1;
};

/** MAXPHYADDR; 36 without leaf 80000008H. SDM Vol. 3A, 4.1.4 Enumeration of Paging Features by CPUID */
export const physicalAddressWidth = (table: CpuidTable): number => {
  const extended = table.lookup(0x80000000, 0).eax >>> 0;
  return extended >= 0x80000008 ? table.lookup(0x80000008, 0).eax & 0xff : 36;
};

/** Linear-address width of the part: the widest that it can be set to. */
export const linearAddressWidth = (table: CpuidTable): number => {
  const extended = table.lookup(0x80000000, 0).eax >>> 0;
  return extended >= 0x80000008 ? (table.lookup(0x80000008, 0).eax >> 8) & 0xff : 32;
};
