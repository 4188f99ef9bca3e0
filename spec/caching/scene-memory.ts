import {
  EMPTY_MEMORY,
  gpa,
  high32,
  hpa,
  low32,
  MemoryDraft,
  type MemoryRoot,
  PAGE_BYTES,
} from '../../src/core';
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
const GIB_PAGE = 0xe3n;
/** Frames of what a processor needs to run: tables for it, then code of the supervisor, code of the user, descriptors and a stack; regions of VMX; tables of the other agent. */
const [
  PML4,
  PDPT,
  DIRECTORY,
  TABLE,
  CODE,
  USER_CODE,
  DESCRIPTORS,
  STACK,
  VMXON,
  VMCS,
  EPTP_LIST,
  MSR_BITMAPS,
  MSR_AREA,
  LOG,
  AGENT_PML4,
  AGENT_PDPT,
] = Array.from({ length: 16 }, (_, n) => 0x10 + n);
const at = (frame: number): bigint => BigInt(frame * PAGE_BYTES);

/** What a processor runs, each at a multiple of 16 bytes of its page. */
const PROGRAMS = {
  /** MOV EAX, [RBX] */
  read: [0x8b, 0x03],
  /** MOV RAX, [RBX] */
  read8: [0x48, 0x8b, 0x03],
  /** MOV [RBX], EAX */
  write: [0x89, 0x03],
  /** MOV [RBX], RAX */
  store: [0x48, 0x89, 0x03],
  /** With [RBX] as operand. */
  invlpg: [0x0f, 0x01, 0x3b],
  /** Type in RCX, descriptor at [RAX], as of the two that follow. */
  invpcid: [0x66, 0x0f, 0x38, 0x82, 0x08],
  invept: [0x66, 0x0f, 0x38, 0x80, 0x08],
  invvpid: [0x66, 0x0f, 0x38, 0x81, 0x08],
  /** From RAX. */
  movCr0: [0x0f, 0x22, 0xc0],
  movCr3: [0x0f, 0x22, 0xd8],
  movCr4: [0x0f, 0x22, 0xe0],
  wrmsr: [0x0f, 0x30],
  vmresume: [0x0f, 0x01, 0xc3],
  vmcall: [0x0f, 0x01, 0xc1],
  vmfunc: [0x0f, 0x01, 0xd4],
  vmxoff: [0x0f, 0x01, 0xc4],
  /** Pointer at [RAX], as of the two that follow. */
  vmxon: [0xf3, 0x0f, 0xc7, 0x30],
  vmclear: [0x66, 0x0f, 0xc7, 0x30],
  vmptrld: [0x0f, 0xc7, 0x30],
  /** Far JMP to the TSS descriptor of another task. */
  taskSwitch: [0xea, 0, 0, 0, 0, 32, 0],
  /** Where every exception is delivered. */
  handler: [0xf4],
} as const;
export type Program = keyof typeof PROGRAMS;
const PROGRAM_NAMES = Object.keys(PROGRAMS) as Program[];

/** Offset of a program in its page. */
export const programAt = (program: Program): number => 16 * PROGRAM_NAMES.indexOf(program);

/** In the page of descriptors. */
const IDT_32 = 0x200;
const GDT = 0x400;
const TSS_64 = 0x500;
const TSS_32 = 0x600;
const NEXT_TSS = 0x700;
const VECTORS = 32;

/** Linear address of the supervisor's code: sign-extended from 32 bits where there are more. The pages of the user's code, of descriptors and of the stack follow. */
const LINEAR = 0xffff_ffff_ffe0_0000n;

/** Where a processor finds its own code and tables, apart from all that rows map. */
export const APPARATUS = {
  linear: LINEAR,
  frames: { code: CODE, userCode: USER_CODE, descriptors: DESCRIPTORS, stack: STACK },
  descriptors: { idt64: 0, idt32: IDT_32, gdt: GDT, tss64: TSS_64, tss32: TSS_32, nextTss: NEXT_TSS },
  regions: {
    vmxon: VMXON,
    vmcs: VMCS,
    eptpList: EPTP_LIST,
    msrBitmaps: MSR_BITMAPS,
    msrArea: MSR_AREA,
    log: LOG,
  },
  /** Root of an agent that has the first GiB of memory at equal linear addresses. */
  agentRoot: at(AGENT_PML4),
  /** Entries of a root with so many levels, by index. */
  roots: {
    3: [[3, at(DIRECTORY) | 1n]],
    4: [[511, at(PDPT) | TABLE_BITS]],
    5: [[511, at(PML4) | TABLE_BITS]],
  } as Readonly<Record<number, readonly (readonly [number, bigint])[]>>,
} as const;

