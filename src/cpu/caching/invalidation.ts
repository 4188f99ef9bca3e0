import type { CacheSpace } from '../../core';
import { CR0, CR4 } from '../slots';
import { EMPTY_CACHES, type Mapping, type MappingTag, type TranslationCaches } from './mapping';

type Space = CacheSpace<MappingTag, Mapping>;

/** A linear address as its halves. */
export interface LinearHalves {
  readonly low: number;
  readonly high: number;
}

/** What selects mappings when an operation invalidates. */
export interface CurrentTags {
  readonly vpid: number;
  readonly pcid: number;
  /** -1 while EPT is off. */
  readonly ep4ta: number;
}

/** What is left of what is remembered after an operation. */
export type CacheDrop = (caches: TranslationCaches, now: CurrentTags) => TranslationCaches;

/** In which address space an operation invalidates. */
export interface InContext {
  readonly vpid: number;
  readonly pcid: number;
}

/** Whether a space holds linear or combined mappings of a VPID: guest-physical ones belong to none. */
const isOf = ({ tag }: Space, vpid: number): boolean => tag.kind !== 'guest-physical' && tag.vpid === vpid;

/** Those of one PCID; global ones are of every PCID, and not of these. */
const isOfPcid = (space: Space, { vpid, pcid }: InContext): boolean =>
  isOf(space, vpid) && (space.tag as { pcid?: unknown }).pcid === pcid;

const isGlobal = ({ tag }: Space): boolean => tag.kind !== 'guest-physical' && tag.pcid === 'global';

/** What each operation of Vol. 3A must drop. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs */

/** INVLPG: the page in the current PCID, and where it is global in all; the paging-structure caches of the current PCID. */
export const withoutPage = (
  caches: TranslationCaches,
  at: LinearHalves,
  context: InContext,
): TranslationCaches =>
  caches.change((space) => {
    if (isOfPcid(space, context)) return space.withoutPage(at.low, at.high).withoutTables();
    return isOf(space, context.vpid) && isGlobal(space) ? space.withoutPage(at.low, at.high) : space;
  });

/** A page fault: the page likewise, and what the paging-structure caches know on the way to it. */
export const withoutFaultingPage = (
  caches: TranslationCaches,
  at: LinearHalves,
  context: InContext,
): TranslationCaches =>
  caches.change((space) => {
    if (isOfPcid(space, context)) return space.withoutPage(at.low, at.high).withoutPath(at.low, at.high);
    return isOf(space, context.vpid) && isGlobal(space) ? space.withoutPage(at.low, at.high) : space;
  });

/** INVPCID of type 0: one address of one PCID, where it is not global. */
export const withoutPageOfPcid = (
  caches: TranslationCaches,
  at: LinearHalves,
  context: InContext,
): TranslationCaches =>
  caches.change((space) =>
    isOfPcid(space, context) ? space.withoutPage(at.low, at.high).withoutPath(at.low, at.high) : space,
  );

/** MOV to CR3, a task switch that changes CR3, MOV to CR4 that changes PAE or sets SMEP, INVPCID of type 1: one PCID but for global pages. */
export const withoutPcid = (caches: TranslationCaches, context: InContext): TranslationCaches =>
  caches.change((space) => (isOfPcid(space, context) ? undefined : space));

/** INVPCID of type 3, INVVPID of type 3: every PCID but for global pages. */
export const withoutNonGlobal = (caches: TranslationCaches, vpid: number): TranslationCaches =>
  caches.change((space) => (isOf(space, vpid) && !isGlobal(space) ? undefined : space));

/** MOV to CR4 that changes PGE or clears PCIDE, MOV to CR0 that clears PG, INVPCID of type 2: all of one VPID. */
export const withoutVpid = (caches: TranslationCaches, vpid: number): TranslationCaches =>
  caches.change((space) => (isOf(space, vpid) ? undefined : space));

/** WRMSR to an MTRR: the pages of one VPID, global ones too. SDM Vol. 2, WRMSR */
export const withoutPages = (caches: TranslationCaches, vpid: number): TranslationCaches =>
  caches.change((space) => (isOf(space, vpid) ? space.withoutPages() : space));

/** RESET. */
export const withoutAll = (): TranslationCaches => EMPTY_CACHES;

/** MOV to CR0 from one value (int32) to another. */
export const withoutByCr0 = (
  caches: TranslationCaches,
  before: number,
  after: number,
  { vpid }: InContext,
): TranslationCaches => ((before & ~after & CR0.pg) === 0 ? caches : withoutVpid(caches, vpid));

/** MOV to CR4 likewise; the PCID is that after it. */
export const withoutByCr4 = (
  caches: TranslationCaches,
  before: number,
  after: number,
  context: InContext,
): TranslationCaches => {
  const changed = before ^ after;
  if ((changed & CR4.pge) !== 0 || (before & ~after & CR4.pcide) !== 0)
    return withoutVpid(caches, context.vpid);
  const one = (changed & CR4.pae) !== 0 || (after & ~before & CR4.smep) !== 0;
  return one ? withoutPcid(caches, context) : caches;
};
