import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { SLOT } from '../../slots';
import { requireFeature } from './privilege';
import { intercept, systemRow } from './system-row';

/** IA32_MISC_ENABLE: ENABLE MONITOR FSM. SDM Vol. 4, 2.1 Architectural MSRs */
export const MONITOR_ENABLED = 1 << 18;
/** Extensions of MWAIT: bit 0, interrupts end the wait also while they are masked. */
const EXTENSIONS = 1;

const requireMonitor = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'monitor');
  if ((cpu.W[2 * SLOT.miscEnable] & MONITOR_ENABLED) === 0 || cpu.cpl !== 0) cpu.invalidOpcode();
};

// SDM Vol. 2, MONITOR
const arm = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireMonitor(cpu);
  intercept(cpu, instruction, { id: 'monitor' });
  if (cpu.W[2 * SLOT.rcx] !== 0) cpu.generalProtection();
  const address = cpu.R[SLOT.rax] & maskOf(instruction.addressWidth);
  cpu.mmu.read(linearAddress(cpu, instruction.segment ?? SEGMENT.ds, address, 1, false), 1);
};

/** MWAIT is a hint: a processor may go on for reasons of its own at any time, and the model's goes on at once. SDM Vol. 2, MWAIT */
const wait = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireMonitor(cpu);
  intercept(cpu, instruction, { id: 'mwait' });
  if ((cpu.W[2 * SLOT.rcx] & ~EXTENSIONS) !== 0) cpu.generalProtection();
};

export const WAITING_ROWS = [systemRow('monitor', arm), systemRow('mwait', wait)];
