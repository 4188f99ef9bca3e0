/**
 * What a processor keeps of its walks. `none`: nothing, memory is walked each time. `lru`: the `entries` mappings used last. `keep-all`: all, until an operation that must invalidate.
 * `adversarial`: that, and mappings for pages that no program touched, and faults on remembered rights, as the Choice sites `speculative-fill` and `spurious-fault` say; the seed
 * decides where the caller's Choice does not.
 */
export type CachePolicy =
  | { readonly kind: 'none' | 'keep-all' }
  | { readonly kind: 'lru'; readonly entries: number }
  | { readonly kind: 'adversarial'; readonly seed: number };

export const NO_CACHES: CachePolicy = Object.freeze({ kind: 'none' });

/** Whether two policies are equal. */
export const samePolicy = (a: CachePolicy, b: CachePolicy): boolean =>
  a.kind === b.kind &&
  (a.kind !== 'lru' || a.entries === (b as typeof a).entries) &&
  (a.kind !== 'adversarial' || a.seed === (b as typeof a).seed);

/** So many mappings a processor remembers at most, under every policy; with one more it drops all, which is always legal. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs */
export const MOST_MAPPINGS = 2 ** 15;
