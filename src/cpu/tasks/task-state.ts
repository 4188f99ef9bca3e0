import { u64 } from '../../core';
import type { ProcessorDraft } from '../processor-draft';
import { SYSTEM_TYPE, typeOf } from '../segments';
import { SLOT } from '../slots';

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

/** The selector of the previous task, in both layouts. */
export const LINK = 0;

/** SDM Vol. 3A, 8.2.1 Task-State Segment (TSS) */
export const TASK32: TaskLayout = {
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
export const TASK16: TaskLayout = {
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

/** The layout of the TSS that access rights describe. */
export const layoutOf = (rights: number): TaskLayout => {
  const type = typeOf(rights);
  return type === SYSTEM_TYPE.tss16 || type === SYSTEM_TYPE.busyTss16 ? TASK16 : TASK32;
};

const IMPLICIT = { implicit: true } as const;

/** A TSS in linear memory, reached with supervisor rights. Every access may leave with #PF. */
export class TaskMemory {
  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly base: bigint,
    readonly layout: TaskLayout,
  ) {}

  private at(offset: number): bigint {
    const linear = this.base + BigInt(offset);
    return this.cpu.longMode ? u64(linear) : BigInt.asUintN(32, linear);
  }
  read(offset: number, bytes: number): bigint {
    return this.cpu.mmu.read(this.at(offset), bytes, IMPLICIT);
  }
  write(offset: number, bytes: number, value: bigint): void {
    this.cpu.mmu.write(this.at(offset), bytes, BigInt.asUintN(8 * bytes, value), IMPLICIT);
  }

  /** Leaves with #PF unless all that a task switch reads can be read. */
  probeRead(): void {
    this.read(0, 1);
    this.read(this.layout.leastLimit, 1);
  }
  /** Leaves with #PF unless what a task switch saves can be written. */
  probeState(): void {
    for (const offset of this.layout.dynamic) this.cpu.mmu.probeWrite(this.at(offset), 1, IMPLICIT);
  }
  probeLink(): void {
    this.cpu.mmu.probeWrite(this.at(LINK), 2, IMPLICIT);
  }
}

/** What a task switch saves beside the registers as they are. */
export interface SavedPoint {
  readonly instructionPointer: bigint;
  readonly flags: bigint;
}

/** Saves the state of the current task: instruction pointer, flags, general registers and selectors. SDM Vol. 3A, 8.3 Task Switching */
export const saveTask = (cpu: ProcessorDraft, memory: TaskMemory, point: SavedPoint): void => {
  const { bytes, instructionPointer, flags, general, selectors, segments } = memory.layout;
  memory.write(instructionPointer, bytes, point.instructionPointer);
  memory.write(flags, bytes, point.flags);
  for (let i = 0; i < 8; i++) memory.write(general + i * bytes, bytes, cpu.R[i]);
  for (let i = 0; i < segments; i++)
    memory.write(selectors + i * bytes, 2, BigInt(cpu.W[2 * (SLOT.es + i)] & 0xffff));
};

/** The state of a task, as its TSS holds it. */
export interface TaskImage {
  readonly instructionPointer: bigint;
  readonly flags: bigint;
  readonly general: readonly bigint[];
  /** ES CS SS DS FS GS; those that the TSS does not hold are null. */
  readonly selectors: readonly number[];
  readonly localTable: number;
  readonly directory: bigint | undefined;
  readonly trap: boolean;
}

const SEGMENTS = [0, 1, 2, 3, 4, 5];

/** Reads the state of the new task. */
export const readTask = (memory: TaskMemory): TaskImage => {
  const { layout } = memory;
  const { bytes } = layout;
  return {
    instructionPointer: memory.read(layout.instructionPointer, bytes),
    flags: memory.read(layout.flags, bytes),
    general: Array.from({ length: 8 }, (_, i) => memory.read(layout.general + i * bytes, bytes)),
    selectors: SEGMENTS.map((i) =>
      i < layout.segments ? Number(memory.read(layout.selectors + i * bytes, 2)) : 0,
    ),
    localTable: Number(memory.read(layout.localTable, 2)),
    directory: layout.directory === undefined ? undefined : memory.read(layout.directory, 4),
    trap: layout.trap !== undefined && (memory.read(layout.trap, 2) & 1n) !== 0n,
  };
};
