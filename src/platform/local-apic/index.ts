export { type ApicBaseFault, apicBaseOf, writeApicBase } from './base';
export { isAddressed } from './command';
export { localApicDevice } from './local-apic';
export {
  acceptInterrupt,
  acknowledge,
  cr8Of,
  pendingVector,
  processorPriority,
  withCr8,
} from './priority';
export {
  createLocalApic,
  initLocalApic,
  type LocalApicOptions,
  type LocalApicState,
  type LvtEntry,
  type VectorSet,
} from './state';
export {
  fireTimer,
  type TimerMode,
  tscDeadlineOf,
  writeTscDeadline,
} from './timer';
