import { type Outcome, ok } from '../core';
import type { Placement } from './placement';
import { type DescriptorTable, type ImageError, type ImageWrite, type PhysicalRange, refuse } from './plan';

const PAGE = 4096;
const GIB = 2 ** 30;
const MAPPED_GIB = 4;
/** Linear addresses below this are mapped to themselves. */
export const IDENTITY_LIMIT = MAPPED_GIB * GIB;
const STACK_BYTES = 4 * PAGE;

const PRESENT_WRITABLE = 0x3n;
const LARGE_PAGE = 0x80n;

/** What 64-bit code needs before its first instruction. */
export interface LongModeStart {
  readonly writes: readonly ImageWrite[];
  readonly zeros: readonly PhysicalRange[];
  readonly cr3: number;
  readonly descriptorTable: DescriptorTable;
  /** Initial RSP, 16-byte aligned. */
  readonly stackTop: number;
}

// SDM Vol. 3A, 4.5 4-Level Paging and 5-Level Paging: one PML4, one PDPT, four page directories of 2-MiB pages
const identityTables = (base: number): Uint8Array => {
  const bytes = new Uint8Array((2 + MAPPED_GIB) * PAGE);
  const view = new DataView(bytes.buffer);
  const put = (at: number, entry: bigint): void => view.setBigUint64(at, entry, true);
  put(0, BigInt(base + PAGE) | PRESENT_WRITABLE);
  for (let gib = 0; gib < MAPPED_GIB; gib++)
    put(PAGE + 8 * gib, BigInt(base + (2 + gib) * PAGE) | PRESENT_WRITABLE);
  for (let index = 0; index < 512 * MAPPED_GIB; index++)
    put(2 * PAGE + 8 * index, (BigInt(index) << 21n) | LARGE_PAGE | PRESENT_WRITABLE);
  return bytes;
};

// SDM Vol. 3A, 3.4.5 Segment Descriptors: null, 64-bit code, flat writable data; accessed bits are set already
const DESCRIPTORS = [0n, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn] as const;

const descriptorBytes = (): Uint8Array => {
  const bytes = new Uint8Array(DESCRIPTORS.length * 8);
  const view = new DataView(bytes.buffer);
  DESCRIPTORS.forEach((descriptor, index) => {
    view.setBigUint64(8 * index, descriptor, true);
  });
  return bytes;
};

/** Takes free memory for identity tables, a GDT and a stack. */
export const placeLongMode = (placement: Placement, file: string): Outcome<LongModeStart, ImageError> => {
  const tables = placement.allocate((2 + MAPPED_GIB) * PAGE);
  const descriptors = placement.allocate(PAGE);
  const stack = placement.allocate(STACK_BYTES);
  if (tables === undefined || descriptors === undefined || stack === undefined)
    return refuse(
      file,
      'memoryBytes',
      'no free memory for page tables, GDT and stack',
      `give the machine ${(7 * PAGE + STACK_BYTES) / 1024} KiB more than the image takes`,
    );
  const gdt = descriptorBytes();
  return ok({
    writes: [
      { address: tables, bytes: identityTables(tables) },
      { address: descriptors, bytes: gdt },
    ],
    zeros: [{ address: stack, length: STACK_BYTES }],
    cr3: tables,
    descriptorTable: { base: descriptors, limit: gdt.length - 1, code: 0x08, data: 0x10 },
    stackTop: stack + STACK_BYTES,
  });
};
