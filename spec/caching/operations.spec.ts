// SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings
import { describe, expect, it } from 'vitest';
import { type Invalidation, invalidate } from '../../src/api/caches';
import { ALL, cpuDrops, gone, VMX_DROPS, VPIDS, whatGoes } from './every-tag';

describe('An operation drops what it must, and nothing else', () => {
  const rows = VPIDS.flatMap((vpid) =>
    [0, 5].flatMap((pcid) =>
      Object.entries(cpuDrops({ vpid, pcid })).map(
        ([name, drops]) => [`${name}, VPID ${vpid}, PCID ${pcid}`, drops] as const,
      ),
    ),
  );

  it.each(rows)('%s', (_, [operation, goes]) => {
    expect(gone(invalidate(ALL, operation as Invalidation))).toEqual(whatGoes(goes));
  });

  it.each(Object.entries(VMX_DROPS))('%s', (_, [operation, goes]) => {
    expect(gone(invalidate(ALL, operation))).toEqual(whatGoes(goes));
  });
});
