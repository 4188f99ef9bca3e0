import type { MemoryRange } from '../core';

/** Where RAM is: below the hole for devices, and from 4 GiB on for the rest. */

export const DEVICE_HOLE = 0xc000_0000;
export const FOUR_GIB = 0x1_0000_0000;

export const memoryRange = (base: number, bytes: number): MemoryRange => Object.freeze({ base, bytes });

/** The RAM of a machine with this many bytes. */
export const ramRanges = (bytes: number): readonly MemoryRange[] =>
  Object.freeze(
    bytes <= DEVICE_HOLE
      ? [memoryRange(0, bytes)]
      : [memoryRange(0, DEVICE_HOLE), memoryRange(FOUR_GIB, bytes - DEVICE_HOLE)],
  );
