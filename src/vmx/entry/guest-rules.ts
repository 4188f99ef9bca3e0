import { guestDescriptorTableRules, guestRipRules } from './guest-control-flow-rules';
import { guestLinkPointerRules, guestPdpteRules } from './guest-memory-rules';
import { guestNonRegisterRules, guestSmmRules } from './guest-non-register-rules';
import { guestRegisterRules } from './guest-register-rules';
import { guestSegmentRules } from './guest-segment-rules';

/**
 * The checks on the guest-state area in the manual's order, which the processor need not keep. A violation is VM-entry failure 33
 * with the row's exit qualification. SDM Vol. 3C, 27.3.1 Checks on the Guest State Area
 */
export const guestStateRules = [
  ...guestRegisterRules,
  ...guestSegmentRules,
  ...guestDescriptorTableRules,
  ...guestRipRules,
  ...guestNonRegisterRules,
  ...guestLinkPointerRules,
  ...guestPdpteRules,
  ...guestSmmRules,
];

export type GuestRuleId = (typeof guestStateRules)[number]['id'];
