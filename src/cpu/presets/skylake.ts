import type { FeatureName } from './features';
import { brandString, genuineIntel, PERFORMANCE_MONITORING, type Preset, SINCE_SKYLAKE } from './preset';

const FEATURES: readonly FeatureName[] = [...SINCE_SKYLAKE, 'hle', 'rtm', 'rdt-m', 'mpx', 'rdt-a', 'pt'];

/** A server part: with protection keys, as the desktop parts are not. SDM Vol. 2, CPUID */
export const SKYLAKE: Preset = {
  part: 'Intel Skylake-SP, family 6, model 55H, stepping 4',
  hasA20m: false,
  cpuid: [
    genuineIntel(0x16),
    [0x01, 0, 0x00050654, 0x00010800, 0, 0],
    [0x02, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000],
    [0x04, 0, 0x121, 0x01c0003f, 0x3f, 0],
    [0x04, 1, 0x122, 0x01c0003f, 0x3f, 0],
    [0x04, 2, 0x143, 0x03c0003f, 0x3ff, 0],
    [0x04, 3, 0x163, 0x0280003f, 0x2fff, 4],
    [0x05, 0, 0x40, 0x40, 3, 0],
    [0x06, 0, 4, 0, 0, 0],
    [0x07, 0, 0, 0, 0, 0],
    PERFORMANCE_MONITORING,
    [0x0b, 0, 0, 1, 0x100, 0],
    [0x0b, 1, 0, 1, 0x201, 0],
    // 24 MHz crystal, times 250/2: 3 GHz.
    [0x15, 0, 2, 250, 24_000_000, 0],
    [0x16, 0, 3000, 3000, 100, 0],
    [0x80000000, 0, 0x80000008, 0, 0, 0],
    [0x80000001, 0, 0, 0, 0, 0],
    ...brandString('vtmodel Skylake'),
    [0x80000006, 0, 0, 0, 0x01006040, 0],
    [0x80000007, 0, 0, 0, 0, 0],
    // 46 physical address bits.
    [0x80000008, 0, 46, 0, 0, 0],
  ],
  features: FEATURES,
};
