/** An executable reference model of x86 hardware virtualization. Its parts have entry points of their own; these are the names for daily use. */

export {
  type AddressConstructor,
  type AddressError,
  CHOICE_SITES,
  type Choice,
  type ChoiceQuestion,
  type ChoiceSite,
  type Gpa,
  type Gva,
  gpa,
  gva,
  type Hpa,
  hpa,
  type Iova,
  iova,
  ModelError,
  type Outcome,
  preferred,
  Unbuilt,
} from '../core';
export {
  type FeatureEdits,
  type PresetName,
  type Processor,
  type ProcessorState,
  processor,
  type Tier,
} from './cpu';
export {
  type CheckOptions,
  type CriteriaReport,
  checkCriteria,
  compareObservations,
  type Divergence,
  hardwareAssistedMonitor,
  type Observation,
  type Progress,
} from './criteria';
export {
  type EptFault,
  type GuestPaging,
  type PageFault,
  type WalkReference,
  type WalkRequest,
  walk,
} from './ept';
export * from './machine';
export {
  checkVmEntry,
  type VmEntryInput,
  type VmEntryOutcome,
  type VmEntryPlatform,
  type VmEntryReport,
  type VmEntryViolation,
} from './vmx';
