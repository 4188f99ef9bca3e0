// Multiboot Specification 0.6.96, 3.2 Machine state
import { hex, type Outcome, ok } from '../core';
import { readElf } from './elf';
import { entryOf } from './executable';
import { type MultibootAddresses, readHeader } from './multiboot-header';
import { placeInformation } from './multiboot-information';
import { Placement } from './placement';
import { type ImageError, type ImageOptions, type ImagePlan, type PhysicalRange, refuse } from './plan';
import { type Contents, claim, inAddressOrder, placeSegments } from './segments';

const LOADER_MAGIC = 0x2bad_b002n;
const ADDRESS_LIMIT = 2 ** 32;

interface Loaded extends Contents {
  readonly entry: bigint;
  readonly kind: string;
}

/** Loads by the addresses in the header, whatever format the file has otherwise. */
const loadByAddresses = (
  bytes: Uint8Array,
  offset: number,
  addresses: MultibootAddresses,
  options: ImageOptions,
  placement: Placement,
): Outcome<Loaded, ImageError> => {
  const file = options.fileName;
  const { header, load, loadEnd, bssEnd } = addresses;
  const entry = options.entry ?? BigInt(addresses.entry);
  const first = offset - (header - load);
  if (load > header || first < 0)
    return refuse(
      file,
      'multiboot load_addr',
      `${hex(load)} does not fit header_addr ${hex(header)} at file offset ${hex(offset)}`,
      'let load_addr be header_addr minus the bytes before the header',
    );
  const length = loadEnd === 0 ? bytes.length - first : loadEnd - load;
  if (length <= 0 || first + length > bytes.length)
    return refuse(
      file,
      'multiboot load_end_addr',
      `${hex(loadEnd)} does not end inside the file`,
      'let it be load_addr plus the bytes to load, or 0 for the whole file',
    );
  if (bssEnd !== 0 && bssEnd < load + length)
    return refuse(
      file,
      'multiboot bss_end_addr',
      `${hex(bssEnd)} is below the end of the loaded bytes ${hex(load + length)}`,
      'let it be the end of the bss, or 0 for none',
    );
  const range = { address: load, length: (bssEnd === 0 ? load + length : bssEnd) - load };
  const claimed = claim(placement, file, 'multiboot load_addr', range, ADDRESS_LIMIT);
  if (!claimed.ok) return claimed;
  if (entry < BigInt(load) || entry >= BigInt(load + length))
    return refuse(
      file,
      options.entry === undefined ? 'multiboot entry_addr' : 'entry',
      `${hex(entry)} is outside the loaded bytes`,
      'let it be an address in the code',
    );
  const zeros: PhysicalRange[] =
    range.length > length ? [{ address: load + length, length: range.length - length }] : [];
  const writes = [{ address: load, bytes: bytes.subarray(first, first + length) }];
  return ok({ writes, zeros, entry, kind: 'addresses in the header' });
};

const loadElf = (
  bytes: Uint8Array,
  options: ImageOptions,
  placement: Placement,
): Outcome<Loaded, ImageError> => {
  const elf = readElf(bytes, options.fileName);
  if (!elf.ok) return elf;
  const contents = placeSegments(elf.value, bytes, options.fileName, placement, ADDRESS_LIMIT);
  if (!contents.ok) return contents;
  const entry = entryOf(elf.value, contents.value, options);
  if (!entry.ok) return entry;
  const kind = `ELF${elf.value.width}, ${elf.value.segments.length} segments`;
  return ok({ ...contents.value, entry: entry.value, kind });
};

/** A multiboot 1 image: protected mode, EAX holds the loader magic and EBX the address of the information structure. */
export const readMultiboot = (bytes: Uint8Array, options: ImageOptions): Outcome<ImagePlan, ImageError> => {
  const header = readHeader(bytes, options.fileName);
  if (!header.ok) return header;
  const placement = new Placement(options.memoryBytes);
  const { addresses, offset } = header.value;
  const loaded =
    addresses === undefined
      ? loadElf(bytes, options, placement)
      : loadByAddresses(bytes, offset, addresses, options, placement);
  if (!loaded.ok) return loaded;
  const information = placeInformation(options, placement);
  if (!information.ok) return information;
  const { writes, zeros, entry, kind } = loaded.value;
  return ok({
    writes: inAddressOrder([...writes, ...information.value.writes]),
    zeros,
    entry,
    mode: 'protected',
    afterBios: true,
    registers: { rax: LOADER_MAGIC, rbx: BigInt(information.value.address) },
    description: `multiboot image (${kind}), entry ${hex(entry)}`,
  });
};
