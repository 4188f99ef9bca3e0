import { FEATURES, type FeatureName } from './features';
import { brandString, type Preset } from './preset';
import { SAPPHIRE_RAPIDS } from './sapphire-rapids';

const BRAND = brandString('vtmodel Everything');

/** What software announces about itself, never a part. */
const OF_SOFTWARE: ReadonlySet<FeatureName> = new Set<FeatureName>(['hypervisor']);

/** No real part: every feature that has a name, on the leaves of the newest part. SDM Vol. 2, CPUID */
export const EVERYTHING: Preset = {
  part: 'no real part: Sapphire Rapids with whatever else is built',
  hasA20m: true,
  cpuid: SAPPHIRE_RAPIDS.cpuid.map((row) => BRAND.find(([leaf]) => leaf === row[0]) ?? row),
  // VMX has controls of theirs.
  requested: ['perfmon', 'cet-ss', 'cet-ibt'],
  features: (Object.keys(FEATURES) as FeatureName[]).filter((name) => !OF_SOFTWARE.has(name)),
};
