export { missingControls } from './capabilities';
export type { ControlWords } from './controls';
export type { GuestRecord, HardwareAssistedOptions } from './guest';
export { hardwareAssistedMonitor, type MonitorActivity, type MonitorState } from './monitor';
