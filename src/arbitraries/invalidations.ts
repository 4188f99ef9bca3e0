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
/** Values of control registers and of IA32_EFER, any of which may follow any other: PG and WP; PAE, PGE, PCIDE, SMEP and SMAP; NXE and SCE. */
const CR0S = [0x31n, 0x8000_0031n, 0x8001_0031n];
const CR4S = [0n, 0x20n, 0xa0n, 0x2_00a0n, 0x10_00a0n, 0x20_00a0n];
const EFERS = [0x500n, 0x501n, 0xd00n];

/** One operation that invalidates, or of which software might think so. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
export const invalidations = (pool: InvalidationPool = {}): fc.Arbitrary<Invalidation> => {
  const vpid = fc.constantFrom(...(pool.vpids ?? [1, 2]));
  const vpidOrNone = fc.constantFrom(0, ...(pool.vpids ?? [1, 2]));
  const pcid = fc.constantFrom(...(pool.pcids ?? [0, 1, 2]));
  const address = fc.constantFrom(...(pool.addresses ?? [gva(0x1000n), gva(0x20_0000n)]));
  const eptp = fc.constantFrom(...(pool.eptps ?? DEFAULT_EPTPS));
  const guestPhysical = fc.constantFrom(...(pool.gpas ?? [gpa(0x1000), gpa(0x20_0000)]));
  const kind = <const Kind extends string>(...names: readonly Kind[]) => fc.constantFrom(...names);
  const type = <const Type extends number>(...types: readonly Type[]) => fc.constantFrom(...types);
  const written = <const Kind extends string>(name: Kind, values: readonly bigint[]) => {
    const value = fc.constantFrom(...values);
    return fc.record({ kind: kind(name), before: value, after: value, vpid: vpidOrNone, pcid });
  };
  const context = { vpid: vpidOrNone, pcid };
  return fc.oneof(
    fc.record({ kind: kind('invlpg', 'page-fault'), ...context, address }),
    fc.record({ kind: kind('invpcid'), type: type(0), ...context, address }),
    fc.record({ kind: kind('invpcid'), type: type(1), ...context }),
    fc.record({ kind: kind('invpcid'), type: type(2, 3), vpid: vpidOrNone }),
    fc.record({ kind: kind('mov-cr3'), keeps: fc.boolean(), ...context }),
    written('mov-cr0', CR0S),
    written('mov-cr4', CR4S),
    written('wrmsr-efer', EFERS),
    fc.record({ kind: kind('wrmsr-mtrr'), vpid: vpidOrNone }),
    fc.record({ kind: kind('task-switch'), changesCr3: fc.boolean(), vpid: vpidOrNone }),
    fc.record({ kind: kind('ept-violation'), eptp, gpa: guestPhysical, address, ...context }),
    fc.record({ kind: kind('ept-violation'), eptp, gpa: guestPhysical, ...context }),
    fc.record({ kind: kind('vm-entry', 'vm-exit', 'eptp-switching'), enableVpid: fc.boolean() }),
    fc.record({ kind: kind('invept'), type: type(1), eptp }),
    fc.record({ kind: kind('invept'), type: type(2) }),
    fc.record({ kind: kind('invvpid'), type: type(0), vpid, address }),
    fc.record({ kind: kind('invvpid'), type: type(1, 3), vpid }),
    fc.record({ kind: kind('invvpid'), type: type(2) }),
    fc.record({ kind: kind('smm-return', 'msr-load-flush', 'reset') }),
    fc.record({
      kind: kind('ept-misconfiguration', 'vmxon', 'vmxoff', 'vmclear', 'vmptrld', 'vmwrite', 'init'),
    }),
  );
};

/** Operations one after another. */
export const invalidationSequences = (pool: InvalidationPool = {}): fc.Arbitrary<readonly Invalidation[]> =>
  fc.array(invalidations(pool), { maxLength: 10 });
