/** One CPUID result. */
export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}
/** What CPUID returns, by leaf and subleaf, before bits that follow CR4 (OSXSAVE...) are merged in. */
export interface CpuidTable {
  readonly lookup: (leaf: number, subleaf: number) => CpuidResult;
  /** Names of the feature flags that it announces. */
  readonly features: ReadonlySet<string>;
}
