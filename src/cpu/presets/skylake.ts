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

const text = (value: string): [number, number, number, number] => {
  const word = (at: number): number =>
    [3, 2, 1, 0].reduce((all, index) => all * 256 + (value.charCodeAt(at + index) || 0), 0);
  return [word(0), word(4), word(8), word(12)];
};
const [genu, ntel, ineI] = [0x756e6547, 0x6c65746e, 0x49656e69];
const BRAND = 'vtmodel Skylake';

/** A Skylake client part (family 6, model 5EH, stepping 3). SDM Vol. 2, CPUID */
export const SKYLAKE_CPUID: readonly CpuidRow[] = [
  [0x00, 0, 0x16, genu, ntel, ineI],
  [0x01, 0, 0x000506e3, 0x00010800, 0, 0],
  [0x02, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000],
  [0x04, 0, 0x121, 0x01c0003f, 0x0000003f, 0],
  [0x04, 1, 0x122, 0x01c0003f, 0x0000003f, 0],
  [0x04, 2, 0x143, 0x00c0003f, 0x000003ff, 0],
  [0x04, 3, 0x163, 0x03c0003f, 0x00001fff, 6],
  [0x07, 0, 0, 0, 0, 0],
  [0x0b, 0, 0, 1, 0x100, 0],
  [0x0b, 1, 0, 1, 0x201, 0],
  // XCR0 may hold x87 and SSE state: the 512 bytes of FXSAVE and the header.
  [0x0d, 0, 3, 576, 576, 0],
  // 24 MHz crystal, times 250/2: 3 GHz.
  [0x15, 0, 2, 250, 24_000_000, 0],
  [0x16, 0, 3000, 3000, 100, 0],
  [0x80000000, 0, 0x80000008, 0, 0, 0],
  [0x80000001, 0, 0, 0, 0, 0],
  [0x80000002, 0, ...text(BRAND)],
  [0x80000003, 0, 0, 0, 0, 0],
  [0x80000004, 0, 0, 0, 0, 0],
  [0x80000006, 0, 0, 0, 0x01006040, 0],
  [0x80000007, 0, 0, 0, 0, 0],
  // 39 physical and 48 linear address bits.
  [0x80000008, 0, 0x3027, 0, 0, 0],
];

/** What the part has and the model has built. */
export const SKYLAKE_FEATURES: readonly FeatureName[] = [
  'vmx',
  'cx16',
  'movbe',
  'popcnt',
  'de',
  'pse',
  'tsc',
  'msr',
  'pae',
  'cx8',
  'apic',
  'sep',
  'mtrr',
  'pge',
  'cmov',
  'pat',
  'clfsh',
  'fsgsbase',
  'tsc-adjust',
  'bmi1',
  'smep',
  'bmi2',
  'erms',
  'adx',
  'smap',
  'lahf64',
  'lzcnt',
  'prefetchw',
  'syscall',
  'nx',
  'page-1gib',
  'rdtscp',
  'lm',
  'invariant-tsc',
];
