import {
  fault,
  type Gpa,
  gpa,
  type Hpa,
  high32,
  hpa,
  low32,
  MemoryDraft,
  type MemoryRoot,
  type Outcome,
  ok,
} from '../../core';
import {
  type CachedEntry,
  type EntryUpdate,
  preferredWay,
  type TranslationCaches,
  type Way,
  type WaySetup,
  waysOf,
  withFills,
  withoutFaultingPage,
} from '../../cpu/caching';
import type { EptMisconfiguration, EptViolation } from '../violation';
import type { PageFault } from '../walk';
import { withoutViolation } from './invalidation';
import { setupOf, type TranslationRequest } from './request';

/** A table entry in which an access sets accessed or dirty flags. */
export interface FlagUpdate {
  /** Host-physical address of the entry. */
  readonly address: Hpa;
  readonly table: 'guest' | 'ept';
  /** The bits that it sets. */
  readonly bits: number;
  /** Of an entry of EPT: the guest-physical address that it translates; page-modification logging logs its page when the dirty flag is among the bits. */
  readonly gpa?: Gpa;
}

/** One answer that a processor may give to an access. */
export interface Translation {
  readonly outcome: Outcome<Hpa, PageFault | EptViolation | EptMisconfiguration>;
  /** `memory`: every entry was read there; `caches`: none was; `both`: the upper part was remembered, the rest read. */
  readonly source: 'memory' | 'caches' | 'both';
  /** Of a translated address the bits that select its memory type: PWT, PCD and PAT of the leaf, from bit 8 on bits 6:3 of the EPT leaf. */
  readonly memoryType: number;
  /** Accessed and dirty flags that this answer sets, in the order of the walk; a remembered page sets none, a page fault none in the guest's tables. SDM Vol. 3A, 4.8 Accessed and Dirty Flags */
  readonly updates: readonly FlagUpdate[];
}

/** Entries that were read from memory now, in the order of the walk. */
const readNow = ({ from, used }: Way): readonly CachedEntry[] => {
  const remembered = new Set(used.flatMap((mapping) => mapping.from));
  return from.filter((entry) => !remembered.has(entry));
};

const outcomeOf = (way: Way, { address, access = 'read' }: TranslationRequest): Translation['outcome'] => {
  const { fault: why } = way;
  if (why === undefined) return ok(hpa(way.frame! * 4096 + (low32(address) & 4095)));
  if (why.kind === 'page-fault') return fault({ kind: 'page-fault', address, errorCode: why.errorCode });
  if (why.kind === 'ept-misconfiguration') return fault({ kind: why.kind, gpa: gpa(why.gpa) });
  const { pagingStructure, rights } = why;
  const wants = {
    read: pagingStructure || access === 'read',
    write: !pagingStructure && access === 'write',
    fetch: !pagingStructure && access === 'fetch',
  };
  return fault({
    kind: why.kind,
    gpa: gpa(why.gpa),
    access: wants,
    rights,
    linear: address,
    pagingStructure,
  });
};

const updateOf = ({ address, table, bits, gpa: translated }: EntryUpdate): FlagUpdate => ({
  address: hpa(address),
  table,
  bits,
  ...(translated === undefined ? {} : { gpa: gpa(translated) }),
});

const translationOf = (way: Way, request: TranslationRequest): Translation => {
  const source = way.used.length === 0 ? 'memory' : readNow(way).length === 0 ? 'caches' : 'both';
  return Object.freeze({
    outcome: outcomeOf(way, request),
    source,
    memoryType: way.page?.memoryType ?? 0,
    updates: Object.freeze(way.updates.map(updateOf)),
  });
};

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one));

/**
 * Every answer that a processor with these caches may give to an access, each once: translations that it remembers, walks that begin at a table that it
 * remembers, and the walk through memory, for an entry may be gone at any time. Of those with equal results the first is listed, what is remembered first.
 * SDM Vol. 3A, 4.10.2.2 Caching Translations in TLBs, 4.10.3.2 Using the Paging-Structure Caches to Translate Linear Addresses; SDM Vol. 3C, 29.4.2 Creating and Using Cached Translation Information
 */
export const permittedTranslations = (
  caches: TranslationCaches,
  memory: Pick<MemoryRoot, 'page'>,
  request: TranslationRequest,
): readonly Translation[] => {
  const setup = setupOf(caches, memory, request);
  const found = new Map<string, Translation>();
  for (const way of waysOf(setup, low32(request.address), high32(request.address))) {
    const translation = translationOf(way, request);
    const { outcome, memoryType, updates } = translation;
    const key = textOf([outcome, memoryType, updates]);
    if (!found.has(key)) found.set(key, translation);
  }
  return Object.freeze([...found.values()]);
};

/** What an access leaves behind. */
export interface AccessResult {
  readonly translation: Translation;
  readonly caches: TranslationCaches;
  /** With the accessed and dirty flags that the access set. */
  readonly memory: MemoryRoot;
}

const withFlags = (memory: MemoryRoot, updates: readonly FlagUpdate[]): MemoryRoot => {
  if (updates.length === 0) return memory;
  const draft = new MemoryDraft(memory);
  for (const { address, bits } of updates)
    draft.ownedPage(Math.floor(address / 4096)).words[(address & 4095) >> 2] |= bits;
  return draft.publish();
};

/**
 * One access as a processor makes it that keeps all that it may (the policy `keep-all`): it uses what it remembers, walks anew before it faults
 * on remembered rights, and remembers what it walked. A page fault or EPT violation invalidates as it must.
 */
export const access = (
  caches: TranslationCaches,
  memory: MemoryRoot,
  request: TranslationRequest,
): AccessResult => {
  const low = low32(request.address);
  const high = high32(request.address);
  const setup = setupOf(caches, memory, request);
  const way = preferredWay(setup, low, high);
  const translation = translationOf(way, request);
  const flagged = withFlags(memory, translation.updates);
  const after = flagged === memory ? way : preferredWay(setupOf(caches, flagged, request), low, high);
  const filled = withFills(caches, after.fills);
  return Object.freeze({ translation, caches: afterFault(filled, way, setup, request), memory: flagged });
};

const afterFault = (
  caches: TranslationCaches,
  { fault: why }: Way,
  { vpid, pcid, stage }: WaySetup,
  { address }: TranslationRequest,
): TranslationCaches => {
  const at = { low: low32(address), high: high32(address) };
  switch (why?.kind) {
    case 'page-fault':
      return withoutFaultingPage(caches, at, { vpid, pcid });
    case 'ept-violation': {
      const linear = why.pagingStructure ? undefined : at;
      return withoutViolation(caches, why.gpa, linear, { vpid, pcid, ep4ta: stage!.ep4ta });
    }
    default:
      return caches;
  }
};

/**
 * What a processor may remember of an address that no program touched: it may walk the tables of the current address space at any time. Nothing is
 * remembered of entries whose accessed flag is 0. SDM Vol. 3A, 4.10.2.3 Details of TLB Use
 */
export const speculate = (
  caches: TranslationCaches,
  memory: Pick<MemoryRoot, 'page'>,
  request: TranslationRequest,
): TranslationCaches => {
  const setup = setupOf(caches, memory, request);
  let next = caches;
  for (const way of waysOf(setup, low32(request.address), high32(request.address)))
    next = withFills(next, way.fills);
  return next;
};
