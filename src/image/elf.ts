// System V ABI, Object Files: ELF Header and Program Header
import { hex, type Outcome, ok } from '../core';
import { type ImageError, refuse } from './plan';

/** A PT_LOAD entry: `fileBytes` bytes of the file, then zeros up to `memoryBytes`. */
export interface ElfSegment {
  readonly index: number;
  readonly offset: number;
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

export interface ElfFile {
  readonly width: 32 | 64;
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
}

const LITTLE_ENDIAN = 1;
const EXECUTABLE = 2;
const MACHINE_386 = 3;
const MACHINE_X86_64 = 62;
const LOADABLE = 1;
const PHYSICAL_LIMIT = 1n << 52n;

/** Where the fields stand in files of each width. */
const LAYOUT = {
  32: {
    header: 52,
    entry: 24,
    programOffset: 28,
    entrySize: 42,
    entryCount: 44,
    programHeader: 32,
    offset: 4,
    virtual: 8,
    physical: 12,
    fileSize: 16,
    memorySize: 20,
  },
  64: {
    header: 64,
    entry: 24,
    programOffset: 32,
    entrySize: 54,
    entryCount: 56,
    programHeader: 56,
    offset: 8,
    virtual: 16,
    physical: 24,
    fileSize: 32,
    memorySize: 40,
  },
} as const;

type Layout = (typeof LAYOUT)[32 | 64];

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Whether the bytes begin with the ELF magic. */
export const isElf = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

const word = (view: DataView, width: 32 | 64, at: number): bigint =>
  width === 32 ? BigInt(view.getUint32(at, true)) : view.getBigUint64(at, true);

const readSegment = (
  view: DataView,
  file: string,
  width: 32 | 64,
  at: number,
  index: number,
): Outcome<ElfSegment, ImageError> => {
  const layout: Layout = LAYOUT[width];
  const of = (field: string): string => `program header ${index} ${field}`;
  const offset = word(view, width, at + layout.offset);
  const virtualAddress = word(view, width, at + layout.virtual);
  const physical = word(view, width, at + layout.physical);
  const fileSize = word(view, width, at + layout.fileSize);
  const memorySize = word(view, width, at + layout.memorySize);
  if (fileSize > memorySize)
    return refuse(
      file,
      of('p_filesz'),
      `${hex(fileSize)} is more than p_memsz ${hex(memorySize)}`,
      'link the image again',
    );
  if (fileSize > 0n && offset + fileSize > BigInt(view.byteLength))
    return refuse(
      file,
      of('p_offset'),
      `the segment ends at ${hex(offset + fileSize)}, past the file's ${hex(view.byteLength)} bytes`,
      'the file looks truncated: copy it again',
    );
  if (physical + memorySize > PHYSICAL_LIMIT)
    return refuse(
      file,
      of('p_paddr'),
      `${hex(physical)} with p_memsz ${hex(memorySize)} exceeds 52 bits`,
      'link the image to a lower physical address',
    );
  return ok({
    index,
    offset: fileSize > 0n ? Number(offset) : 0,
    virtualAddress,
    physicalAddress: Number(physical),
    fileBytes: Number(fileSize),
    memoryBytes: Number(memorySize),
  });
};

const checkIdentification = (bytes: Uint8Array, file: string): Outcome<32 | 64, ImageError> => {
  if (!isElf(bytes))
    return refuse(file, 'e_ident magic', 'not an ELF file', 'give an ELF executable or another format');
  if (bytes.length < 16)
    return refuse(
      file,
      'ELF header',
      `only ${bytes.length} bytes`,
      'the file looks truncated: copy it again',
    );
  if (bytes[4] !== 1 && bytes[4] !== 2)
    return refuse(
      file,
      'e_ident class',
      `${bytes[4]} is neither 1 (32-bit) nor 2 (64-bit)`,
      'link it for x86',
    );
  if (bytes[5] !== LITTLE_ENDIAN)
    return refuse(file, 'e_ident data', `${bytes[5]} is not 1 (little-endian)`, 'build it for x86');
  if (bytes[6] !== 1)
    return refuse(file, 'e_ident version', `${bytes[6]} is not 1`, 'build it with version 1');
  const width = bytes[4] === 1 ? 32 : 64;
  if (bytes.length < LAYOUT[width].header)
    return refuse(
      file,
      'ELF header',
      `only ${bytes.length} of ${LAYOUT[width].header} bytes`,
      'the file looks truncated: copy it again',
    );
  return ok(width);
};

const checkHeader = (view: DataView, file: string, width: 32 | 64): Outcome<null, ImageError> => {
  const layout: Layout = LAYOUT[width];
  const type = view.getUint16(16, true);
  if (type !== EXECUTABLE)
    return refuse(
      file,
      'e_type',
      `${type} is not 2 (executable)`,
      'link a static executable at fixed addresses (-static -no-pie)',
    );
  const machine = view.getUint16(18, true);
  if (machine !== MACHINE_X86_64 && !(width === 32 && machine === MACHINE_386))
    return refuse(
      file,
      'e_machine',
      `${machine} is not ${width === 32 ? '3 (80386) or 62 (x86-64)' : '62 (x86-64)'}`,
      'build it for x86',
    );
  const count = view.getUint16(layout.entryCount, true);
  if (count === 0 || count === 0xffff)
    return refuse(
      file,
      'e_phnum',
      `${count} program headers`,
      'link an executable with 1 to 65534 program headers',
    );
  const size = view.getUint16(layout.entrySize, true);
  if (size !== layout.programHeader)
    return refuse(file, 'e_phentsize', `${size} is not ${layout.programHeader}`, 'link the image again');
  const end = word(view, width, layout.programOffset) + BigInt(count * size);
  if (end > BigInt(view.byteLength))
    return refuse(
      file,
      'e_phoff',
      `the program headers end at ${hex(end)}, past the file's ${hex(view.byteLength)} bytes`,
      'the file looks truncated: copy it again',
    );
  return ok(null);
};

/** Reads the header and the loadable segments of an x86 executable, 32-bit or 64-bit. */
export const readElf = (bytes: Uint8Array, file: string): Outcome<ElfFile, ImageError> => {
  const identified = checkIdentification(bytes, file);
  if (!identified.ok) return identified;
  const width = identified.value;
  const layout: Layout = LAYOUT[width];
  const view = viewOf(bytes);
  const checked = checkHeader(view, file, width);
  if (!checked.ok) return checked;
  const first = Number(word(view, width, layout.programOffset));
  const count = view.getUint16(layout.entryCount, true);
  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = first + index * layout.programHeader;
    if (view.getUint32(at, true) !== LOADABLE) continue;
    const segment = readSegment(view, file, width, at, index);
    if (!segment.ok) return segment;
    if (segment.value.memoryBytes > 0) segments.push(segment.value);
  }
  if (segments.length === 0)
    return refuse(file, 'program headers', 'no loadable segment', 'link an executable with PT_LOAD segments');
  return ok({ width, entry: word(view, width, layout.entry), segments });
};

/** The physical address of the entry point; it must lie in the file's part of a segment. */
export const physicalEntry = (elf: ElfFile, file: string): Outcome<bigint, ImageError> => {
  const home = elf.segments.find(
    (segment) =>
      elf.entry >= segment.virtualAddress && elf.entry - segment.virtualAddress < BigInt(segment.fileBytes),
  );
  return home === undefined
    ? refuse(
        file,
        'e_entry',
        `${hex(elf.entry)} is in no loaded segment`,
        'link with an entry symbol inside the code (-e)',
      )
    : ok(BigInt(home.physicalAddress) + elf.entry - home.virtualAddress);
};
