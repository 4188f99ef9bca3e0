import { shiftRight } from '../../core';
import type { GeneralRegisters, HostLayout } from '../../machine/host-port';
import type { ControlWords } from './controls';
import type { Program } from './program';

/** What may be chosen about the monitor. */
export interface HardwareAssistedOptions {
  /** VMX-preemption timer ticks between two returns to the monitor, at most 2^32 - 1; 0 runs without the timer. */
  readonly preemptionTimerPeriod?: number;
}

/** What the monitor knows of its guest beyond the VMCS: plain data. */
export interface GuestRecord {
  readonly controls: ControlWords;
  /** Added to the host's time-stamp counter, 64 bits. */
  readonly tscOffset: bigint;
  /** Vectors of external interrupts that were acknowledged and not delivered yet. */
  readonly acknowledged: readonly number[];
  /** Page of the local APIC; -1 while it is disabled. */
  readonly apicPage: number;
  /** The guest has a VPID: what it would have flushed must be invalidated. */
  readonly tagged: boolean;
  /** MAXPHYADDR. */
  readonly physicalBits: number;
}

/** Fixed while the monitor runs. */
export interface Setting {
  readonly layout: HostLayout;
  readonly options: HardwareAssistedOptions;
}

/** The guest outside non-root operation, on the way to its next VM entry. */
export interface Exit extends Setting {
  readonly guest: GuestRecord;
  readonly registers: GeneralRegisters;
}

/** What the monitor does about one kind of exit. */
export type Response = (exit: Exit) => Program<Exit>;

export const withGuest = (exit: Exit, changes: Partial<GuestRecord>): Exit => ({
  ...exit,
  guest: { ...exit.guest, ...changes },
});

const RAX = 0;
const RDX = 2;
export const RSP = 4;

/** The exit with one general register changed. */
export const withRegister = (exit: Exit, number: number, value: bigint): Exit => ({
  ...exit,
  registers: exit.registers.with(number, value),
});

/** EDX:EAX. */
export const pairOf = ({ registers }: Exit): bigint =>
  (BigInt.asUintN(32, registers[RDX]) << 32n) | BigInt.asUintN(32, registers[RAX]);

/** The exit with EDX:EAX set; the high halves of RAX and RDX are cleared. */
export const withPair = (exit: Exit, value: bigint): Exit =>
  withRegister(withRegister(exit, RAX, BigInt.asUintN(32, value)), RDX, shiftRight(value, 32n));
