import type { ProcessorDraft } from '../processor-draft';
import { structureAddress } from '../segmented-address';
import { SLOT } from '../slots';
import { LINK, type TaskLayout } from './task-layout';

const IMPLICIT = { implicit: true } as const;

/** A TSS in linear memory, reached with supervisor rights. Every access may leave with #PF. */
export class TaskMemory {
  constructor(
    private readonly cpu: ProcessorDraft,
    private readonly base: bigint,
    readonly layout: TaskLayout,
  ) {}

  private at(offset: number): bigint {
    return structureAddress(this.cpu, this.base, offset);
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
