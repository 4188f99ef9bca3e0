// Invalidations that leave out one of the drops that the manual requires: the theorem about stale answers must reject every one.
import { type Invalidation, invalidate, type Mapping, type MappingTag } from '../../src/api/caches';
import { gva } from '../../src/core';
import { withFills } from '../../src/cpu/caching';
import type { Invalidate } from '../staleness';

type Kept = (tag: MappingTag, mapping: Mapping) => boolean;
type Asked = (by: Invalidation) => boolean;

interface Mutant {
  readonly how: Invalidate;
  /** The operations that the mistake is about, which a run has alone. */
  readonly isAsked: Asked;
}

const leaves = (isAsked: Asked, kept: Kept): Mutant => ({
  isAsked,
  how: (caches, by) => {
    const left = invalidate(caches, by);
    if (!isAsked(by)) return left;
    const mappings = [...caches.mappings()].filter(([tag, mapping]) => kept(tag, mapping));
    return withFills(
      left,
      mappings.map(([tag, mapping]) => ({ tag, mapping })),
    );
  },
});

/** Does what another operation would. */
const instead = (
  kind: Invalidation['kind'],
  change: (by: Invalidation) => Invalidation | undefined,
): Mutant => ({
  isAsked: is(kind),
  how: (caches, by) => {
    const done = by.kind === kind ? change(by) : by;
    return done === undefined ? caches : invalidate(caches, done);
  },
});

const is =
  (kind: Invalidation['kind']): Asked =>
  (by) =>
    by.kind === kind;
const typed =
  (kind: 'invpcid' | 'invept' | 'invvpid', type: number): Asked =>
  (by) =>
    by.kind === kind && by.type === type;

const linear: Kept = ({ kind }) => kind === 'linear';
const combined: Kept = ({ kind }) => kind === 'combined';
const guestPhysical: Kept = ({ kind }) => kind === 'guest-physical';
const pages: Kept = (_, { kind }) => kind === 'page';
const tables: Kept = (_, { kind }) => kind === 'table';
const globals: Kept = (tag) => tag.kind !== 'guest-physical' && tag.pcid === 'global';
const ofVpid =
  (vpid: number): Kept =>
  (tag) =>
    tag.kind !== 'guest-physical' && tag.vpid === vpid;
const ofPcid =
  (pcid: number): Kept =>
  (tag) =>
    tag.kind !== 'guest-physical' && tag.pcid === pcid;
const both =
  (...all: readonly Kept[]): Kept =>
  (tag, mapping) =>
    all.every((one) => one(tag, mapping));

const clearsPge: Asked = (by) => by.kind === 'mov-cr4' && ((by.before ^ by.after) & 0x80n) !== 0n;
const clearsPcide: Asked = (by) => by.kind === 'mov-cr4' && (by.before & ~by.after & 0x2_0000n) !== 0n;
const changesOnePcid: Asked = (by) =>
  by.kind === 'mov-cr4' &&
  !clearsPge(by) &&
  !clearsPcide(by) &&
  (((by.before ^ by.after) & 0x20n) !== 0n || (by.after & ~by.before & 0x10_0000n) !== 0n);
const clearsPg: Asked = (by) => by.kind === 'mov-cr0' && (by.before & ~by.after & 0x8000_0000n) !== 0n;
const changesNxe: Asked = (by) => by.kind === 'wrmsr-efer' && ((by.before ^ by.after) & 0x800n) !== 0n;

