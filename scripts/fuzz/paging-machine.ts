import { createMachine, type MachineState, type Processor } from '../../src/api';
import { dataSegments, flatSegment, words } from './flat-machine';
import type { Access, Mode } from './reference-walk';

export const PAGE = 4096;
export const MEMORY = 8 << 20;
export const FRAMES = MEMORY / PAGE;

/** Frames of the fixed part, which no random entry changes. */
const FRAME = {
  gdt: 1,
  idt: 2,
  tss: 3,
  pdpt: 4,
  directory: 5,
  table: 6,
  stack: 7,
  code: 8,
  handler: 9,
  pml4: 10,
} as const;
/** What the delivery of a fault pushes is here. */
export const STACK_FRAME = FRAME.stack;

/** Frames of random tables: the root, then two for each level below. */
export const TABLES = [16, 17, 18, 19, 20, 21, 22, 23, 24] as const;
export const ROOT = TABLES[0];

/** What a paging mode is for the machine: its levels of tables, the linear address of the fixed part and its entry in the root. */
interface Shape {
  readonly levels: number;
  readonly entryBytes: 4 | 8;
  readonly fixed: bigint;
  readonly fixedSlot: number;
  /** Tables between the root and the directory. */
  readonly between: readonly number[];
}
export const SHAPES: Readonly<Record<Mode, Shape>> = {
  '32-bit': { levels: 2, entryBytes: 4, fixed: 0x8000_0000n, fixedSlot: 512, between: [] },
  PAE: { levels: 2, entryBytes: 8, fixed: 0x8000_0000n, fixedSlot: 2, between: [] },
  '4-level': {
    levels: 4,
    entryBytes: 8,
    fixed: 0xffff_8000_0000_0000n,
    fixedSlot: 256,
    between: [FRAME.pdpt],
  },
  '5-level': {
    levels: 5,
    entryBytes: 8,
    fixed: 0xff00_0000_0000_0000n,
    fixedSlot: 256,
    between: [FRAME.pml4, FRAME.pdpt],
  },
};
export const isLong = (mode: Mode): boolean => mode === '4-level' || mode === '5-level';

/** The fixed part is mapped page by page: code for the kernel at page 8, the same for everybody at page 40. */
const USER_CODE = 40;

export const PRESENT = 1n;
const USER = 4n;
const ACCESSED_DIRTY = 0x60n;
const KERNEL_ENTRY = PRESENT | 2n | ACCESSED_DIRTY;

/** In every page: its frame number at `read`, MOV EAX with it at `fetch`. */
export const OFFSET = { read: 0x108, write: 0x208, fetch: 0x308 } as const;

/** An entry in the width of a mode. */
export const entryBytes = (mode: Mode, entry: bigint): Uint8Array =>
  words(entry).subarray(0, SHAPES[mode].entryBytes);

const BUSY_TSS_64 = 0x24;
const BUSY_TSS_32 = 4;

const tables = (mode: Mode, put: (address: number, bytes: Uint8Array) => void): void => {
  const { entryBytes: size, fixedSlot, between } = SHAPES[mode];
  const entry = (frame: number, index: number, to: number, rights: bigint): void =>
    put(frame * PAGE + size * index, entryBytes(mode, BigInt(to * PAGE) | rights));
  const everybody = KERNEL_ENTRY | USER;
  if (mode === '32-bit') entry(ROOT, fixedSlot, FRAME.table, everybody);
  else {
    const chain = [...(mode === 'PAE' ? [] : [ROOT]), ...between, FRAME.directory, FRAME.table];
    for (let i = 0; i + 1 < chain.length; i++)
      entry(chain[i], chain[i] === ROOT ? fixedSlot : 0, chain[i + 1], everybody);
  }
  for (let frame = 1; frame < 16; frame++) entry(FRAME.table, frame, frame, KERNEL_ENTRY);
  entry(FRAME.table, USER_CODE, FRAME.code, everybody);
};

const gates = (mode: Mode): Uint8Array => {
  const handler = SHAPES[mode].fixed + BigInt(FRAME.handler * PAGE);
  const stack = isLong(mode) ? 1n << 32n : 0n;
  const gate =
    (handler & 0xffffn) | (8n << 16n) | stack | (0x8en << 40n) | (((handler >> 16n) & 0xffffn) << 48n);
  const one = isLong(mode) ? [gate, handler >> 32n] : [gate];
  return words(...Array.from({ length: 256 }, () => one).flat());
};

