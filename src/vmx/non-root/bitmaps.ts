import type { Mmu } from '../../cpu/mmu';
import type { VmxOperation } from '../operation';
import { fieldIndex } from '../vmcs';
import { controlMask } from '../vmcs/halves';

const USE_IO_BITMAPS = controlMask('useIoBitmaps');
const UNCONDITIONAL_IO = controlMask('unconditionalIoExiting');
const USE_MSR_BITMAPS = controlMask('useMsrBitmaps');
const IO_BITMAP_A = fieldIndex('ioBitmapAAddress');
const IO_BITMAP_B = fieldIndex('ioBitmapBAddress');
const MSR_BITMAP = fieldIndex('msrBitmapAddress');

const PORTS = 0x10000;
const PORTS_OF_A = 0x8000;
const MSRS_PER_RANGE = 0x2000;
const HIGH_RANGE = 0xc000_0000;
const HIGH_RANGE_OFFSET = 1024;
const WRITE_OFFSET = 2048;

const bitAt = (mmu: Mmu, address: number, bit: number): boolean =>
  ((Number(mmu.readPhysical(address + (bit >> 3), 1)) >> (bit & 7)) & 1) === 1;

/** Whether an access to ports exits; one that wraps around the port space always does with bitmaps. SDM Vol. 3C, 25.6.4 I/O-Bitmap Addresses */
export const ioExits = (vmx: VmxOperation, mmu: Mmu, port: number, bytes: number): boolean => {
  if ((vmx.primary & USE_IO_BITMAPS) === 0) return (vmx.primary & UNCONDITIONAL_IO) !== 0;
  if (port + bytes > PORTS) return true;
  const { words } = vmx.current!.data;
  for (let each = port; each < port + bytes; each++) {
    const bitmap = Number(words[each < PORTS_OF_A ? IO_BITMAP_A : IO_BITMAP_B]);
    if (bitAt(mmu, bitmap, each % PORTS_OF_A)) return true;
  }
  return false;
};

/** Whether RDMSR or WRMSR of an index exits: outside both ranges always. SDM Vol. 3C, 25.6.9 MSR-Bitmap Address */
export const msrExits = (vmx: VmxOperation, mmu: Mmu, msr: number, write: boolean): boolean => {
  if ((vmx.primary & USE_MSR_BITMAPS) === 0) return true;
  const index = msr >>> 0;
  const inHigh = index >= HIGH_RANGE;
  const bit = inHigh ? index - HIGH_RANGE : index;
  if (bit >= MSRS_PER_RANGE) return true;
  const part = (inHigh ? HIGH_RANGE_OFFSET : 0) + (write ? WRITE_OFFSET : 0);
  return bitAt(mmu, Number(vmx.current!.data.words[MSR_BITMAP]) + part, bit);
};
