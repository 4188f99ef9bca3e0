/** Where a task-state segment holds what a task switch saves and loads: byte offsets. */
export interface TaskLayout {
  /** Bytes of a general register, of the instruction pointer and of the flags. */
  readonly bytes: 2 | 4;
  /** The least limit of the new TSS. */
  readonly leastLimit: number;
  /** First and last byte that a task switch writes, beside the link. */
  readonly dynamic: readonly [first: number, last: number];
  readonly instructionPointer: number;
  readonly flags: number;
  /** The eight general registers in encoding order. */
  readonly general: number;
  /** Segment selectors in encoding order, each in a field of `bytes` bytes. */
  readonly selectors: number;
  readonly segments: 4 | 6;
  readonly localTable: number;
  /** CR3, and the word whose bit 0 is the T flag; a 16-bit TSS has neither. */
  readonly directory?: number;
  readonly trap?: number;
}

/** Flags that a new task takes from its TSS; the reserved ones stay as they must be. SDM Vol. 1, 3.4.3 EFLAGS Register */
export const LOADED_FLAGS = 0x3f7fd5n;

/** The selector of the previous task, in both layouts. */
export const LINK = 0;

/** SDM Vol. 3A, 8.2.1 Task-State Segment (TSS) */
const TASK32: TaskLayout = {
  bytes: 4,
  leastLimit: 0x67,
  dynamic: [0x20, 0x5d],
  directory: 0x1c,
  instructionPointer: 0x20,
  flags: 0x24,
  general: 0x28,
  selectors: 0x48,
  segments: 6,
  localTable: 0x60,
  trap: 0x64,
};

/** SDM Vol. 3A, 8.6 16-Bit Task-State Segment (TSS) */
const TASK16: TaskLayout = {
  bytes: 2,
  leastLimit: 0x2b,
  dynamic: [0x0e, 0x29],
  instructionPointer: 0x0e,
  flags: 0x10,
  general: 0x12,
  selectors: 0x22,
  segments: 4,
  localTable: 0x2a,
};

/** Bit 3 of the type of a TSS descriptor. */
const IS_32_BIT = 8;

/** The layout of the TSS that access rights describe. */
export const layoutOf = (rights: number): TaskLayout => ((rights & IS_32_BIT) === 0 ? TASK16 : TASK32);
