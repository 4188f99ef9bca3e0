import { hex, type Outcome, ok } from '../core';
import { type ImageError, type ImageWrite, refuse } from './plan';

const KIB = 1024;
const MIB = 2 ** 20;
const FOUR_GIB = 2 ** 32;

/** Sizes of firmware images, in KiB. */
const SIZES: readonly number[] = [64, 128, 256, 512, 1024];
/** The last part of the image stands below 1 MiB too. */
const LEGACY_BYTES = 128 * KIB;
/** The processor begins so many bytes below 4 GiB. SDM Vol. 3A, 10.1.4 First Instruction Executed */
const RESET_VECTOR = 16;

/** What a firmware image means: bytes in memory that cannot be written, below 4 GiB and below 1 MiB. */
export interface FirmwarePlan {
  readonly bytes: number;
  readonly writes: readonly ImageWrite[];
}

/** How firmware is read. */
export interface FirmwareOptions {
  /** For error messages. */
  readonly fileName?: string;
}

/** Reads a firmware image. Whatever the bytes are, the answer is a plan or an `ImageError` that names the field and the fix. */
export const readFirmware = (
  bytes: Uint8Array,
  { fileName = 'firmware', memoryBytes }: FirmwareOptions & { readonly memoryBytes: number },
): Outcome<FirmwarePlan, ImageError> => {
  if (!SIZES.includes(bytes.length / KIB))
    return refuse(
      fileName,
      'size',
      `${bytes.length} bytes are no firmware image`,
      `give one of ${SIZES.join(', ')} KiB, such as bios.bin of SeaBIOS`,
    );
  const vector = bytes.subarray(-RESET_VECTOR);
  if (vector.every((byte) => byte === vector[0]))
    return refuse(
      fileName,
      'reset vector',
      `nothing but ${hex(vector[0])} at its end, where the processor begins`,
      'give the image as it stands below 4 GiB',
    );
  if (memoryBytes < MIB)
    return refuse(fileName, 'memoryBytes', `${memoryBytes} bytes of RAM`, 'give the machine 1 MiB or more');
  const legacy = bytes.subarray(-LEGACY_BYTES);
  return ok({
    bytes: bytes.length,
    writes: [
      { address: MIB - legacy.length, bytes: legacy },
      { address: FOUR_GIB - bytes.length, bytes },
    ],
  });
};
