export type { AddressRange, GuestRecord, HardwareAssistedOptions } from './guest';
export { type Activity, hardwareAssistedMonitor, type MonitorState } from './monitor';
