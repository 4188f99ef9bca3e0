export * from './guest-physical';
export * from './invalidation';
export * from './operations';
export * from './permitted';
export type { TranslationContext, TranslationRequest } from './request';