/** What each mutant leaves, by operation. */
export const invalidationMutants: Readonly<Record<string, Mutant>> = {
  'INVLPG drops nothing': instead('invlpg', () => undefined),
  'INVLPG drops the page after its own': instead('invlpg', (by) =>
    by.kind === 'invlpg' ? { ...by, address: gva(BigInt(by.address) + 0x1000n) } : by,
  ),
  'INVLPG drops the page in another PCID': instead('invlpg', (by) => ({ ...by, pcid: 7 }) as Invalidation),
  'MOV to CR3 drops nothing': instead('mov-cr3', () => undefined),
  'MOV to CR3 drops another PCID': instead('mov-cr3', (by) => ({ ...by, pcid: 7 }) as Invalidation),
  'MOV to CR3 drops another VPID': instead('mov-cr3', (by) => ({ ...by, vpid: 3 }) as Invalidation),
  'INVLPG leaves linear pages': leaves(is('invlpg'), both(linear, pages)),
  'INVLPG leaves combined pages': leaves(is('invlpg'), both(combined, pages)),
  'INVLPG leaves global pages': leaves(is('invlpg'), globals),
  'INVLPG leaves tables': leaves(is('invlpg'), both(linear, tables)),
  'INVLPG leaves tables under EPT': leaves(is('invlpg'), both(combined, tables)),
  'a page fault leaves the page': leaves(is('page-fault'), pages),
  'a page fault leaves global pages': leaves(is('page-fault'), globals),
  'a page fault leaves the tables on the way': leaves(is('page-fault'), tables),
  'INVPCID 0 leaves the page': leaves(typed('invpcid', 0), pages),
  'INVPCID 0 leaves the tables on the way': leaves(typed('invpcid', 0), tables),
  'INVPCID 1 leaves pages': leaves(typed('invpcid', 1), pages),
  'INVPCID 1 leaves tables': leaves(typed('invpcid', 1), tables),
  'INVPCID 2 leaves global pages': leaves(typed('invpcid', 2), globals),
  'INVPCID 2 leaves a PCID': leaves(typed('invpcid', 2), ofPcid(6)),
  'INVPCID 3 leaves a PCID': leaves(typed('invpcid', 3), ofPcid(6)),
  'INVPCID 3 leaves combined mappings': leaves(typed('invpcid', 3), combined),
  'MOV to CR3 leaves pages': leaves(is('mov-cr3'), pages),
  'MOV to CR3 leaves tables': leaves(is('mov-cr3'), tables),
  'MOV to CR4 that changes PGE leaves global pages': leaves(clearsPge, globals),
  'MOV to CR4 that changes PGE leaves a PCID': leaves(clearsPge, ofPcid(6)),
  'MOV to CR4 that clears PCIDE leaves a PCID': leaves(clearsPcide, ofPcid(6)),
  'MOV to CR4 that changes PAE or sets SMEP leaves pages': leaves(changesOnePcid, pages),
  'MOV to CR4 that changes PAE or sets SMEP leaves tables': leaves(changesOnePcid, tables),
  'MOV to CR0 that clears PG leaves global pages': leaves(clearsPg, globals),
  'MOV to CR0 that clears PG leaves tables': leaves(clearsPg, tables),
  'WRMSR that changes NXE leaves pages': leaves(changesNxe, pages),
  'WRMSR to an MTRR leaves pages': leaves(is('wrmsr-mtrr'), pages),
  'an EPT violation leaves the guest-physical page': leaves(is('ept-violation'), both(guestPhysical, pages)),
  'an EPT violation leaves the combined page': leaves(is('ept-violation'), both(combined, pages)),
  'VM entry leaves linear mappings': leaves(is('vm-entry'), linear),
  'VM entry leaves combined mappings': leaves(is('vm-entry'), combined),
  'VM exit leaves linear mappings': leaves(is('vm-exit'), linear),
  'VM exit leaves a PCID': leaves(is('vm-exit'), ofPcid(6)),
  'EPTP switching leaves combined mappings': leaves(is('eptp-switching'), combined),
  'INVEPT 1 leaves guest-physical pages': leaves(typed('invept', 1), both(guestPhysical, pages)),
  'INVEPT 1 leaves guest-physical tables': leaves(typed('invept', 1), both(guestPhysical, tables)),
  'INVEPT 1 leaves combined mappings': leaves(typed('invept', 1), combined),
  'INVEPT 1 leaves global pages': leaves(typed('invept', 1), globals),
  'INVEPT 1 leaves a VPID': leaves(typed('invept', 1), ofVpid(2)),
  'INVEPT 2 leaves guest-physical mappings': leaves(typed('invept', 2), guestPhysical),
  'INVEPT 2 leaves combined mappings': leaves(typed('invept', 2), combined),
  'INVVPID 0 leaves global pages': leaves(typed('invvpid', 0), globals),
  'INVVPID 0 leaves a PCID': leaves(typed('invvpid', 0), ofPcid(6)),
  'INVVPID 0 leaves the tables on the way': leaves(typed('invvpid', 0), tables),
  'INVVPID 0 leaves combined pages': leaves(typed('invvpid', 0), both(combined, pages)),
  'INVVPID 1 leaves global pages': leaves(typed('invvpid', 1), globals),
  'INVVPID 1 leaves combined mappings': leaves(typed('invvpid', 1), combined),
  'INVVPID 2 leaves a VPID': leaves(typed('invvpid', 2), ofVpid(2)),
  'INVVPID 2 leaves linear mappings': leaves(typed('invvpid', 2), linear),
  'INVVPID 3 leaves pages': leaves(
    typed('invvpid', 3),
    both((tag, place) => !globals(tag, place), pages),
  ),
  'INVVPID 3 leaves tables': leaves(typed('invvpid', 3), tables),
  'a return from SMM leaves a VPID': leaves(is('smm-return'), ofVpid(2)),
  'an MSR-load area that flushes leaves combined mappings': leaves(is('msr-load-flush'), combined),
  'RESET leaves guest-physical mappings': leaves(is('reset'), guestPhysical),
};
