export { type ChipsetState, chipset, isAsleep, shadowing, shadowRegisters } from './chipset';
export type { ConfigurationSpaces } from './configuration';
export { PM_PORTS } from './configuration';
export type { PowerManagementState } from './power-management';
