export * from './controls';
export * from './field-row';
export * from './fields';
export * from './guest-msrs';
export * from './vmcs';
