export * from './entry';
export * from './eptp';
export * from './mappings';
export * from './nested-walk';
export * from './paging-format';
export * from './table-reader';
export * from './violation';
export * from './walk';
