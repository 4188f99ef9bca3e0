export * from './invalidations';
export * from './tables';
export * from './vmcs';
