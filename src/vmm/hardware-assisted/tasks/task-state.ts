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

interface Layout {
  /** Of EIP, EFLAGS and the registers. */
  readonly bytes: 2 | 4;
  readonly rip: bigint;
  readonly rflags: bigint;
  readonly registers: bigint;
  readonly selectors: bigint;
  readonly selectorCount: number;
  readonly ldtr: bigint;
  readonly cr3: bigint | undefined;
  readonly trap: bigint | undefined;
}

// SDM Vol. 3A, 8.2.1 Task-State Segment (TSS)
const TSS32: Layout = {
  bytes: 4,
  rip: 0x20n,
  rflags: 0x24n,
  registers: 0x28n,
  selectors: 0x48n,
  selectorCount: 6,
  ldtr: 0x60n,
  cr3: 0x1cn,
  trap: 0x64n,
};
// SDM Vol. 3A, 8.6 16-Bit Task-State Segment (TSS)
const TSS16: Layout = {
  bytes: 2,
  rip: 0x0en,
  rflags: 0x10n,
  registers: 0x12n,
  selectors: 0x22n,
  selectorCount: 4,
  ldtr: 0x2an,
  cr3: undefined,
  trap: undefined,
};
/** Bit 3 of the type of a TSS descriptor. */
const IS_32_BIT = 8n;
const REGISTERS = 8;

export const layoutOf = (rights: bigint): Layout => ((rights & IS_32_BIT) === 0n ? TSS16 : TSS32);
export const LINK = 0n;

export function* readTaskState(
  exit: Exit,
  paging: PagingRegisters,
  base: bigint,
  layout: Layout,
): Program<TaskState> {
  const { bytes } = layout;
  const read = (offset: bigint, size: number): Program<bigint> =>
    readLinear(exit, paging, base + offset, size);
  const registers: bigint[] = [];
  for (let i = 0; i < REGISTERS; i++)
    registers.push(yield* read(layout.registers + BigInt(i * bytes), bytes));
  const selectors: bigint[] = [];
  for (let i = 0; i < layout.selectorCount; i++)
    selectors.push(yield* read(layout.selectors + BigInt(i * bytes), 2));
  while (selectors.length < TSS32.selectorCount) selectors.push(0n);
  return {
    rip: yield* read(layout.rip, bytes),
    rflags: yield* read(layout.rflags, bytes),
    registers,
    selectors,
    ldtr: yield* read(layout.ldtr, 2),
    cr3: layout.cr3 === undefined ? undefined : yield* read(layout.cr3, 4),
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
  { base, layout }: { readonly base: bigint; readonly layout: Layout },
  { rip, rflags }: { readonly rip: bigint; readonly rflags: bigint },
): Program<void> {
  const { bytes } = layout;
  const [rsp, ...selectors] = yield* vmread('guestRsp', ...SELECTORS);
  const write = (offset: bigint, size: number, value: bigint): Program<void> =>
    writeLinear(exit, paging, base + offset, size, value);
  yield* write(layout.rip, bytes, rip);
  yield* write(layout.rflags, bytes, rflags);
  for (let i = 0; i < REGISTERS; i++)
    yield* write(layout.registers + BigInt(i * bytes), bytes, i === RSP ? rsp : exit.registers[i]);
  for (let i = 0; i < layout.selectorCount; i++)
    yield* write(layout.selectors + BigInt(i * bytes), 2, selectors[i]);
}

/** The general registers of the new task; a 16-bit TSS has no high halves, which become ones. */
export const loadedRegisters = (
  before: GeneralRegisters,
  { registers }: TaskState,
  layout: Layout,
): GeneralRegisters => {
  const high = layout.bytes === 2 ? 0xffff_0000n : 0n;
  return before.map((value, i) => (i < REGISTERS ? registers[i] | high : value));
};
