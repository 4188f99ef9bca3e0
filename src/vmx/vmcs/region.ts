import { ModelError } from '../../core';
import { FIELD_COUNT, FIELD_NAMES, VmcsData } from './vmcs';

/**
 * Our layout of a VMCS region of 4096 bytes; what follows byte 7 is the model's own. The image is written by VMCLEAR and read by VMPTRLD.
 * SDM Vol. 3C, 25.2 Format of the VMCS Region
 */
export const REGION = {
  /** Bits 30:0 revision identifier, bit 31 shadow-VMCS indicator. */
  revision: 0,
  abortIndicator: 4,
  /** 0 clear, 1 launched; 8 bytes. */
  launchState: 8,
  /** One 8-byte word a field, in the order of `FIELD_NAMES`. */
  fields: 16,
  bytes: 4096,
} as const;

if (REGION.fields + 8 * FIELD_COUNT > REGION.bytes)
  throw new ModelError('the VMCS fields do not fit their region');

/** What a region is read and written through. */
export interface PhysicalMemory {
  readPhysical(address: number, bytes: number): bigint;
  writePhysical(address: number, bytes: number, value: bigint): void;
}

const SHADOW = 1n << 31n;

/** The VMCS that the image in a region stands for; words are truncated to the width of their fields. */
export const readRegion = (memory: PhysicalMemory, address: number): VmcsData => {
  const data = new VmcsData();
  data.shadow = (memory.readPhysical(address + REGION.revision, 4) & SHADOW) !== 0n;
  data.launched = memory.readPhysical(address + REGION.launchState, 8) === 1n;
  FIELD_NAMES.forEach((field, index) => {
    data.set(field, memory.readPhysical(address + REGION.fields + 8 * index, 8));
  });
  return data;
};

/** Writes the data of an active VMCS to its region, with the launch state that is to stand there; revision and abort indicator stay. */
export const writeRegion = (
  memory: PhysicalMemory,
  address: number,
  data: VmcsData | undefined,
  launched: boolean,
): void => {
  memory.writePhysical(address + REGION.launchState, 8, launched ? 1n : 0n);
  data?.words.forEach((word, index) => {
    memory.writePhysical(address + REGION.fields + 8 * index, 8, word);
  });
};
