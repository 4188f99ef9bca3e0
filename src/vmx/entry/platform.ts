import type { Processor } from '../../cpu/presets';
import type { VmxCapabilities } from '../capabilities';
import { vmxCapabilities } from '../preset-capabilities';

/** Features of a processor that checks of VM entry ask about. */
export const VM_ENTRY_FEATURES = ['LAM', 'RTM', 'SGX', 'bus-lock detection'] as const;

/** The processor that would execute the VM entry; as in the Skylake preset where left out. */
export interface VmEntryPlatform {
  readonly capabilities?: VmxCapabilities;
  readonly physicalAddressWidth?: number;
  readonly linearAddressWidth?: number;
  /** Of `VM_ENTRY_FEATURES`. */
  readonly features?: ReadonlySet<string>;
}

const platforms = new WeakMap<Processor, VmEntryPlatform>();

/** What checks of VM entry see of a processor model. */
const modelled = (processor: Processor): VmEntryPlatform => {
  const known = platforms.get(processor);
  if (known !== undefined) return known;
  const { features, physicalAddressWidth, linearAddressWidth } = processor;
  const platform: VmEntryPlatform = {
    capabilities: vmxCapabilities(processor),
    physicalAddressWidth,
    linearAddressWidth,
    features: new Set(features.has('rtm') ? ['RTM'] : []),
  };
  platforms.set(processor, platform);
  return platform;
};

export const platformOf = (given: VmEntryPlatform | Processor): VmEntryPlatform =>
  'cpuid' in given ? modelled(given) : given;
