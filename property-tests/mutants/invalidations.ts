// Invalidations that drop less than they must: the theorem that only what was not invalidated is stale must reject each.
import { type Invalidation, invalidate } from '../../src/api/caches';
import { gva } from '../../src/core';

export type Invalidate = typeof invalidate;
type Kind = Invalidation['kind'];

/** An operation that does what another one would. */
const instead =
  (kind: Kind, change: (by: Invalidation) => Invalidation | undefined): Invalidate =>
  (caches, by) => {
    const done = by.kind === kind ? change(by) : by;
    return done === undefined ? caches : invalidate(caches, done);
  };

// SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs and Paging-Structure Caches
export const brokenInvalidations: Readonly<Record<string, Invalidate>> = {
  'INVLPG drops nothing': instead('invlpg', () => undefined),
  'INVLPG drops the page after its own': instead('invlpg', (by) =>
    by.kind === 'invlpg' ? { ...by, address: gva(BigInt(by.address) + 0x1000n) } : by,
  ),
  'INVLPG drops the page in another PCID': instead('invlpg', (by) => ({ ...by, pcid: 1 }) as Invalidation),
  'MOV to CR3 drops nothing': instead('mov-cr3', () => undefined),
  'MOV to CR3 drops another PCID': instead('mov-cr3', () => ({ kind: 'mov-cr3', pcid: 1 })),
  'MOV to CR3 drops another VPID': instead('mov-cr3', () => ({ kind: 'mov-cr3', vpid: 1 })),
};
