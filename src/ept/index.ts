export * from './entry';
export * from './eptp';
export type { GuestPaging } from './guest-paging';
export * from './mappings';
export * from './nested-walk';
export * from './paging-format';
export * from './table-reader';
export * from './violation';
export * from './walk';
