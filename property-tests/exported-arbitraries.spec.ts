// What vtmodel/arbitraries promises of the values that it makes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkVmEntry, gva, walk } from '../src/api';
import {
  eptTrees,
  invalidationSequences,
  nearlyValidEptTrees,
  nearlyValidPageTables,
  nearlyValidVmcs,
  pageTables,
  validVmcs,
} from '../src/api/arbitraries';
import { EMPTY_CACHES, invalidate } from '../src/api/caches';
import { COMMON_EPT } from '../src/api/ept';
import { FIELD_NAMES, roundVmEntry, VmcsData } from '../src/api/vmx';
import { holds } from './theorem';

const RUNS = Number(process.env.VTMODEL_RUNS ?? 100);
const words = (vmcs: VmcsData): readonly bigint[] => FIELD_NAMES.map((field) => vmcs.get(field));
const enters = (vmcs: VmcsData): boolean => checkVmEntry({ vmcs }).violations.length === 0;

describe('VMCSs', () => {
  it('that are valid enter, and are their own round', () => {
    holds(
      fc.property(validVmcs(), (vmcs) => {
        expect(checkVmEntry({ vmcs }).violations).toEqual([]);
        expect(words(roundVmEntry({ vmcs })!.vmcs)).toEqual(words(vmcs));
      }),
      RUNS,
    );
  });

  it('that are nearly valid differ in one field; their round enters, and is its own', () => {
    holds(
      fc.property(nearlyValidVmcs(), ({ vmcs, field, before }) => {
        const valid = new VmcsData(vmcs);
        valid.set(field, before);
        expect(enters(valid)).toBe(true);
        const { vmcs: rounded } = roundVmEntry({ vmcs })!;
        expect(enters(rounded)).toBe(true);
        if (enters(vmcs)) expect(words(rounded)).toEqual(words(vmcs));
        expect(words(roundVmEntry({ vmcs: rounded })!.vmcs)).toEqual(words(rounded));
      }),
      RUNS,
    );
  });

  it('any contents have a round', () => {
    const anything = fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), {
      minLength: FIELD_NAMES.length,
      maxLength: FIELD_NAMES.length,
    });
    holds(
      fc.property(anything, (values) => {
        const vmcs = new VmcsData();
        FIELD_NAMES.forEach((field, place) => {
          vmcs.set(field, values[place]);
        });
        expect(enters(roundVmEntry({ vmcs })!.vmcs)).toBe(true);
      }),
      RUNS / 20,
    );
  });
});

describe('tables', () => {
  it.each([4, 5] as const)('page tables of %i levels lead where they say', (levels) => {
    holds(
      fc.property(pageTables(levels), fc.nat(0xffff_ffff), ({ memory, cr3, mapped }, offset) => {
        expect(mapped.length).toBeGreaterThan(0);
        for (const { address, to, bytes } of mapped) {
          const inside = offset % bytes;
          const { outcome } = walk({
            memory,
            cr3,
            levels,
            address: gva(BigInt.asUintN(64, address + BigInt(inside))),
          });
          expect(outcome).toEqual({ ok: true, value: to + inside });
        }
      }),
      RUNS,
    );
  });

  const ept = { ...COMMON_EPT, walkLength5: true };

  it.each([4, 5] as const)('EPT trees of %i levels lead where they say', (levels) => {
    holds(
      fc.property(eptTrees(levels), fc.nat(0xffff_ffff), ({ memory, eptp, mapped }, offset) => {
        for (const { address, to, bytes } of mapped) {
          const inside = offset % bytes;
          const { outcome } = walk({ memory, eptp, ept, address: gva(BigInt(address + inside)) });
          expect(outcome).toEqual({ ok: true, value: to + inside });
        }
      }),
      RUNS,
    );
  });

  it.each([
    ['page tables', nearlyValidPageTables()],
    ['EPT trees', nearlyValidEptTrees()],
  ] as const)('nearly valid %s have one bit of one entry changed', (_, tables) => {
    holds(
      fc.property<
        [
          {
            memory: Parameters<typeof walk>[0]['memory'];
            broken: { address: number; before: bigint; after: bigint };
          },
        ]
      >(tables, ({ memory, broken: { address, before, after } }) => {
        const flipped = before ^ after;
        expect(flipped !== 0n && (flipped & (flipped - 1n)) === 0n).toBe(true);
        const { words } = memory.page(Math.floor(address / 4096));
        const [low, high] = [words[(address % 4096) / 4], words[(address % 4096) / 4 + 1]];
        expect((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toBe(after);
      }),
      RUNS,
    );
  });
});

it('sequences of invalidations are what invalidate takes', () => {
  holds(
    fc.property(invalidationSequences(), (operations) => {
      expect(operations.reduce(invalidate, EMPTY_CACHES)).toEqual(EMPTY_CACHES);
    }),
    RUNS,
  );
});
