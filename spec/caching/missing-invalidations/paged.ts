import type { MachineState } from '../../../src/api/machine';
import { AT, little, segmentDescriptor } from '../../cpu/engine/paged-guest';
import { several } from '../../machine/several';
import { type Code, HLT, invpcidAt, movCr3, RET, type Store } from './code';

/** Bits of entries. */
export const BIT = { P: 1n, W: 2n, U: 4n, PCD: 16n, D: 64n, LARGE: 128n, G: 256n, XD: 1n << 63n } as const;
export const key = (value: bigint): bigint => value << 59n;
/** Present, writable, for user and supervisor. */
export const ALL = 7n;

/** L and M are in one page table, N in another of the same page directory, O in another page directory of the same PDPT. */
export const L = 0x80_4020_1000n;
export const M = L + 0x1000n;
export const N = L + 0x20_0000n;
export const O = L + 0x4000_0000n;

/** Pages of data, and the first of three pages of 2 MiB. */
export const PAGE = { A: 0x6_0000, B: 0x6_1000, C: 0x6_2000, D: 0x6_3000, E: 0x6_4000, F: 0x6_5000 } as const;
export const LARGE = { A: 0x20_0000, B: 0x40_0000 } as const;

/** Tables on the way to the addresses, from page-directory-pointer table to page table; and others that lead to other pages. */
export const TABLE = {
  pdpt: 0x4_0000,
  pd: 0x4_1000,
  pt: 0x4_2000,
  otherPdpt: 0x4_3000,
  otherPd: 0x4_4000,
  otherPt: 0x4_5000,
  thirdPt: 0x4_6000,
  /** The root of another process, whose L is another page. */
  otherRoot: 0x4_7000,
} as const;
const OPERAND = 0x5_0000;
/** A byte by which processors tell each other how far they are. */
export const FLAG = 0x5_1000;
export const USER_STACK = 0x9000;
const USER_GDT = [segmentDescriptor(0, 0xf_ffff, 0xaffb), segmentDescriptor(0, 0xf_ffff, 0xcff3)].flat();

export const indexOf = (linear: bigint, level: number): number =>
  Number(BigInt.asUintN(9, linear >> BigInt(3 + 9 * level)));
/** Where an address has its entry in a table of a level. */
export const entryIn = (table: number, linear: bigint, level: number): number =>
  table + 8 * indexOf(linear, level);
/** The same in the tables that are in use at the start. */
export const entry = (linear: bigint, level: 1 | 2 | 3 | 4): number =>
  entryIn([0, TABLE.pt, TABLE.pd, TABLE.pdpt, AT.pml4][level], linear, level);

const put = (address: number, value: bigint | number): Readonly<Record<number, readonly number[]>> => ({
  [address]: little(value, 8),
});
export const to = (page: number, flags: bigint = ALL): bigint => BigInt(page) | flags;

const TABLES = {
  ...put(entry(L, 4), to(TABLE.pdpt)),
  ...put(entry(L, 3), to(TABLE.pd)),
  ...put(entry(L, 2), to(TABLE.pt)),
  ...put(entry(L, 1), to(PAGE.A)),
  ...put(entry(M, 1), to(PAGE.B)),
  ...put(entry(N, 2), to(TABLE.thirdPt)),
  ...put(entryIn(TABLE.thirdPt, N, 1), to(PAGE.C)),
  ...put(entryIn(TABLE.otherPdpt, L, 3), to(TABLE.otherPd)),
  ...put(entryIn(TABLE.otherPd, L, 2), to(TABLE.otherPt)),
  ...put(entryIn(TABLE.otherPd, N, 2), to(TABLE.otherPt)),
  ...put(entry(O, 3), to(TABLE.pd)),
  ...put(entryIn(TABLE.otherPdpt, O, 3), to(TABLE.otherPd)),
  ...put(entryIn(TABLE.otherPt, L, 1), to(PAGE.D)),
  ...put(entryIn(TABLE.otherPt, M, 1), to(PAGE.E)),
  ...put(TABLE.otherRoot, to(AT.directoryPointers)),
  ...put(entryIn(TABLE.otherRoot, L, 4), to(TABLE.otherPdpt)),
  ...Object.fromEntries([...Object.values(PAGE), ...Object.values(LARGE)].map((page) => [page, [RET]])),
};

/** The state of CR4 that a program starts with, beside PAE. */
export const CR4 = {
  PGE: 0x80n,
  PCIDE: 0x2_0000n,
  SMEP: 0x10_0000n,
  SMAP: 0x20_0000n,
  PKE: 0x40_0000n,
} as const;
const CR0_WP = 0x1_0000n;

/** A processor for each program, all in the same address space. */
export const guest = (
  programs: readonly Code[],
  entries: readonly Store[] = [],
  cr4 = 0n,
  cr3 = 0n,
): MachineState => {
  const parts = Object.assign({}, TABLES, ...entries.map(({ address, value }) => put(address, value)));
  const state = several(
    programs.map((code) => [...code, HLT]),
    { parts: { ...parts, [AT.gdt + 24]: USER_GDT }, edits: { pku: true } },
  );
  return {
    ...state,
    processors: state.processors.map((cpu) => {
      const { control, tables } = cpu;
      return {
        ...cpu,
        control: { ...control, cr0: control.cr0 | CR0_WP, cr3: control.cr3 | cr3, cr4: control.cr4 | cr4 },
        tables: { ...tables, gdtr: { ...tables.gdtr, limit: 0x27 } },
      };
    }),
  };
};

export const reloadCr3 = movCr3(AT.pml4);
export const invpcid = invpcidAt(OPERAND);
/** MOV CR3 with a PCID; `keep`: bit 63 of the source is 1. */
export const becomeProcess = (pcid: number, { keep = false, root = AT.pml4 as number } = {}): Code =>
  movCr3(BigInt(root) | BigInt(pcid) | (keep ? 1n << 63n : 0n));
