import { type LinearHalves, type TranslationCaches, withoutVpid } from '../../cpu/caching';
import { highHalf, lowHalf } from '../nested-walk';

/** What each operation of Vol. 3C must drop. SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */

/** VM entry and VM exit while VPIDs are off. */
export const withoutVpid0 = (caches: TranslationCaches): TranslationCaches => withoutVpid(caches, 0);

/** EPTP switching while VPIDs are off: combined mappings alone. */
export const withoutCombinedOfVpid0 = (caches: TranslationCaches): TranslationCaches =>
  caches.change((space) => (space.tag.kind === 'combined' && space.tag.vpid === 0 ? undefined : space));

/** INVEPT, single-context: guest-physical and combined mappings of one EP4TA; a linear mapping has none. */
export const withoutEp4ta = (caches: TranslationCaches, ep4ta: number): TranslationCaches =>
  caches.change((space) => (space.tag.kind !== 'linear' && space.tag.ep4ta === ep4ta ? undefined : space));

/** INVEPT, all-context. */
export const withoutEpt = (caches: TranslationCaches): TranslationCaches =>
  caches.change((space) => (space.tag.kind === 'linear' ? space : undefined));

/** INVVPID, individual-address: under every PCID and EP4TA, also where it is global. */
export const withoutAddressOfVpid = (
  caches: TranslationCaches,
  { low, high }: LinearHalves,
  vpid: number,
): TranslationCaches =>
  caches.change((space) =>
    space.tag.kind !== 'guest-physical' && space.tag.vpid === vpid
      ? space.withoutPage(low, high).withoutPath(low, high)
      : space,
  );

/** INVVPID, all-context: every VPID but 0000H. */
export const withoutVpids = (caches: TranslationCaches): TranslationCaches =>
  caches.change((space) => (space.tag.kind !== 'guest-physical' && space.tag.vpid !== 0 ? undefined : space));

/** A VM entry that returns from SMM, a VM entry or VM exit whose MSR-load area flushes: every VPID. */
export const withoutLinear = (caches: TranslationCaches): TranslationCaches =>
  caches.change((space) => (space.tag.kind === 'guest-physical' ? space : undefined));

/**
 * An EPT violation: the guest-physical address under the current EP4TA; when it is what a linear address is translated to, that address
 * under the current VPID, PCID and EP4TA.
 */
export const withoutViolation = (
  caches: TranslationCaches,
  gpa: number,
  linear: LinearHalves | undefined,
  now: { readonly vpid: number; readonly pcid: number; readonly ep4ta: number },
): TranslationCaches =>
  caches.change((space) => {
    const { tag } = space;
    if (tag.kind === 'linear' || tag.ep4ta !== now.ep4ta) return space;
    if (tag.kind === 'guest-physical')
      return space.withoutPage(lowHalf(gpa), highHalf(gpa)).withoutPath(lowHalf(gpa), highHalf(gpa));
    if (linear === undefined || tag.vpid !== now.vpid) return space;
    if (tag.pcid === 'global') return space.withoutTranslation(linear.low, linear.high);
    return tag.pcid === now.pcid
      ? space.withoutTranslation(linear.low, linear.high).withoutPath(linear.low, linear.high)
      : space;
  });
