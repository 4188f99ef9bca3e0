import { fault, isCanonical, type Outcome, ok } from '../../../core';
import type { SegmentNumber } from '../../../cpu/decode';
import { RIGHTS } from '../access-rights';
import { CR4, EFER } from '../initial-vmcs';
import { VECTOR } from '../injection';
import { type Program, vmread } from '../program';

/** A memory operand refused by segmentation: #GP(0), or #SS(0) for the stack segment. */
export interface SegmentFault {
  readonly vector: bigint;
}

const NAMES = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'] as const;
const STACK = 2;
const FS = 4;

/** How the guest's code segment makes it run. */
export interface CodeSegment {
  readonly size: 16 | 32 | 64;
  /** Linear address of the instruction at RIP. */
  readonly linear: bigint;
  readonly rip: bigint;
}

/** SDM Vol. 3A, 3.4.5 Segment Descriptors: D/B and L */
export function* readCodeSegment(): Program<CodeSegment> {
  const [rip, rights, base, efer] = yield* vmread(
    'guestRip',
    'guestCsAccessRights',
    'guestCsBase',
    'guestIa32Efer',
  );
  if ((efer & EFER.lma) !== 0n && (rights & RIGHTS.long) !== 0n) return { size: 64, linear: rip, rip };
  const size = (rights & RIGHTS.big) !== 0n ? 32 : 16;
  return { size, linear: BigInt.asUintN(32, base + rip), rip };
}

const isRefused = (
  rights: bigint,
  limit: bigint,
  offset: bigint,
  bytes: bigint,
  writes: boolean,
): boolean => {
  const code = (rights & RIGHTS.code) !== 0n;
  if ((rights & RIGHTS.unusable) !== 0n) return true;
  if (writes ? code || (rights & RIGHTS.writable) === 0n : code && (rights & RIGHTS.readable) === 0n)
    return true;
  const last = offset + bytes - 1n;
  if (code || (rights & RIGHTS.expandDown) === 0n) return last > limit;
  const top = (rights & RIGHTS.big) !== 0n ? 0xffff_ffffn : 0xffffn;
  return offset <= limit || last > top;
};

/**
 * Linear address of a memory operand, with the checks of its segment. SDM Vol. 3A, 5.3 Limit Checking, 5.4 Type Checking; SDM Vol. 1, 3.3.7.1
 */
export function* linearAddress(
  code: CodeSegment,
  segment: SegmentNumber,
  offset: bigint,
  bytes: number,
  writes: boolean,
): Program<Outcome<bigint, SegmentFault>> {
  const refused = fault({ vector: segment === STACK ? VECTOR.ss : VECTOR.gp });
  const name = NAMES[segment];
  if (code.size === 64) {
    const base = segment >= FS ? (yield* vmread(`guest${name}Base`))[0] : 0n;
    const linear = BigInt.asUintN(64, base + offset);
    const [cr4] = yield* vmread('guestCr4');
    const bits = (cr4 & CR4.la57) === 0n ? 48 : 57;
    return isCanonical(linear, bits) && isCanonical(BigInt.asUintN(64, linear + BigInt(bytes - 1)), bits)
      ? ok(linear)
      : refused;
  }
  const [base, limit, rights] = yield* vmread(
    `guest${name}Base`,
    `guest${name}Limit`,
    `guest${name}AccessRights`,
  );
  if (isRefused(rights, limit, offset, BigInt(bytes), writes)) return refused;
  return ok(BigInt.asUintN(32, base + offset));
}
