import type { FeatureName } from './features';
import { brandString, genuineIntel, PERFORMANCE_MONITORING, type Preset, SINCE_NEHALEM } from './preset';

const FEATURES: readonly FeatureName[] = [...SINCE_NEHALEM, 'smx'];

/** The first part with EPT and VPID; no unrestricted guest. SDM Vol. 2, CPUID */
export const NEHALEM: Preset = {
  part: 'Intel Nehalem (Lynnfield), family 6, model 1EH, stepping 5',
  hasA20m: true,
  cpuid: [
    genuineIntel(0x0b),
    [0x01, 0, 0x000106e5, 0x00010800, 0, 0],
    [0x02, 0, 0x55035a01, 0x00f0b0e4, 0, 0x09ca212c],
    [0x04, 0, 0x121, 0x01c0003f, 0x3f, 0],
    [0x04, 1, 0x122, 0x00c0003f, 0x7f, 0],
    [0x04, 2, 0x143, 0x01c0003f, 0x1ff, 0],
    [0x04, 3, 0x163, 0x03c0003f, 0x1fff, 2],
    // Monitor lines of 64 bytes; MWAIT knows no hints of its own.
    [0x05, 0, 0x40, 0x40, 3, 0],
    // The timer of the local APIC runs in every state.
    [0x06, 0, 4, 0, 0, 0],
    PERFORMANCE_MONITORING,
    [0x0b, 0, 0, 1, 0x100, 0],
    [0x0b, 1, 0, 1, 0x201, 0],
    [0x80000000, 0, 0x80000008, 0, 0, 0],
    [0x80000001, 0, 0, 0, 0, 0],
    ...brandString('vtmodel Nehalem'),
    [0x80000006, 0, 0, 0, 0x01006040, 0],
    [0x80000007, 0, 0, 0, 0, 0],
    // 36 physical address bits.
    [0x80000008, 0, 36, 0, 0, 0],
  ],
  features: FEATURES,
};
