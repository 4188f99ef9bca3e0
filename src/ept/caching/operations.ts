import { type Gpa, type Gva, high32, low32 } from '../../core';
import {
  type LinearHalves,
  type TranslationCaches,
  withoutAll,
  withoutByCr0,
  withoutByCr4,
  withoutFaultingPage,
  withoutNonGlobal,
  withoutPage,
  withoutPageOfPcid,
  withoutPages,
  withoutPcid,
  withoutVpid,
} from '../../cpu/caching';
import { EFER } from '../../cpu/slots';
import { eptRoot } from '../eptp';
import {
  withoutAddressOfVpid,
  withoutCombinedOfVpid0,
  withoutEp4ta,
  withoutEpt,
  withoutLinear,
  withoutViolation,
  withoutVpid0,
  withoutVpids,
} from './invalidation';

interface Vpid {
  /** 0000H when left out: outside non-root operation, or without VPIDs. */
  readonly vpid?: number;
}
interface Pcid extends Vpid {
  /** 000H when left out: while CR4.PCIDE is 0. */
  readonly pcid?: number;
}
interface Written extends Pcid {
  /** The register before and after; the PCID is that after it. */
  readonly before: bigint;
  readonly after: bigint;
}

/** A member of the union for each kind. */
type Each<Kind extends string, Rest = unknown> = Kind extends string ? { readonly kind: Kind } & Rest : never;

interface AtAddress {
  readonly address: Gva;
}

/** An operation that invalidates, or one of which software might think so. */
export type Invalidation =
  | Each<'invlpg' | 'page-fault', Pcid & AtAddress>
  | Each<'invpcid', { readonly type: 0 } & Pcid & AtAddress>
  | Each<'invpcid', { readonly type: 1 } & Pcid>
  | Each<'invpcid', { readonly type: 2 | 3 } & Vpid>
  /** `pcid` is the one loaded; `keeps`: bit 63 of the source was 1 and CR4.PCIDE is 1. */
  | Each<'mov-cr3', { readonly keeps?: boolean } & Pcid>
  | Each<'mov-cr0' | 'mov-cr4' | 'wrmsr-efer', Written>
  | Each<'wrmsr-mtrr', Vpid>
  | Each<'task-switch', { readonly changesCr3: boolean } & Vpid>
  /** `address`: the linear address whose translation `gpa` is; undefined for an access to a paging-structure entry of the guest. */
  | Each<'ept-violation', { readonly eptp: bigint; readonly gpa: Gpa; readonly address?: Gva } & Pcid>
  | Each<'vm-entry' | 'vm-exit' | 'eptp-switching', { readonly enableVpid: boolean }>
  | Each<'invept', { readonly type: 1; readonly eptp: bigint }>
  | Each<'invept', { readonly type: 2 }>
  | Each<'invvpid', { readonly type: 0; readonly vpid: number } & AtAddress>
  | Each<'invvpid', { readonly type: 1 | 3; readonly vpid: number }>
  | Each<'invvpid', { readonly type: 2 }>
  /** A VM entry that returns from SMM; a VM entry or VM exit whose MSR-load area holds what flushes. */
  | Each<'smm-return' | 'msr-load-flush' | 'reset'>
  /** These need invalidate nothing. */
  | Each<'ept-misconfiguration' | 'vmxon' | 'vmxoff' | 'vmclear' | 'vmptrld' | 'vmwrite' | 'init'>;

type Of<Kind extends Invalidation['kind']> = Extract<Invalidation, { kind: Kind }>;
type Drop<Kind extends Invalidation['kind']> = (caches: TranslationCaches, by: Of<Kind>) => TranslationCaches;

const halves = (address: Gva): LinearHalves => ({ low: low32(address), high: high32(address) });
const context = ({ vpid = 0, pcid = 0 }: Pcid) => ({ vpid, pcid });
const nothing = (caches: TranslationCaches): TranslationCaches => caches;
const withoutVpidsInUse = (caches: TranslationCaches, by: { readonly enableVpid: boolean }) =>
  by.enableVpid ? caches : withoutVpid0(caches);

/** What each must drop; it may drop whatever else there is. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
const MUST: { readonly [Kind in Invalidation['kind']]: Drop<Kind> } = {
  invlpg: (caches, by) => withoutPage(caches, halves(by.address), context(by)),
  'page-fault': (caches, by) => withoutFaultingPage(caches, halves(by.address), context(by)),
  invpcid: (caches, by) => {
    if (by.type === 0) return withoutPageOfPcid(caches, halves(by.address), context(by));
    if (by.type === 1) return withoutPcid(caches, context(by));
    return (by.type === 2 ? withoutVpid : withoutNonGlobal)(caches, by.vpid ?? 0);
  },
  'mov-cr3': (caches, by) => (by.keeps === true ? caches : withoutPcid(caches, context(by))),
  'mov-cr0': (caches, by) => withoutByCr0(caches, low32(by.before), low32(by.after), context(by)),
  'mov-cr4': (caches, by) => withoutByCr4(caches, low32(by.before), low32(by.after), context(by)),
  'wrmsr-efer': (caches, by) =>
    (low32(by.before ^ by.after) & EFER.nxe) === 0 ? caches : withoutVpid(caches, by.vpid ?? 0),
  'wrmsr-mtrr': (caches, by) => withoutPages(caches, by.vpid ?? 0),
  'task-switch': (caches, by) =>
    by.changesCr3 ? withoutPcid(caches, { vpid: by.vpid ?? 0, pcid: 0 }) : caches,
  'ept-violation': (caches, by) =>
    withoutViolation(caches, by.gpa, by.address === undefined ? undefined : halves(by.address), {
      ...context(by),
      ep4ta: eptRoot(by.eptp),
    }),
  'vm-entry': withoutVpidsInUse,
  'vm-exit': withoutVpidsInUse,
  'eptp-switching': (caches, by) => (by.enableVpid ? caches : withoutCombinedOfVpid0(caches)),
  invept: (caches, by) => (by.type === 1 ? withoutEp4ta(caches, eptRoot(by.eptp)) : withoutEpt(caches)),
  invvpid: (caches, by) => {
    if (by.type === 0) return withoutAddressOfVpid(caches, halves(by.address), by.vpid);
    if (by.type === 2) return withoutVpids(caches);
    return (by.type === 1 ? withoutVpid : withoutNonGlobal)(caches, by.vpid);
  },
  'smm-return': withoutLinear,
  'msr-load-flush': withoutLinear,
  reset: withoutAll,
  'ept-misconfiguration': nothing,
  vmxon: nothing,
  vmxoff: nothing,
  vmclear: nothing,
  vmptrld: nothing,
  vmwrite: nothing,
  init: nothing,
};

/**
 * What is left after an operation that dropped what it must and nothing else. Every operation may drop more: software may rely on what is gone, never
 * on what stays. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings
 */
export const invalidate = (caches: TranslationCaches, by: Invalidation): TranslationCaches =>
  (MUST[by.kind] as Drop<Invalidation['kind']>)(caches, by);
