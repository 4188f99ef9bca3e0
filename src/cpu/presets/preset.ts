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
