import type { Width } from '../../../core';
import type { PureOperation } from '../../engine/builder';
import { doubleShift, type ShiftKind, shiftBy } from '../../engine/computed-shift';
import { shiftInSlots } from '../../engine/slot-shifts';

/** Values: operand, count (8 bits, unmasked). */
const byCount = (kind: ShiftKind): PureOperation => ({
  name: kind,
  results: 1,
  compute: ({ width, values: [operand, count], flags }) => {
    const shifted = shiftBy(kind, operand, Number(count), width, flags);
    return { ...shifted, results: [shifted.result] };
  },
});
export const SHIFTS: Readonly<Record<ShiftKind, PureOperation>> = {
  shl: { ...byCount('shl'), inSlots: shiftInSlots('shl') },
  shr: { ...byCount('shr'), inSlots: shiftInSlots('shr') },
  sar: { ...byCount('sar'), inSlots: shiftInSlots('sar') },
  rol: byCount('rol'),
  ror: byCount('ror'),
  rcl: byCount('rcl'),
  rcr: byCount('rcr'),
};

/** Values: destination, source, count. */
const byCountFrom = (kind: 'shld' | 'shrd'): PureOperation => ({
  name: kind,
  results: 1,
  compute: ({ width, values: [target, source, count], flags }) => {
    const shifted = doubleShift(kind, target, source, Number(count), width, flags);
    return { ...shifted, results: [shifted.result], undefinedResults: shifted.undefinedResult === true };
  },
});
export const DOUBLE_SHIFTS = { shld: byCountFrom('shld'), shrd: byCountFrom('shrd') } as const;

/** SHLX, SHRX, SARX and RORX: no flag changes. Values: operand, count. SDM Vol. 2, SARX/SHLX/SHRX, RORX */
const withoutFlags = (name: string, kind: ShiftKind): PureOperation => ({
  name,
  results: 1,
  compute: ({ width, values: [operand, count], flags }) => ({
    results: [shiftBy(kind, operand, Number(count & BigInt(countMask(width))), width, 0).result],
    flags,
  }),
});
const countMask = (width: Width): number => width - 1;

export const SHIFTS_WITHOUT_FLAGS = {
  shlx: withoutFlags('shlx', 'shl'),
  shrx: withoutFlags('shrx', 'shr'),
  sarx: withoutFlags('sarx', 'sar'),
  rorx: withoutFlags('rorx', 'ror'),
} as const;
