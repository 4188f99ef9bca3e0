import type { ChoiceQuestion } from '../core';
import type { InterruptionEvent } from '../cpu/event';
import { ACTIVITY, type ProcessorDraft } from '../cpu/processor-draft';
import { FLAG, SLOT } from '../cpu/slots';
import type { RunningMachine } from '../machine/running-machine';
import { type VmExit, Vmx } from '../vmx';
import { deliveredEvent } from './guest-events';
import type { GuestCode } from './guest-instruction';
import type { GuestMemory } from './guest-memory';
import type { GuestRegisters } from './guest-registers';
import type { PendingExit } from './monitored-progress';
import { isTimeMsr, isTimeSite, type TimeRecord } from './time-sources';

/** How a report names a read of the timer's current-count register. */
const TIMER_COUNT = 'read of the local APIC timer';

/** The valid bit of the VM-entry interruption information. */
const INJECTED = 1n << 31n;

const isRepeated = (cpu: ProcessorDraft, exit: VmExit, code: GuestCode): boolean => {
  if (exit.reason === 'ioInstruction') return exit.repeated;
  return exit.reason === 'eptViolation' && code.at(cpu.rip)?.repeat !== undefined;
};

const timeRead = (cpu: ProcessorDraft, { reason }: VmExit): string | undefined => {
  if (reason === 'rdtsc' || reason === 'rdtscp') return reason;
  return reason === 'rdmsr' && isTimeMsr(cpu.W[2 * SLOT.rcx]) ? 'rdmsr' : undefined;
};

/** None of the instructions that exit because of what they are jumps, but those that switch tasks. */
const nextRip = (cpu: ProcessorDraft, exit: VmExit): bigint | undefined => {
  if (!('length' in exit) || exit.reason === 'taskSwitch') return undefined;
  const next = cpu.rip + BigInt(exit.length);
  return BigInt.asUintN(cpu.mode64 ? 64 : 32, next);
};

/** What has to be known of an exit at the VM entry that follows; the guest's state is still in the processor. */
export const pendingExit = (
  cpu: ProcessorDraft,
  { exit, during }: { readonly exit: VmExit; readonly during: InterruptionEvent | undefined },
  code: GuestCode,
  memory: GuestMemory,
  registers: GuestRegisters,
): PendingExit => ({
  reason: exit.reason,
  rip: cpu.rip,
  rcx: cpu.R[SLOT.rcx],
  next: nextRip(cpu, exit),
  outsideRam: 'gpa' in exit && memory.machineFrame(Math.floor(exit.gpa / 4096)) < 0,
  repeated: isRepeated(cpu, exit, code),
  registers,
  taskOf: exit.reason === 'taskSwitch' && during !== undefined ? deliveredEvent(cpu, during) : undefined,
  readsTime: timeRead(cpu, exit),
});

/** Iterations of a repeated instruction that the monitor completed; 0 when it is none, or none was. */
export const iterationsSince = ({ repeated, rcx }: PendingExit, cpu: ProcessorDraft): number => {
  const iterations = repeated ? Number(BigInt.asUintN(64, rcx - cpu.R[SLOT.rcx])) : 0;
  return iterations <= Number(rcx) ? iterations : 0;
};

/** EDX:EAX. */
export const timeStampRead = ({ R }: ProcessorDraft): bigint =>
  (BigInt.asUintN(32, R[SLOT.rdx]) << 32n) | BigInt.asUintN(32, R[SLOT.rax]);

/** Whether a guest just entered is in HLT with nothing to come. */
export const isStuck = ({ cpu, bus }: RunningMachine): boolean => {
  // A trap that is pending comes at once.
  if (cpu.activity !== ACTIVITY.hlt || cpu.pendingDebug !== 0) return false;
  return !cpu.flag(FLAG.if) || (bus.deadline === Number.POSITIVE_INFINITY && cpu.bus.pendingInterrupt() < 0);
};

/** Whether a guest just entered can take an external interrupt before its next instruction, and none is injected. */
export const isOpenToInterrupts = (cpu: ProcessorDraft): boolean => {
  if (!cpu.flag(FLAG.if) || cpu.blockingBySti || cpu.blockingByMovSs) return false;
  const vmx = cpu.virtualization;
  const injected = vmx instanceof Vmx ? vmx.current?.data.get('vmEntryInterruptionInfo') : undefined;
  return ((injected ?? 0n) & INJECTED) === 0n;
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
