import type { Width } from '../../core';
import { SLOT } from '../slots';
import { CF_SHIFT, CF_VALID, KIND, OF_SHIFT, OF_VALID } from '../status-flags';
import { maskedCount } from './computed-shift';
import { KIND_AT } from './engine-slots';

const RESULT = 2 * SLOT.flagResult;
const WIDTH_SHIFT = 8;
const DWORD = 2;
const QWORD = 3;

/** Leaves the flags of a shift: those of a logical operation, with CF and OF of its own. */
const leave = (
  W: Int32Array,
  low: number,
  high: number,
  size: number,
  carry: number,
  overflow: number,
): void => {
  W[RESULT] = low;
  W[RESULT + 1] = high;
  W[KIND_AT] =
    KIND.logic | CF_VALID | (carry << CF_SHIFT) | OF_VALID | (overflow << OF_SHIFT) | (size << WIDTH_SHIFT);
};

/** Bit of a value of two halves. */
const bit = (low: number, high: number, position: number): number =>
  (position < 32 ? low >>> position : high >>> (position - 32)) & 1;

/** A shift of 32 or 64 bits by a count that is not known before, 8 bits in the slot behind the operand. SDM Vol. 2, SAL/SAR/SHL/SHR */
export const shiftInSlots =
  (kind: 'shl' | 'shr' | 'sar') =>
  (W: Int32Array, at: number, width: Width): void => {
    const n = maskedCount(W[2 * at + 2], width);
    if (n === 0) return;
    const low = W[2 * at];
    const high = width === 64 ? W[2 * at + 1] : kind === 'sar' ? low >> 31 : 0;
    const carry = bit(low, high, kind === 'shl' ? width - n : n - 1);
    const fill = kind === 'sar' ? high >> 31 : 0;
    let newLow: number;
    let newHigh: number;
    if (kind === 'shl') {
      newLow = n < 32 ? low << n : 0;
      newHigh = n < 32 ? (high << n) | (low >>> (32 - n)) : low << (n - 32);
    } else if (n < 32) {
      newLow = (low >>> n) | (high << (32 - n));
      newHigh = kind === 'sar' ? high >> n : high >>> n;
    } else {
      newLow = kind === 'sar' ? high >> (n - 32) : high >>> (n - 32);
      newHigh = fill;
    }
    if (width === 32) newHigh = 0;
    const top = bit(newLow, newHigh, width - 1);
    const overflow = kind === 'shl' ? top ^ carry : kind === 'shr' ? bit(newLow, newHigh, width - 2) : 0;
    W[2 * at] = newLow;
    W[2 * at + 1] = newHigh;
    leave(W, newLow, newHigh, width === 64 ? QWORD : DWORD, carry, overflow);
  };
