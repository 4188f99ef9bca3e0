import { high32, low32 } from '../core';
import { isLegalPdpte } from './paging-format';
import { physicalAddressWidth } from './presets/features';
import type { ProcessorDraft } from './processor-draft';
import { PDPTE_REGISTERS, SLOT } from './slots';

const PDPTE_BYTES = 8;
const TABLE_MASK = -32;

/**
 * The four PDPTEs at a value of CR3, as a load of the registers reads them; undefined where one is present with a reserved bit set. May leave with a
 * VM exit. Nothing is written. SDM Vol. 3A, 4.4.1 PDPTE Registers
 */
export const readPdptes = (cpu: ProcessorDraft, cr3: number): readonly bigint[] | undefined => {
  const table = (cr3 & TABLE_MASK) >>> 0;
  const width = physicalAddressWidth(cpu.cpuid);
  const entries = PDPTE_REGISTERS.map((_, index) => cpu.mmu.readPdpte(table + index * PDPTE_BYTES));
  return entries.every((entry) => isLegalPdpte(low32(entry), high32(entry), width)) ? entries : undefined;
};

/** Writes the PDPTE registers; what was derived from other values is dropped. */
export const setPdptes = (cpu: ProcessorDraft, entries: readonly bigint[]): void => {
  const { R } = cpu;
  let changed = false;
  PDPTE_REGISTERS.forEach((name, index) => {
    changed ||= R[SLOT[name]] !== entries[index];
    R[SLOT[name]] = entries[index];
  });
  if (changed) cpu.mmu.flush();
};
