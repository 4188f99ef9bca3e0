export { type ApicBaseFault, apicBaseOf, writeApicBase } from './base';
export { isAddressed } from './command';
export { localApicDevice } from './local-apic';
export {
  APIC_ERRORS,
  acceptInterrupt,
  acknowledge,
  cr8Of,
  pendingVector,
  processorPriority,
  raiseLocal,
  withCr8,
} from './priority';
export { APIC_REGISTERS, APIC_VERSION, type ApicRegister } from './registers';
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
  currentCount,
  fireTimer,
  type TimerMode,
  timerDeadline,
  timerMode,
  tscDeadlineOf,
  writeTscDeadline,
} from './timer';
