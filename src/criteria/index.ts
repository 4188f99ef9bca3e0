export { type CheckOptions, checkCriteria } from './check-criteria';
export { compareObservations, type Difference, type Divergence, type InterruptPart } from './compare';
export { Efficiency, type EfficiencyResult, isSensitive, type NeedlessExit } from './efficiency';
export { type EptReach, eptReach } from './ept-reach';
export type { GuestInstruction } from './guest-instruction';
export { GUEST_REGISTERS, type GuestRegister, type GuestRegisters } from './guest-registers';
export type { InterruptState } from './interrupt-state';
export type { MonitoredRunListener, MonitoredRunOptions, SavedRun } from './monitored-progress';
export { MonitoredRun } from './monitored-run';
export type { ChangedPage, DeliveredEvent, DeviceAccess, GuestEnd, Observation } from './observation';
export type {
  AccessReport,
  CriteriaReport,
  DifferenceReport,
  DivergenceReport,
  EventReport,
  Hex,
  InstructionReport,
  ObservationReport,
  Progress,
  ViolationReport,
} from './report';
export type {
  ResourceControlResult,
  ResourceViolation,
  ResourceViolationKind,
} from './resource-control';
