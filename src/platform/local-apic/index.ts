export { type ApicBaseFault, apicBaseOf, writeApicBase } from './base';
export { type LocalApics, localApicDevice } from './local-apic';
export { connectPins } from './local-interrupts';
export { type Delivery, deliverMessage, isAddressed } from './message';
export {
  acceptInterrupt,
  acknowledge,
  cr8Of,
  pendingVector,
  processorPriority,
  takesExternal,
  withCr8,
} from './priority';
export {
  createLocalApic,
  DEFAULT_APIC_ADDRESS,
  initLocalApic,
  type LocalApicOptions,
  type LocalApicState,
  type LvtEntry,
  type VectorSet,
} from './state';
export {
  settleTimer,
  type TimerMode,
  tscDeadlineOf,
  writeTscDeadline,
} from './timer';
export { readX2apic, writeX2apic, X2APIC_CURRENT_COUNT } from './x2apic';
