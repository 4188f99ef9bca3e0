import {
  contradicts,
  EMPTY_CACHES,
  preferredWay,
  type Remedy,
  type StaleTranslation,
  type WaySetup,
  waysOf,
  withoutPage,
  withoutPageOfPcid,
  withoutPcid,
} from '../caching';
import { announces } from '../presets/features';
import type { ProcessorDraft } from '../processor-draft';
import { CR4, SLOT } from '../slots';

/** Why a translation is stale. */
export type StaleCause = Pick<StaleTranslation, 'changed' | 'roots' | 'unflagged'>;

/** What software of the address space itself can do, smallest first: where it does not exit, and in the context that the store was made in. */
const ownRemedies = (
  cpu: ProcessorDraft,
  { vpid, pcid }: WaySetup,
  at: { readonly low: number; readonly high: number },
  { changed: [first], roots }: StaleCause,
  isEnough: (remedy: Remedy) => boolean,
): readonly Remedy[] => {
  if (first !== undefined && first.write.vpid !== vpid) return [];
  const does = (operation: Remedy['operation']): boolean =>
    !cpu.nonRoot || cpu.virtualization!.invalidatesItself(cpu, operation);
  const reload: Remedy = {
    operation: 'MOV to CR3',
    drop: (caches) => withoutPcid(caches, { vpid, pcid }),
  };
  const page: Remedy = {
    operation: 'INVLPG',
    drop: (caches) => withoutPage(caches, at, { vpid, pcid: first?.write.pcid ?? pcid }),
  };
  const pageOfPcid: Remedy = {
    operation: 'INVPCID individual-address',
    drop: (caches) => withoutPageOfPcid(caches, at, { vpid, pcid }),
  };
  const otherPcid = announces(cpu.cpuid, 'invpcid') ? pageOfPcid : reload;
  if (first !== undefined) return [page, otherPcid].filter(({ operation }) => does(operation));
  if (roots === undefined) return [];
  // A guest without PCIDs cannot keep more than global pages when it loads CR3: the rest is its monitor's to drop.
  const keeps = !cpu.nonRoot || (cpu.W[2 * SLOT.cr4] & CR4.pcide) !== 0;
  if (!keeps && isEnough(reload)) return [];
  return [reload, page].filter(({ operation }) => does(operation));
};

/** Where EPT has changed INVEPT alone is sure to be enough; where the whole address space is another one, no single page is. */
const suits = ({ operation }: Remedy, { changed: [first], roots, unflagged }: StaleCause): boolean => {
  if (operation === 'INVEPT single-context') return true;
  if (first !== undefined) return first.table === 'guest';
  return !unflagged && (roots === undefined || operation !== 'INVVPID individual-address');
};

/**
 * The smallest invalidation, on the processor that used a translation, after which no answer to the access is stale; undefined where none is known.
 * SDM Vol. 3A, 4.10.4.2 Recommended Invalidation; SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction, 29.4.3.4 Guidelines for Use of the INVEPT Instruction
 */
export const smallestRemedy = (
  cpu: ProcessorDraft,
  setup: WaySetup,
  low: number,
  high: number,
  why: StaleCause,
): Remedy['operation'] | undefined => {
  const { caches, access } = setup;
  const at = { low, high };
  const fresh = preferredWay({ ...setup, caches: EMPTY_CACHES }, low, high);
  const isEnough = ({ drop }: Remedy): boolean => {
    for (const way of waysOf({ ...setup, caches: drop(caches) }, low, high))
      if (contradicts(way, fresh, access.write)) return false;
    return true;
  };
  const others = cpu.nonRoot ? cpu.virtualization!.remedies(cpu, at) : [];
  const own = ownRemedies(cpu, setup, at, why, isEnough);
  return [...own, ...others].find((one) => suits(one, why) && isEnough(one))?.operation;
};
