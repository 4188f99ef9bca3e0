import type { ProcessorDraft } from '../processor-draft';
import { structureAddress } from '../segmented-address';
import { isUsable, SYSTEM_TYPE, typeOf } from '../segments';
import { SLOT } from '../slots';

const MAP_BASE = 0x66;
const IMPLICIT = { implicit: true } as const;

/** Bytes of the current TSS (at most 4), with supervisor rights; undefined beyond its limit. */
export const readTss = (cpu: ProcessorDraft, offset: number, bytes: number): number | undefined =>
  offset < 0 || offset + bytes - 1 > cpu.W[2 * SLOT.trLimit] >>> 0
    ? undefined
    : Number(cpu.mmu.read(structureAddress(cpu, cpu.R[SLOT.trBase], offset), bytes, IMPLICIT));

/** Where the I/O permission bit map begins, as an offset in the TSS; undefined when TR has no 32- or 64-bit TSS that says so. SDM Vol. 1, 19.5.2 I/O Permission Bit Map */
export const ioMapBase = (cpu: ProcessorDraft): number | undefined => {
  const rights = cpu.W[2 * SLOT.tr + 1];
  return isUsable(rights) && typeOf(rights) === SYSTEM_TYPE.busyTss ? readTss(cpu, MAP_BASE, 2) : undefined;
};
