import type { FeatureName } from './features';
import { genuineIntel, type Preset } from './preset';

const FEATURES: readonly FeatureName[] = ['fpu', 'vme', 'de', 'pse', 'tsc', 'msr', 'mce', 'cx8', 'apic'];

/** The Pentium of 1994: 32-bit and virtual-8086 mode, a local APIC, no PAE, CMOV or VMX. SDM Vol. 2, CPUID */
export const PENTIUM: Preset = {
  part: 'Intel Pentium (P54C), family 5, model 2, stepping 5',
  hasA20m: true,
  cpuid: [genuineIntel(1), [0x01, 0, 0x00000525, 0, 0, 0]],
  features: FEATURES,
};
