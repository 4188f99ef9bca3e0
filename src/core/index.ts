export * from './address';
export * from './bitfield';
export * from './choice';
export * from './memory';
export * from './outcome';
export * from './radix-walk';
export * from './rule';
export * from './word';
