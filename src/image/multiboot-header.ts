// Multiboot Specification 0.6.96, 3.1 OS image format
import { hex, type Outcome, ok } from '../core';
import { viewOf } from './elf';
import { type ImageError, refuse } from './plan';

/** Addresses of the image when the header carries them (flags bit 16). */
export interface MultibootAddresses {
  readonly header: number;
  readonly load: number;
  /** 0: up to the end of the file. */
  readonly loadEnd: number;
  /** 0: no zeros after it. */
  readonly bssEnd: number;
  readonly entry: number;
}

export interface MultibootHeader {
  /** Position in the file. */
  readonly offset: number;
  readonly flags: number;
  readonly addresses?: MultibootAddresses;
}

const HEADER_MAGIC = 0x1bad_b002;
const SEARCHED_BYTES = 8192;

const PAGE_ALIGNED_MODULES = 1 << 0;
const MEMORY_INFORMATION = 1 << 1;
const VIDEO_INFORMATION = 1 << 2;
const REQUIREMENTS = 0xffff;
const SUPPORTED = PAGE_ALIGNED_MODULES | MEMORY_INFORMATION;
const HAS_ADDRESSES = 1 << 16;

/** Position of the header; `broken` is the first magic whose checksum is wrong or cut off; both -1 when absent. */
export const findHeader = (bytes: Uint8Array): { readonly found: number; readonly broken: number } => {
  const view = viewOf(bytes);
  const end = Math.min(bytes.length, SEARCHED_BYTES);
  let broken = -1;
  for (let at = 0; at + 4 <= end; at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    const whole = at + 12 <= end;
    if (whole && ((HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)) | 0) === 0)
      return { found: at, broken };
    if (broken < 0) broken = at;
  }
  return { found: -1, broken };
};

const unsupported = (file: string, flags: number): Outcome<never, ImageError> =>
  (flags & VIDEO_INFORMATION) !== 0
    ? refuse(file, 'multiboot flags bit 2', 'a video mode is required', 'clear the bit: there is no display')
    : refuse(
        file,
        'multiboot flags',
        `unknown requirements ${hex(flags & REQUIREMENTS & ~SUPPORTED)}`,
        'require page-aligned modules and memory information only',
      );

/** Reads and checks the header. */
export const readHeader = (bytes: Uint8Array, file: string): Outcome<MultibootHeader, ImageError> => {
  const { found: offset, broken } = findHeader(bytes);
  if (offset < 0)
    return broken < 0
      ? refuse(
          file,
          'multiboot magic',
          `no ${hex(HEADER_MAGIC)} in the first ${SEARCHED_BYTES} bytes`,
          'link the multiboot header to the front, 4-byte aligned',
        )
      : refuse(
          file,
          'multiboot checksum',
          `the header at ${hex(broken)} does not sum to 0 with magic and flags`,
          `set it to -(${hex(HEADER_MAGIC)} + flags)`,
        );
  const view = viewOf(bytes);
  const flags = view.getUint32(offset + 4, true);
  if ((flags & REQUIREMENTS & ~SUPPORTED) !== 0) return unsupported(file, flags);
  if ((flags & HAS_ADDRESSES) === 0) return ok({ offset, flags });
  if (offset + 32 > bytes.length)
    return refuse(
      file,
      'multiboot header_addr',
      'the address fields are cut off by the end of the file',
      'the file looks truncated: copy it again',
    );
  const field = (index: number): number => view.getUint32(offset + 12 + 4 * index, true);
  return ok({
    offset,
    flags,
    addresses: { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) },
  });
};
