import type { TaskLayout } from '../../../cpu/tasks/task-layout';
import type { GeneralRegisters } from '../../../machine/host-port';
import { type Exit, RSP } from '../guest';
import type { PagingRegisters } from '../paging/walk';
import { type Program, vmread } from '../program';
import { readLinear, writeLinear } from './descriptors';

/** What a task-state segment holds of a task, all of it that a task switch saves or loads. */
export interface TaskState {
  readonly rip: bigint;
  readonly rflags: bigint;
  /** RAX RCX RDX RBX RSP RBP RSI RDI. */
  readonly registers: readonly bigint[];
  /** ES CS SS DS FS GS; the last two are null in a 16-bit TSS. */
  readonly selectors: readonly bigint[];
  readonly ldtr: bigint;
  /** Undefined in a 16-bit TSS. */
  readonly cr3: bigint | undefined;
  /** The T flag: a debug exception at the task's first instruction. */
  readonly traps: boolean;
}

const REGISTERS = 8;
const SELECTOR_COUNT = 6;

export function* readTaskState(
  exit: Exit,
  paging: PagingRegisters,
  base: bigint,
  layout: TaskLayout,
): Program<TaskState> {
  const { bytes } = layout;
  const read = (offset: number, size: number): Program<bigint> =>
    readLinear(exit, paging, base + BigInt(offset), size);
  const registers: bigint[] = [];
  for (let i = 0; i < REGISTERS; i++) registers.push(yield* read(layout.general + i * bytes, bytes));
  const selectors: bigint[] = [];
  for (let i = 0; i < layout.segments; i++) selectors.push(yield* read(layout.selectors + i * bytes, 2));
  while (selectors.length < SELECTOR_COUNT) selectors.push(0n);
  return {
    rip: yield* read(layout.instructionPointer, bytes),
    rflags: yield* read(layout.flags, bytes),
    registers,
    selectors,
    ldtr: yield* read(layout.localTable, 2),
    cr3: layout.directory === undefined ? undefined : yield* read(layout.directory, 4),
    traps: layout.trap !== undefined && ((yield* read(layout.trap, 2)) & 1n) === 1n,
  };
}

const SELECTORS = [
  'guestEsSelector',
  'guestCsSelector',
  'guestSsSelector',
  'guestDsSelector',
  'guestFsSelector',
  'guestGsSelector',
] as const;

/** Saves the task that is left: its LDT selector and CR3 are not among what a task switch writes. SDM Vol. 3A, 8.3 Task Switching */
export function* writeTaskState(
  exit: Exit,
  paging: PagingRegisters,
  { base, layout }: { readonly base: bigint; readonly layout: TaskLayout },
  { rip, rflags }: { readonly rip: bigint; readonly rflags: bigint },
): Program<void> {
  const { bytes } = layout;
  const [rsp, ...selectors] = yield* vmread('guestRsp', ...SELECTORS);
  const write = (offset: number, size: number, value: bigint): Program<void> =>
    writeLinear(exit, paging, base + BigInt(offset), size, value);
  yield* write(layout.instructionPointer, bytes, rip);
  yield* write(layout.flags, bytes, rflags);
  for (let i = 0; i < REGISTERS; i++)
    yield* write(layout.general + i * bytes, bytes, i === RSP ? rsp : exit.registers[i]);
  for (let i = 0; i < layout.segments; i++) yield* write(layout.selectors + i * bytes, 2, selectors[i]);
}

/** The general registers of the new task; a 16-bit TSS has no high halves, which become ones. */
export const loadedRegisters = (
  before: GeneralRegisters,
  { registers }: TaskState,
  layout: TaskLayout,
): GeneralRegisters => {
  const high = layout.bytes === 2 ? 0xffff_0000n : 0n;
  return before.map((value, i) => (i < REGISTERS ? registers[i] | high : value));
};
