export * from './create-machine';
export * from './host-port';
export * from './machine-state';
export * from './memory-map';
export * from './monitored-machine';
export * from './run';
export type { StopReason } from './running-machine';
