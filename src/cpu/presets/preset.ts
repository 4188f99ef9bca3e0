import type { FeatureName } from './features';

/** One result of CPUID without its feature flags: leaf, subleaf, EAX, EBX, ECX, EDX. */
export type CpuidRow = readonly [
  leaf: number,
  subleaf: number,
  eax: number,
  ebx: number,
  ecx: number,
  edx: number,
];

/** A part as it is; what the model announces of it follows from what is built. */
export interface Preset {
  /** The part in the maker's words, with family, model and stepping. */
  readonly part: string;
  /** CPUID without feature flags, and without leaf 0DH, which follows from the features. */
  readonly cpuid: readonly CpuidRow[];
  /** Every feature flag of the real part that has a name, also of what the model lacks. */
  readonly features: readonly FeatureName[];
  /** It has the pin A20M#, which parts since Haswell lack. SDM Vol. 3A, 9.7.13.4 External Signal Compatibility */
  readonly hasA20m: boolean;
  /** Those that it announces though others do so on request alone. */
  readonly requested?: readonly FeatureName[];
}

const word = (text: string, at: number): number =>
  [3, 2, 1, 0].reduce((all, index) => all * 256 + (text.charCodeAt(at + index) || 0), 0);

/** Leaf 0 of an Intel part with this highest basic leaf. SDM Vol. 2, CPUID */
export const genuineIntel = (highest: number): CpuidRow => [
  0,
  0,
  highest,
  0x756e6547,
  0x6c65746e,
  0x49656e69,
];

/** Leaves 80000002H to 80000004H: a name of at most 48 characters. SDM Vol. 2, CPUID */
export const brandString = (name: string): readonly CpuidRow[] =>
  [0, 1, 2].map((part) => {
    const [eax, ebx, ecx, edx] = [0, 4, 8, 12].map((at) => word(name, 16 * part + at));
    return [0x80000002 + part, 0, eax, ebx, ecx, edx];
  });

/** Leaf 0AH: four counters of 48 bits, and none of the seven architectural events. SDM Vol. 3B, 20.2 Architectural Performance Monitoring */
export const PERFORMANCE_MONITORING: CpuidRow = [0x0a, 0, 0x07300400, 0x7f, 0, 0];

/** What Nehalem has and the later parts have kept. SDM Vol. 2, CPUID */
export const SINCE_NEHALEM: readonly FeatureName[] = [
  'sse3',
  'dtes64',
  'monitor',
  'ds-cpl',
  'vmx',
  'est',
  'tm2',
  'ssse3',
  'cx16',
  'xtpr',
  'pdcm',
  'sse4_1',
  'sse4_2',
  'popcnt',
  'fpu',
  'vme',
  'de',
  'pse',
  'tsc',
  'msr',
  'pae',
  'mce',
  'cx8',
  'apic',
  'sep',
  'mtrr',
  'pge',
  'mca',
  'cmov',
  'perfmon',
  'pat',
  'pse36',
  'clfsh',
  'ds',
  'acpi',
  'mmx',
  'fxsr',
  'sse',
  'sse2',
  'ss',
  'tm',
  'pbe',
  'lahf64',
  'nx',
  'rdtscp',
  'lm',
  'syscall',
  'invariant-tsc',
];

/** The same of Skylake. */
export const SINCE_SKYLAKE: readonly FeatureName[] = [
  ...SINCE_NEHALEM,
  'pclmulqdq',
  'sdbg',
  'fma',
  'pcid',
  'dca',
  'x2apic',
  'movbe',
  'tsc-deadline',
  'aes',
  'xsave',
  'avx',
  'f16c',
  'rdrand',
  'fsgsbase',
  'tsc-adjust',
  'bmi1',
  'avx2',
  'fdp-exceptions-only',
  'smep',
  'bmi2',
  'erms',
  'invpcid',
  'fcs-fds-deprecated',
  'avx512f',
  'avx512dq',
  'rdseed',
  'adx',
  'smap',
  'clflushopt',
  'clwb',
  'avx512cd',
  'avx512bw',
  'avx512vl',
  'lzcnt',
  'prefetchw',
  'page-1gib',
  'pku',
  'xsaveopt',
  'xsavec',
  'xgetbv1',
  'xsaves',
];
