/** Translation caches as a value: what a processor may remember of the tables, what each operation must drop of it, and every answer that it may give. */

export type { CacheSpace, CacheTag, MAPPING_SHIFTS, MappingShift, StoredMapping, TaggedCache } from '../core';
export {
  type CachedEntry,
  type CachePolicy,
  type ChangedEntry,
  type CombinedTag,
  EMPTY_CACHES,
  type GuestPhysicalTag,
  type LinearTag,
  type Mapping,
  type MappingTag,
  MOST_MAPPINGS,
  type PcidTag,
  type Remedy,
  type Remembered,
  type StaleTranslation,
  type TableWrite,
  type TranslationCaches,
  type TranslationView,
  type WalkRoot,
  type WayFault,
} from '../cpu/caching';
export {
  type AccessResult,
  access,
  type FlagUpdate,
  type Invalidation,
  invalidate,
  permittedTranslations,
  speculate,
  type Translation,
  type TranslationContext,
  type TranslationRequest,
} from '../ept';
