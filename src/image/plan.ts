import { fault, hex } from '../core';

/** Why an image cannot be loaded. `says` is one line that names the file, the field and what would mend it. */
export interface ImageError {
  readonly file: string;
  /** The field of the file format, or the option. */
  readonly field: string;
  readonly says: string;
}

/** Bytes to put at a physical address; a view of the input, not a copy. */
export interface ImageWrite {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** Physical bytes `address` to `address + length - 1`. */
export interface PhysicalRange {
  readonly address: number;
  readonly length: number;
}

export type RegisterName =
  | 'rax'
  | 'rbx'
  | 'rcx'
  | 'rdx'
  | 'rsi'
  | 'rdi'
  | 'rbp'
  | 'rsp'
  | 'r8'
  | 'r9'
  | 'r10'
  | 'r11'
  | 'r12'
  | 'r13'
  | 'r14'
  | 'r15';

/** The descriptor table that a plan places: GDTR's base and limit, and the selectors to load. */
export interface DescriptorTable {
  readonly base: number;
  readonly limit: number;
  readonly code: number;
  readonly data: number;
}

/** Processor modes in which an image may start. */
export const IMAGE_MODES = ['real', 'protected', 'long'] as const;
export type ImageMode = (typeof IMAGE_MODES)[number];

/** What loading an image means: memory contents and the processor state at its first instruction. */
export interface ImagePlan {
  /** In address order, without overlaps. */
  readonly writes: readonly ImageWrite[];
  /** To be cleared; disjoint from the writes. */
  readonly zeros: readonly PhysicalRange[];
  /** Address of the first instruction: physical, and linear too (flat segments or identity mapping). */
  readonly entry: bigint;
  /** `real`: 16-bit code, segments by paragraphs. `protected`: 32-bit flat segments, paging off. `long`: 64-bit code, paging on with the tables at `cr3`. */
  readonly mode: ImageMode;
  /** General registers that are not zero. */
  readonly registers: Readonly<Partial<Record<RegisterName, bigint>>>;
  readonly cr3?: number;
  readonly descriptorTable?: DescriptorTable;
  /** The image may count on what a BIOS leaves: its interrupt vector table and interrupt controllers. */
  readonly afterBios?: true;
  /** One line about what was found. */
  readonly description: string;
}

/** A file passed along with the image. */
export interface ImageModule {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly commandLine?: string;
}

/** How an image is read and what it is told; addresses physical, sizes in bytes. */
export interface ImageOptions {
  /** `auto` (default): multiboot when there is a header, else ELF64, else raw when `load` is given. */
  readonly format?: 'auto' | 'multiboot' | 'elf64' | 'raw';
  /** Physical address of a raw image. */
  readonly load?: number;
  /** First instruction of a raw image (default `load`), or instead of the one that the file names. */
  readonly entry?: bigint;
  /** Processor mode at the start of a raw image (default `protected`). */
  readonly mode?: ImageMode;
  /** Multiboot only: follows the file name in the command line. */
  readonly commandLine?: string;
  /** Multiboot only: placed page-aligned, in this order. */
  readonly modules?: readonly ImageModule[];
  /** RAM in bytes, from physical address 0. */
  readonly memoryBytes: number;
  /** For error messages, and the first word of a multiboot command line. */
  readonly fileName: string;
}

const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');

/** A refusal: what is wrong with the field, and what would mend it. */
export const refuse = (
  file: string,
  field: string,
  problem: string,
  fix: string,
): { readonly ok: false; readonly fault: ImageError } =>
  fault({ file, field, says: oneLine(`${file}: ${field}: ${problem}; ${fix}`) });

export const rangeText = ({ address, length }: PhysicalRange): string =>
  `${hex(address)} to ${hex(address + Math.max(length, 1) - 1)}`;
