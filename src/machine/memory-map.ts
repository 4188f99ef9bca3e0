import type { MemoryRange } from '../core';

/** Where RAM is: below the hole for devices, and from 4 GiB on for the rest. */

export const DEVICE_HOLE = 0xc000_0000;
export const FOUR_GIB = 0x1_0000_0000;

/** The RAM of a machine with this many bytes. */
export const ramRanges = (bytes: number): readonly MemoryRange[] =>
  bytes <= DEVICE_HOLE
    ? [{ base: 0, bytes }]
    : [
        { base: 0, bytes: DEVICE_HOLE },
        { base: FOUR_GIB, bytes: bytes - DEVICE_HOLE },
      ];
