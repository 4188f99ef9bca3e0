import { hex, type Outcome, ok, PAGE_BYTES } from '../core';
import type { ElfFile } from './elf';
import { alignUp, type Placement } from './placement';
import { type ImageError, type ImageWrite, type PhysicalRange, rangeText, refuse } from './plan';

export interface Contents {
  readonly writes: readonly ImageWrite[];
  readonly zeros: readonly PhysicalRange[];
}

/** Takes a range for a part of the image: it must lie in memory (and below `limit`) and overlap nothing. */
export const claim = (
  placement: Placement,
  file: string,
  field: string,
  range: PhysicalRange,
  limit = 2 ** 52,
): Outcome<PhysicalRange, ImageError> => {
  const end = range.address + range.length;
  if (end > placement.memoryBytes)
    return refuse(
      file,
      field,
      `${rangeText(range)} is outside the ${hex(placement.memoryBytes)} bytes of memory`,
      `give the machine at least ${hex(alignUp(end, PAGE_BYTES))} bytes or link the image lower`,
    );
  if (end > limit)
    return refuse(
      file,
      field,
      `${rangeText(range)} reaches beyond ${hex(limit)}`,
      'link the image below that address',
    );
  const other = placement.conflict(range);
  if (other !== undefined)
    return refuse(
      file,
      field,
      `${rangeText(range)} overlaps ${rangeText(other)}`,
      'link the segments to disjoint physical addresses',
    );
  placement.take(range);
  return ok(range);
};

/** The contents of every segment at its physical address. */
export const placeSegments = (
  elf: ElfFile,
  bytes: Uint8Array,
  file: string,
  placement: Placement,
  limit: number,
): Outcome<Contents, ImageError> => {
  const writes: ImageWrite[] = [];
  const zeros: PhysicalRange[] = [];
  for (const { index, offset, physicalAddress: address, fileBytes, memoryBytes } of elf.segments) {
    const range = { address, length: memoryBytes };
    const claimed = claim(placement, file, `program header ${index} p_paddr`, range, limit);
    if (!claimed.ok) return claimed;
    if (fileBytes > 0) writes.push({ address, bytes: bytes.subarray(offset, offset + fileBytes) });
    if (memoryBytes > fileBytes)
      zeros.push({ address: address + fileBytes, length: memoryBytes - fileBytes });
  }
  return ok({ writes, zeros });
};

export const inAddressOrder = (writes: readonly ImageWrite[]): readonly ImageWrite[] =>
  [...writes].sort((a, b) => a.address - b.address);
