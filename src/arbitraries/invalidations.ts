import fc from 'fast-check';
import { type Gpa, type Gva, gpa, gva } from '../core';
import type { Invalidation } from '../ept';

/** The tags and addresses among which operations choose. */
export interface InvalidationPool {
  /** VPIDs of guests, not 0000H. */
  readonly vpids?: readonly number[];
  readonly pcids?: readonly number[];
  readonly addresses?: readonly Gva[];
  readonly eptps?: readonly bigint[];
  readonly gpas?: readonly Gpa[];
}

const DEFAULT_EPTPS: readonly bigint[] = [0x20_001en, 0x30_001en];

/** Operations that invalidate, one after another. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
export const invalidationSequences = (pool: InvalidationPool = {}): fc.Arbitrary<readonly Invalidation[]> => {
  const vpid = fc.constantFrom(...(pool.vpids ?? [1, 2]));
  const vpidOrNone = fc.constantFrom(0, ...(pool.vpids ?? [1, 2]));
  const pcid = fc.constantFrom(...(pool.pcids ?? [0, 1, 2]));
  const address = fc.constantFrom(...(pool.addresses ?? [gva(0x1000n), gva(0x20_0000n)]));
  const eptp = fc.constantFrom(...(pool.eptps ?? DEFAULT_EPTPS));
  const guestPhysical = fc.constantFrom(...(pool.gpas ?? [gpa(0x1000), gpa(0x20_0000)]));
  const kind = <const Kind extends string>(name: Kind) => fc.constant(name);
  const type = <const Type extends number>(...types: readonly Type[]) => fc.constantFrom(...types);
  const operation: fc.Arbitrary<Invalidation> = fc.oneof(
    fc.record({ kind: kind('invlpg'), vpid: vpidOrNone, pcid, address }),
    fc.record({ kind: kind('page-fault'), vpid: vpidOrNone, pcid, address }),
    fc.record({ kind: kind('invpcid'), type: type(0), vpid: vpidOrNone, pcid, address }),
    fc.record({ kind: kind('invpcid'), type: type(1), vpid: vpidOrNone, pcid }),
    fc.record({ kind: kind('invpcid'), type: type(2, 3), vpid: vpidOrNone }),
    fc.record({ kind: kind('mov-cr3'), keeps: fc.boolean(), vpid: vpidOrNone, pcid }),
    fc.record({ kind: kind('ept-violation'), eptp, gpa: guestPhysical, address, vpid: vpidOrNone, pcid }),
    fc.record({ kind: fc.constantFrom('vm-entry' as const, 'vm-exit' as const), enableVpid: fc.boolean() }),
    fc.record({ kind: kind('invept'), type: type(1), eptp }),
    fc.record({ kind: kind('invept'), type: type(2) }),
    fc.record({ kind: kind('invvpid'), type: type(0), vpid, address }),
    fc.record({ kind: kind('invvpid'), type: type(1, 3), vpid }),
    fc.record({ kind: kind('invvpid'), type: type(2) }),
  );
  return fc.array(operation, { maxLength: 10 });
};
