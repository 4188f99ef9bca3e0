import type { ProcessorDraft } from '../../processor-draft';
import { CR4, SLOT } from '../../slots';
import { general, setPair } from './operands';
import { systemRow } from './system-row';

/** PKRU as WRPKRU and the restoring of its state component write it, 32 bits. SDM Vol. 3A, 4.6.2 Protection Keys */
export const writePkru = (cpu: ProcessorDraft, value: bigint): void => {
  cpu.R[SLOT.pkru] = value;
  cpu.mmu.contextChanged();
};

/** #UD while CR4.PKE is 0, #GP(0) unless ECX is 0. */
const requireUserKeys = (cpu: ProcessorDraft): void => {
  if ((cpu.W[2 * SLOT.cr4] & CR4.pke) === 0) cpu.invalidOpcode();
  if (cpu.W[2 * SLOT.rcx] !== 0) cpu.generalProtection();
};

// SDM Vol. 2, RDPKRU
const read = (cpu: ProcessorDraft): void => {
  requireUserKeys(cpu);
  setPair(cpu, cpu.R[SLOT.pkru]);
};

// SDM Vol. 2, WRPKRU
const write = (cpu: ProcessorDraft): void => {
  requireUserKeys(cpu);
  if (cpu.W[2 * SLOT.rdx] !== 0) cpu.generalProtection();
  writePkru(cpu, general(cpu, SLOT.rax, 32));
};

export const PROTECTION_KEY_ROWS = [systemRow('rdpkru', read), systemRow('wrpkru', write)];