const descriptor = (base: number, limit: bigint, rights: bigint): bigint =>
  (limit & 0xffffn) |
  (BigInt(base & 0xff_ffff) << 16n) |
  ((rights & 0xffn) << 40n) |
  ((limit >> 16n) << 48n) |
  ((rights >> 12n) << 52n) |
  (BigInt(base >>> 24) << 56n);

const baseMemory = (): MemoryRoot => {
  let memory: MemoryRoot = EMPTY_MEMORY;
  for (let n = 0; n < EPT_COUNT; n++)
    memory = new EptTables(memory, hpa(FIRST_EPT + n * EPT_BYTES))
      .mapRange({ gpa: gpa(0), hpa: hpa(0) }, MEMORY_BYTES)
      .publish();
  const draft = new MemoryDraft(memory);
  const put = (address: number, value: bigint): void => {
    const { words } = draft.ownedPage(Math.floor(address / PAGE_BYTES));
    words[(address % PAGE_BYTES) / 4] = low32(value);
    words[(address % PAGE_BYTES) / 4 + 1] = high32(value);
  };
  for (const [table, index, entry] of [
    [PML4, 511, at(PDPT) | TABLE_BITS],
    [PDPT, 511, at(DIRECTORY) | TABLE_BITS],
    [DIRECTORY, 511, at(TABLE) | TABLE_BITS],
    [TABLE, 0, at(CODE) | SUPERVISOR],
    [TABLE, 1, at(USER_CODE) | TABLE_BITS],
    [TABLE, 2, at(DESCRIPTORS) | SUPERVISOR],
    [TABLE, 3, at(STACK) | SUPERVISOR],
    [AGENT_PML4, 0, at(AGENT_PDPT) | TABLE_BITS],
    [AGENT_PDPT, 0, GIB_PAGE],
  ] as const)
    put(table * PAGE_BYTES + 8 * index, entry);
  for (const frame of [CODE, USER_CODE])
    for (const name of PROGRAM_NAMES) draft.ownedPage(frame).bytes.set(PROGRAMS[name], programAt(name));
  const handler = LINEAR + BigInt(programAt('handler'));
  const descriptors = DESCRIPTORS * PAGE_BYTES;
  const low = (selector: bigint): bigint =>
    (handler & 0xffffn) | (selector << 16n) | (0x8en << 40n) | (((handler >> 16n) & 0xffffn) << 48n);
  for (let vector = 0; vector < VECTORS; vector++) {
    put(descriptors + 16 * vector, low(8n));
    put(descriptors + 16 * vector + 8, handler >> 32n);
    put(descriptors + IDT_32 + 8 * vector, low(24n));
  }
  const here = Number(BigInt.asUintN(32, LINEAR)) + 2 * PAGE_BYTES;
  [
    0n,
    descriptor(0, 0xfffffn, 0xa09bn),
    descriptor(0, 0xfffffn, 0xc093n),
    descriptor(0, 0xfffffn, 0xc09bn),
    descriptor(here + NEXT_TSS, 0x67n, 0x89n),
    descriptor(here + TSS_32, 0x67n, 0x8bn),
  ].forEach((entry, n) => {
    put(descriptors + GDT + 8 * n, entry);
  });
  const stack = LINEAR + BigInt(4 * PAGE_BYTES);
  // RSP0 stands at byte 4.
  put(descriptors + TSS_64, BigInt.asUintN(64, stack << 32n));
  put(descriptors + TSS_64 + 8, stack >> 32n);
  // Each frame of data says which one it is: MOV EAX, frame; HLT; and at its end.
  for (let frame = FRAMES.A; frame < MEMORY_BYTES / PAGE_BYTES; frame++)
    for (const [offset, value] of [
      [0, 0xb8n | (BigInt(frame) << 8n) | (0xf4n << 40n)],
      [PAGE_BYTES - 8, BigInt(frame) << 32n],
    ] as const)
      put(frame * PAGE_BYTES + offset, value);
  return draft.publish();
};

/** Memory of every scene before its rows map anything. */
export const BASE_MEMORY = baseMemory();
