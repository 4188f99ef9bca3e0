import { hex, type Outcome, ok } from '../core';
import { type ElfFile, physicalEntry, readElf } from './elf';
import { IDENTITY_LIMIT, placeLongMode } from './long-mode';
import { Placement } from './placement';
import { type ImageError, type ImageOptions, type ImagePlan, rangeText, refuse } from './plan';
import { type Contents, claim, inAddressOrder, placeSegments } from './segments';

/** A plan that starts 64-bit code at a physical address, with identity mapping. */
const longPlan = (
  contents: Contents,
  entry: bigint,
  placement: Placement,
  description: string,
  file: string,
): Outcome<ImagePlan, ImageError> => {
  const start = placeLongMode(placement, file);
  if (!start.ok) return start;
  const { writes, zeros, cr3, descriptorTable, stackTop } = start.value;
  return ok({
    writes: inAddressOrder([...contents.writes, ...writes]),
    zeros: [...contents.zeros, ...zeros],
    entry,
    mode: 'long',
    registers: { rsp: BigInt(stackTop) },
    cr3,
    descriptorTable,
    description,
  });
};

/** Replaces the file's entry by the caller's, which must lie in what is loaded. */
const chosenEntry = (contents: Contents, file: string, entry: bigint): Outcome<bigint, ImageError> =>
  contents.writes.some(
    ({ address, bytes }) => entry >= BigInt(address) && entry < BigInt(address) + BigInt(bytes.length),
  )
    ? ok(entry)
    : refuse(file, 'entry', `${hex(entry)} is outside what the image loads`, 'give an address in its code');

/** The entry point of a loaded ELF file: the caller's, or the file's as a physical address. */
export const entryOf = (
  elf: ElfFile,
  contents: Contents,
  options: ImageOptions,
): Outcome<bigint, ImageError> =>
  options.entry === undefined
    ? physicalEntry(elf, options.fileName)
    : chosenEntry(contents, options.fileName, options.entry);

/** A plain ELF64 executable: loaded by physical addresses, started in long mode. */
export const readExecutable = (bytes: Uint8Array, options: ImageOptions): Outcome<ImagePlan, ImageError> => {
  const file = options.fileName;
  const elf = readElf(bytes, file);
  if (!elf.ok) return elf;
  if (elf.value.width !== 64)
    return refuse(
      file,
      'e_ident class',
      'a 32-bit ELF file without multiboot header in its first 8192 bytes',
      'build it for 64 bits or add a multiboot header',
    );
  const placement = new Placement(options.memoryBytes);
  const contents = placeSegments(elf.value, bytes, file, placement, IDENTITY_LIMIT);
  if (!contents.ok) return contents;
  const entry = entryOf(elf.value, contents.value, options);
  if (!entry.ok) return entry;
  const description = `ELF64 executable, ${elf.value.segments.length} segments, entry ${hex(entry.value)}`;
  return longPlan(contents.value, entry.value, placement, description, file);
};

/** Real-address mode reaches so far without A20 tricks. SDM Vol. 3B, 21.1.1 Address Translation in Real-Address Mode */
const REAL_MODE_LIMIT = 0x10_0000;
const FIRST_HARD_DISK = 0x80n;

/** Registers as firmware leaves them for a boot sector: DL names a disk, the stack grows down from the image. */
const bootRegisters = (load: number): ImagePlan['registers'] => ({
  rdx: FIRST_HARD_DISK,
  rsp: BigInt(Math.min(load, 0xfffe) & ~1),
});

/** A raw image: its bytes at `load`, in the mode that the caller names. */
export const readRaw = (bytes: Uint8Array, options: ImageOptions): Outcome<ImagePlan, ImageError> => {
  const { fileName: file, load, mode = 'protected' } = options;
  if (load === undefined)
    return refuse(
      file,
      'load',
      'a raw image does not say where it goes',
      'give its physical address, as in 0x7c00',
    );
  if (!Number.isSafeInteger(load) || load < 0)
    return refuse(file, 'load', `${load} is not a physical address`, 'give the load address of a raw image');
  const placement = new Placement(options.memoryBytes);
  const range = { address: load, length: bytes.length };
  const limit = mode === 'real' ? REAL_MODE_LIMIT : IDENTITY_LIMIT;
  const claimed = claim(placement, file, 'load', range, limit);
  if (!claimed.ok) return claimed;
  const contents = { writes: [{ address: load, bytes }], zeros: [] };
  const entry = chosenEntry(contents, file, options.entry ?? BigInt(load));
  if (!entry.ok) return entry;
  const description = `raw image at ${rangeText(range)}, ${mode} mode, entry ${hex(entry.value)}`;
  return mode === 'long'
    ? longPlan(contents, entry.value, placement, description, file)
    : ok({
        ...contents,
        entry: entry.value,
        mode,
        registers: mode === 'real' ? bootRegisters(load) : {},
        description,
      });
};
