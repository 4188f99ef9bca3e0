import type { ChoiceQuestion } from '../core';
import { ACTIVITY, type ProcessorDraft } from '../cpu/processor-draft';
import { FLAG, SLOT } from '../cpu/slots';
import type { RunningMachine } from '../machine/running-machine';
import type { VmExit } from '../vmx';
import type { GuestCode } from './guest-instruction';
import type { GuestRegisters } from './guest-registers';
import type { PendingExit } from './monitored-progress';
import { isTimeSite, type TimeRecord } from './time-sources';

/** IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST, which shows by how much software moved it: the time of the move. */
const TIME_MSRS: readonly bigint[] = [0x10n, 0x3bn];
/** How a report names a read of the timer's current-count register. */
const TIMER_COUNT = 'read of the local APIC timer';

const isRepeated = (cpu: ProcessorDraft, exit: VmExit, code: GuestCode): boolean => {
  if (exit.reason === 'ioInstruction') return exit.repeated;
  return exit.reason === 'eptViolation' && code.at(cpu.rip)?.repeat !== undefined;
};

const timeRead = (cpu: ProcessorDraft, { reason }: VmExit): string | undefined => {
  if (reason === 'rdtsc' || reason === 'rdtscp') return reason;
  const index = BigInt.asUintN(32, cpu.R[SLOT.rcx]);
  return reason === 'rdmsr' && TIME_MSRS.includes(index) ? 'rdmsr' : undefined;
};

/** What has to be known of an exit at the VM entry that follows; the guest's state is still in the processor. */
export const pendingExit = (
  cpu: ProcessorDraft,
  exit: VmExit,
  code: GuestCode,
  registers: GuestRegisters,
): PendingExit => ({
  reason: exit.reason,
  rip: cpu.rip,
  rcx: cpu.R[SLOT.rcx],
  repeated: isRepeated(cpu, exit, code),
  registers,
  readsTime: timeRead(cpu, exit),
});

/** Whether a guest just entered is in HLT with nothing to come. */
export const isStuck = ({ cpu, bus }: RunningMachine): boolean => {
  if (cpu.activity !== ACTIVITY.hlt) return false;
  return !cpu.flag(FLAG.if) || (bus.deadline === Number.POSITIVE_INFINITY && cpu.bus.pendingInterrupt() < 0);
};

/** Notes what the guest reads from a time source; `exitedAt` is the instruction that the monitor emulates, if any. */
export const recordTime = (
  time: TimeRecord,
  { site }: ChoiceQuestion,
  answer: bigint,
  cpu: ProcessorDraft,
  code: GuestCode,
  exitedAt: bigint | undefined,
): void => {
  if (!isTimeSite(site)) return;
  if (cpu.nonRoot) {
    const name = code.at(cpu.rip)?.mnemonic ?? 'unknown';
    time.record(site, answer, site === 'timer-count' ? TIMER_COUNT : name, cpu.rip);
  } else if (site === 'timer-count' && exitedAt !== undefined)
    time.record(site, answer, TIMER_COUNT, exitedAt);
};
