export * from './guest-physical';
export * from './operations';
export * from './permitted';
export type { TranslationContext, TranslationRequest } from './request';