/** A machine that runs from the fixed part; its random tables are empty. */
export const prepared = (processor: Processor, mode: Mode): MachineState => {
  const fresh = createMachine({ processor, memoryBytes: MEMORY });
  const all = new Uint8Array(MEMORY);
  const view = new DataView(all.buffer);
  const put = (address: number, bytes: Uint8Array): void => all.set(bytes, address);
  const long = isLong(mode);
  const { fixed } = SHAPES[mode];
  const code = long ? 0x00af_9b00_0000_ffffn : 0x00cf_9b00_0000_ffffn;
  const data = 0x00cf_9300_0000_ffffn;
  const user = 0x6000_0000_0000n;
  put(FRAME.gdt * PAGE, words(0n, code, data, 0n, data | user, code | user));
  put(FRAME.idt * PAGE, gates(mode));
  const stackTop = fixed + BigInt((FRAME.stack + 1) * PAGE);
  if (long) view.setBigUint64(FRAME.tss * PAGE + BUSY_TSS_64, stackTop, true);
  else put(FRAME.tss * PAGE + BUSY_TSS_32, words(stackTop | (0x10n << 32n)));
  tables(mode, put);
  all.fill(0x90, FRAME.handler * PAGE, (FRAME.handler + 1) * PAGE);
  // What stands there in the frames of tables and handlers is of no use otherwise.
  for (let frame = 0; frame < FRAMES; frame++) {
    view.setBigUint64(frame * PAGE + OFFSET.read, BigInt(frame), true);
    view.setUint8(frame * PAGE + OFFSET.fetch, 0xb8);
    view.setUint32(frame * PAGE + OFFSET.fetch + 1, frame, true);
  }
  const [cpu] = fresh.processors;
  return {
    ...fresh,
    memory: fresh.memory.write(0, all),
    processors: [
      {
        ...cpu,
        registers: cpu.registers.with(4, stackTop),
        tables: {
          gdtr: { base: fixed + BigInt(FRAME.gdt * PAGE), limit: 47 },
          idtr: { base: fixed + BigInt(FRAME.idt * PAGE), limit: 0xfff },
        },
        segments: {
          ...cpu.segments,
          tr: { selector: 0x30, base: fixed + BigInt(FRAME.tss * PAGE), limit: 0x67, accessRights: 0x8b },
          ldtr: { selector: 0, base: 0n, limit: 0, accessRights: 0x1_0000 },
        },
      },
    ],
  };
};

/** MOV EAX, [EBX]; MOV [EBX], EAX; JMP EBX; of 64 bits in 64-bit mode. */
export const codeOf = ({ mode, kind }: Access): readonly number[] => {
  if (kind === 'fetch') return [0xff, 0xe3];
  return [...(isLong(mode) ? [0x48] : []), kind === 'read' ? 0x8b : 0x89, 0x03];
};
const WRITTEN = 0x1122_3344_5566_7788n;
/** What an access writes. */
export const writtenBy = ({ mode }: Access): Uint8Array => words(WRITTEN).subarray(0, isLong(mode) ? 8 : 4);

const bitIf = (condition: boolean, position: number): bigint => (condition ? 1n << BigInt(position) : 0n);

/** PDPTE registers with the fixed part beside the random ones. */
export const withFixed = (pdptes: readonly bigint[]): readonly bigint[] =>
  pdptes.with(SHAPES.PAE.fixedSlot, BigInt(FRAME.directory * PAGE) | PRESENT);

/** The machine about to make the access. */
export const aboutTo = (
  state: MachineState,
  access: Access,
  linear: bigint,
  pdptes: readonly bigint[],
): MachineState => {
  const { mode, user, rflagsAc, pkru, pkrs } = access;
  const [cpu] = state.processors;
  const long = isLong(mode);
  const data = user ? flatSegment(0x23, 0xc0f3) : flatSegment(0x10, 0xc093);
  const codeRights = (long ? 0xa09b : 0xc09b) | (user ? 0x60 : 0);
  const at = SHAPES[mode].fixed + BigInt((user ? USER_CODE : FRAME.code) * PAGE);
  const cr4 =
    bitIf(access.cr4Pse, 4) |
    bitIf(mode !== '32-bit', 5) |
    bitIf(mode === '5-level', 12) |
    bitIf(access.cr4Smep, 20) |
    bitIf(access.cr4Smap, 21) |
    bitIf(pkru !== undefined, 22) |
    bitIf(pkrs !== undefined, 24);
  return {
    ...state,
    memory: state.memory.write(FRAME.code * PAGE, Uint8Array.from(codeOf(access))),
    processors: [
      {
        ...cpu,
        rip: at,
        rflags: 2n | bitIf(rflagsAc, 18),
        registers: cpu.registers.with(0, WRITTEN).with(3, linear),
        control: {
          ...cpu.control,
          cr0: 0x8000_0031n | bitIf(access.cr0Wp, 16),
          cr2: 0n,
          cr3: BigInt(ROOT * PAGE),
          cr4,
          efer: (long ? 0x500n : 0n) | bitIf(access.eferNxe, 11),
          pkru: BigInt(pkru ?? 0xffff_ffff),
        },
        modelSpecific: { ...cpu.modelSpecific, pkrs: BigInt(pkrs ?? 0xffff_ffff) },
        hidden: { ...cpu.hidden, pdptes },
        segments: {
          ...cpu.segments,
          ...dataSegments(data),
          cs: flatSegment(user ? 0x2b : 8, codeRights),
        },
      },
    ],
  };
};
