export { type MinimalOptions, type MinimalState, minimalVmcallMonitor } from './monitor';
