import { maskOf } from '../../../core';
import type { Instruction } from '../../decode/instruction';
import { userWaitEnd } from '../../msrs';
import { monitorLineBytes } from '../../presets/features';
import { ACTIVITY, type ProcessorDraft } from '../../processor-draft';
import { linearAddress } from '../../segmented-address';
import { SEGMENT } from '../../segments';
import { FLAG, SLOT, STATUS_FLAGS } from '../../slots';
import { general, registerOf } from './operands';
import { requireEnabled, requireFeature, requireTimeStampPrivilege } from './privilege';
import { exits, systemRow } from './system-row';

/** IA32_MISC_ENABLE: ENABLE MONITOR FSM. SDM Vol. 4, 2.1 Architectural MSRs */
export const MONITOR_ENABLED = 1 << 18;
/** Extensions of MWAIT: bit 0, interrupts end the wait also while they are masked. */
const MASKED_INTERRUPTS = 1n;

/** Operand of UMWAIT and TPAUSE: bit 0 asks for the lighter of the two states. */
const LIGHT_STATE = 1n;

const requireMonitor = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'monitor');
  if ((cpu.W[2 * SLOT.miscEnable] & MONITOR_ENABLED) === 0 || cpu.cpl !== 0) cpu.invalidOpcode();
};

/** What RCX asks for beside the operation itself: in 64-bit mode all of it counts, else ECX. */
const extensions = (cpu: ProcessorDraft): bigint => general(cpu, SLOT.rcx, cpu.mode64 ? 64 : 32);

const armLine = (cpu: ProcessorDraft, linear: bigint, byUser: boolean): void => {
  const physical = cpu.mmu.monitor(linear);
  cpu.monitoredLine = physical === undefined ? -1 : physical - (physical % monitorLineBytes(cpu.cpuid));
  cpu.monitoredByUser = byUser && physical !== undefined;
};

// SDM Vol. 2, MONITOR
const arm = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireMonitor(cpu);
  if (exits(cpu, instruction, { id: 'monitor' })) return;
  if (extensions(cpu) !== 0n) cpu.generalProtection();
  const address = cpu.R[SLOT.rax] & maskOf(instruction.addressWidth);
  const linear = linearAddress(cpu, instruction.segment ?? SEGMENT.ds, address, 1, false);
  cpu.mmu.read(linear, 1);
  armLine(cpu, linear, false);
};

/** Whether MWAIT waits: a monitor is armed, and no window of a virtual machine is open. SDM Vol. 3C, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
const mayWait = (cpu: ProcessorDraft, masked: boolean): boolean => {
  if (cpu.monitoredLine < 0 || cpu.monitoredByUser) return false;
  const asks = masked && cpu.nonRoot && !cpu.flag(FLAG.if);
  return !(asks && cpu.virtualization?.refusesWait(cpu) === true);
};

/** Whether the `Choice` is not to wait; the monitor is no longer armed then. */
const goesOn = (cpu: ProcessorDraft): boolean => {
  if (cpu.decide('mwait', 2n, 0n) === 0n) return false;
  cpu.endWait();
  return true;
};

// SDM Vol. 2, MWAIT: a processor may go on for reasons of its own
const wait = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireMonitor(cpu);
  if (exits(cpu, instruction, { id: 'mwait' })) return;
  const extended = extensions(cpu);
  if ((extended & ~MASKED_INTERRUPTS) !== 0n) cpu.generalProtection();
  const masked = extended === MASKED_INTERRUPTS;
  if (!mayWait(cpu, masked)) return;
  if (goesOn(cpu)) return;
  cpu.activity = ACTIVITY.mwait;
  cpu.wakesMasked = masked;
  cpu.boundaryWork = true;
};

const requireUserWait = (cpu: ProcessorDraft): void => {
  requireFeature(cpu, 'waitpkg');
  requireEnabled(cpu, 'user-wait');
};

// SDM Vol. 2, UMONITOR: the address is in the operand, of the address size
const armForUser = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireUserWait(cpu);
  const { number } = registerOf(instruction.operands[0]);
  const address = general(cpu, number, instruction.addressWidth);
  const linear = linearAddress(cpu, instruction.segment ?? SEGMENT.ds, address, 1, false);
  cpu.mmu.read(linear, 1);
  armLine(cpu, linear, true);
};

/**
 * They wait until the time-stamp counter reaches EDX:EAX, the operating system's limit, an interrupt (masked too), and UMWAIT until a store to the line that
 * UMONITOR armed; without that line it does not wait. SDM Vol. 2, UMWAIT, TPAUSE
 */
const waitForUser =
  (id: 'umwait' | 'tpause') =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    requireUserWait(cpu);
    requireTimeStampPrivilege(cpu);
    if (exits(cpu, instruction, { id })) return;
    const { number } = registerOf(instruction.operands[0]);
    if ((general(cpu, number, 32) & ~LIGHT_STATE) !== 0n) cpu.generalProtection();
    cpu.rflags &= ~BigInt(STATUS_FLAGS);
    if (id === 'umwait' && !cpu.monitoredByUser) return;
    const end = userWaitEnd(cpu, (general(cpu, SLOT.rdx, 32) << 32n) | general(cpu, SLOT.rax, 32));
    if (end === undefined || goesOn(cpu)) return;
    cpu.activity = id === 'umwait' ? ACTIVITY.mwait : ACTIVITY.tpause;
    cpu.wakesMasked = true;
    cpu.waitDeadline = end.clock;
    cpu.waitLimited = end.limited;
    cpu.boundaryWork = true;
  };

export const WAITING_ROWS = [
  systemRow('monitor', arm),
  systemRow('mwait', wait),
  systemRow('umonitor', armForUser),
  systemRow('umwait', waitForUser('umwait')),
  systemRow('tpause', waitForUser('tpause')),
];
