// Where things stand in the memory of a random 16- or 32-bit program, and the segments that it may use.

export const NARROW_MEMORY = 2 << 20;

export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  task: 0x3000,
  handlers: 0x4000,
  handlerStackTop: 0x7000,
  counter: 0x8000,
  /** Of compatibility mode: PML4, page-directory-pointer table, page directory. */
  pml4: 0x9000,
  pdpt: 0xa000,
  directory: 0xb000,
  code: 0x1_0000,
  data: 0x2_0000,
} as const;

/** Bytes between the handlers of two vectors. */
export const HANDLER_SPACING = 16;
export const VECTORS = 0x31;
/** Open to ring 3: ends the program. */
export const END_VECTOR = 0x30;

/** A segment as its descriptor says; `rights` in the format of the VMCS. */
export interface Segment {
  readonly base: number;
  readonly limit: number;
  readonly rights: number;
}

const PRESENT_USER = 0xf0;
const BIG = 0x4000;
const PAGES = 0x8000;
const DATA = PRESENT_USER | 0x3;
const READ_ONLY = PRESENT_USER | 0x1;
const EXPAND_DOWN = PRESENT_USER | 0x7;
const CODE = PRESENT_USER | 0xb;
const UNREADABLE_CODE = PRESENT_USER | 0x9;
const MOST = 0xffff_ffff;

/** Segments of ring 3 for data and stack. Every kind of check is among them. */
export const SEGMENTS: readonly Segment[] = [
  { base: 0, limit: MOST, rights: DATA | BIG | PAGES },
  { base: 0, limit: MOST, rights: DATA | BIG | PAGES },
  { base: AT.data, limit: MOST, rights: DATA | BIG | PAGES },
  { base: AT.data + 0x10, limit: 0xffff, rights: DATA },
  { base: AT.data + 0x8001, limit: 0xffff, rights: DATA | BIG },
  { base: AT.data + 0x1000, limit: 0x7f, rights: DATA | BIG },
  { base: AT.data + 0x1ff8, limit: 0xfff, rights: DATA },
  { base: AT.data, limit: 3, rights: DATA | BIG },
  { base: AT.data, limit: 0x1_0007, rights: DATA | BIG },
  { base: AT.data + 0x2000, limit: 0xffff, rights: READ_ONLY },
  { base: 0, limit: MOST, rights: READ_ONLY | BIG | PAGES },
  { base: AT.data, limit: 0x7f, rights: EXPAND_DOWN },
  { base: AT.data, limit: 0xfff, rights: EXPAND_DOWN | BIG },
  { base: AT.data, limit: 0xffff, rights: CODE | BIG },
  { base: 0xffff_f000, limit: 0xffff, rights: DATA | BIG },
  { base: AT.data, limit: 0xffff, rights: UNREADABLE_CODE | BIG },
];

/** Code segments of ring 3 by their size; EIP begins at 0. */
export const codeSegments = (codeBytes: number): readonly Segment[] => [
  { base: AT.code, limit: MOST, rights: CODE | PAGES },
  { base: AT.code, limit: 0xffff, rights: CODE },
  { base: AT.code, limit: codeBytes - 1, rights: CODE },
  { base: AT.code - 1, limit: 0x1_ffff, rights: UNREADABLE_CODE },
];

export const KERNEL_CODE = 0x08;
export const KERNEL_DATA = 0x10;
export const TASK = 0x18;
/** The descriptor of the program's code; it has two places in the table. */
export const USER_CODE = 0x28;
const FIRST_SEGMENT = 0x30;

export const selectorOf = (index: number): number => (FIRST_SEGMENT + 8 * index) | 3;
/** Selectors that a program may load: all segments, null, and one that ring 3 may not load. */
export const SELECTORS: readonly number[] = [
  ...SEGMENTS.map((_, index) => selectorOf(index)),
  0,
  KERNEL_DATA,
];

/** Segments of real and virtual-8086 mode, in paragraphs: all above tables and code. */
export const PARAGRAPHS: readonly number[] = [0x2000, 0x2001, 0x27ff, 0x2fff, 0x3000, 0xf800];
