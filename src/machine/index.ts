export * from './create-machine';
export type { Occurrences } from './decisions';
export { describeStale } from './describe-stale';
export { describeUndefinedUse } from './describe-undefined-use';
export {
  type ByteDifference,
  difference,
  isEqual,
  memoryDifference,
  type PageDifference,
  type StateDifference,
  type ValueDifference,
} from './difference';
export * from './host-port';
export type { Turn } from './interleaving';
export { giveBack, takeIdleMachine } from './machine-pool';
export * from './machine-state';
export * from './memory-map';
export * from './monitored-machine';
export { permittedChoices } from './permitted-choices';
export * from './processor-description';
export { type RunOptions, type RunResult, run } from './run';
export {
  deserialize,
  isSnapshot,
  SNAPSHOT_VERSION,
  type SnapshotError,
  type SnapshotParts,
  serialize,
  stateHash,
} from './serialize';
export { type ArchitecturalEvent, type OnProcessor, type StepResult, step } from './step';
export * from './stop-reason';
