import { EMPTY_MEMORY, gpa, hpa, MemoryDraft, type MemoryRoot, PAGE_BYTES } from '../../src/core';
import { EptTables } from '../../src/ept';

/** Frames of data by name; each is of 4 KiB, and `LARGE_A` and `LARGE_B` begin pages of 2 MiB. */
export const FRAMES = {
  A: 0x300,
  B: 0x301,
  C: 0x302,
  D: 0x303,
  E: 0x304,
  LARGE_A: 0x400,
  LARGE_B: 0x600,
} as const;
export type FrameName = keyof typeof FRAMES;

/** First frame of the tables that a scene makes. */
export const FIRST_TABLE = 0x100;
const MEMORY_BYTES = 0x80_0000;

/** EPT hierarchies that stand in memory from the start: each maps `MEMORY_BYTES` to itself. */
export const EPT_BYTES = 0x10_0000;
const EPT_COUNT = 4;
const FIRST_EPT = 0x1000_0000;
export const EPT_TABLES = { first: FIRST_EPT, end: FIRST_EPT + EPT_COUNT * EPT_BYTES } as const;

const TABLE_BITS = 0x67n;
const SUPERVISOR = 0x63n;
/** Frames of what a processor needs to run: tables for it, then code of the supervisor, code of the user, descriptors and a stack. */
const FIRST_APPARATUS = 0x10;
const [PML4, PDPT, DIRECTORY, TABLE, CODE, USER_CODE, DESCRIPTORS, STACK] = Array.from(
  { length: 8 },
  (_, n) => FIRST_APPARATUS + n,
);
const at = (frame: number): bigint => BigInt(frame * PAGE_BYTES);

/** Where a processor finds its own code and tables, apart from all that rows map: linear addresses are sign-extended from 32 bits where there are more. */
export const APPARATUS = {
  linear: 0xffff_ffff_ffe0_0000n,
  frames: { code: CODE, userCode: USER_CODE, descriptors: DESCRIPTORS, stack: STACK },
  /** Entries of a root with so many levels, by index. */
  roots: {
    3: [[3, at(DIRECTORY) | 1n]],
    4: [[511, at(PDPT) | TABLE_BITS]],
    5: [[511, at(PML4) | TABLE_BITS]],
  } as Readonly<Record<number, readonly (readonly [number, bigint])[]>>,
} as const;

const baseMemory = (): MemoryRoot => {
  let memory: MemoryRoot = EMPTY_MEMORY;
  for (let n = 0; n < EPT_COUNT; n++)
    memory = new EptTables(memory, hpa(FIRST_EPT + n * EPT_BYTES))
      .mapRange({ gpa: gpa(0), hpa: hpa(0) }, MEMORY_BYTES)
      .publish();
  const draft = new MemoryDraft(memory);
  const put = (address: number, value: bigint): void => {
    const { words } = draft.ownedPage(Math.floor(address / PAGE_BYTES));
    words[(address % PAGE_BYTES) / 4] = Number(BigInt.asIntN(32, value));
    words[(address % PAGE_BYTES) / 4 + 1] = Number(BigInt.asIntN(32, value >> 32n));
  };
  for (const [table, below] of [
    [PML4, PDPT],
    [PDPT, DIRECTORY],
    [DIRECTORY, TABLE],
  ])
    put(table * PAGE_BYTES + 8 * 511, at(below) | TABLE_BITS);
  [
    at(CODE) | SUPERVISOR,
    at(USER_CODE) | TABLE_BITS,
    at(DESCRIPTORS) | SUPERVISOR,
    at(STACK) | SUPERVISOR,
  ].forEach((value, n) => {
    put(TABLE * PAGE_BYTES + 8 * n, value);
  });
  // Each frame of data says which one it is: MOV EAX, frame; HLT.
  for (let frame = FRAMES.A; frame < MEMORY_BYTES / PAGE_BYTES; frame++)
    put(frame * PAGE_BYTES, 0xb8n | (BigInt(frame) << 8n) | (0xf4n << 40n));
  return draft.publish();
};

/** Memory of every scene before its rows map anything. */
export const BASE_MEMORY = baseMemory();
