import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { SLOT } from '../../slots';
import { general } from './operands';
import { requireFeature } from './privilege';
import { intercept, systemRow } from './system-row';

/** IA32_MISC_ENABLE: ENABLE MONITOR FSM. SDM Vol. 4, 2.1 Architectural MSRs */
export const MONITOR_ENABLED = 1 << 18;
/** Extensions of MWAIT: bit 0, interrupts end the wait also while they are masked. */
const MASKED_INTERRUPTS = 1n;

const requireMonitor = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'monitor');
  if ((cpu.W[2 * SLOT.miscEnable] & MONITOR_ENABLED) === 0 || cpu.cpl !== 0) cpu.invalidOpcode();
};

/** What RCX asks for beside the operation itself: in 64-bit mode all of it counts, else ECX. */
const extensions = (cpu: ProcessorDraft): bigint => general(cpu, SLOT.rcx, cpu.mode64 ? 64 : 32);

// SDM Vol. 2, MONITOR
const arm = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireMonitor(cpu);
  intercept(cpu, instruction, { id: 'monitor' });
  if (extensions(cpu) !== 0n) cpu.generalProtection();
  const address = cpu.R[SLOT.rax] & maskOf(instruction.addressWidth);
  cpu.mmu.read(linearAddress(cpu, instruction.segment ?? SEGMENT.ds, address, 1, false), 1);
};

/** MWAIT is a hint: a processor may go on for reasons of its own at any time, and the model's goes on at once. SDM Vol. 2, MWAIT */
const wait = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireMonitor(cpu);
  intercept(cpu, instruction, { id: 'mwait' });
  if ((extensions(cpu) & ~MASKED_INTERRUPTS) !== 0n) cpu.generalProtection();
};

export const WAITING_ROWS = [systemRow('monitor', arm), systemRow('mwait', wait)];
