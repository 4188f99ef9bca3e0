export * from './invalidation';
export * from './mapping';
export * from './policy';
export * from './remembered';
export * from './stale';
export * from './table-index';
export { originOf } from './walk-path';
export * from './way';
export * from './ways';
