export * from './invalidation';
export * from './mapping';
export * from './way';
export * from './ways';
