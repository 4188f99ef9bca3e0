// SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings
import { describe, expect, it } from 'vitest';
import { type Invalidation, invalidate } from '../../src/api/caches';
import { ALL, cpuOperations, gone, mustGo, VMX_OPERATIONS, VPIDS } from './every-tag';

describe('An operation drops what it must, and nothing else', () => {
  const rows = VPIDS.flatMap((vpid) =>
    [0, 5].flatMap((pcid) =>
      Object.entries<Invalidation>(cpuOperations({ vpid, pcid })).map(
        ([name, operation]) => [`${name}, VPID ${vpid}, PCID ${pcid}`, operation] as const,
      ),
    ),
  );

  it.each([...rows, ...Object.entries<Invalidation>(VMX_OPERATIONS)])('%s', (_, operation) => {
    expect(gone(invalidate(ALL, operation))).toEqual(mustGo(operation));
  });
});
