import { freeze } from 'immer';
import type { AddressRange } from '../device';

/** A 256-bit register as eight unsigned 32-bit words, vector 0 in bit 0 of word 0. */
export type VectorSet = readonly number[];

/** The entries of the local vector table that the version register announces. */
export const LVT_ENTRIES = ['timer', 'thermal', 'performance', 'lint0', 'lint1', 'error'] as const;
export type LvtEntry = (typeof LVT_ENTRIES)[number];

export interface LocalApicOptions {
  /** APIC ID after power-up, 8 bits: the number of the processor. */
  readonly initialId: number;
  readonly bootstrap: boolean;
  readonly tscDeadline: boolean;
  /** Whether it has the x2APIC mode. */
  readonly x2apic: boolean;
}

/** A local APIC. Words are unsigned 32-bit numbers in the layout of the registers. */
export interface LocalApicState {
  readonly options: LocalApicOptions;
  /** IA32_APIC_BASE: bit 11 and the physical address of the 4-KiB register page. */
  readonly enabled: boolean;
  readonly address: number;
  /** IA32_APIC_BASE bit 10: in x2APIC mode. */
  readonly x2apic: boolean;
  /** The page above while the APIC is enabled and in xAPIC mode. */
  readonly windows: readonly AddressRange[];
  /** 8 bits; in x2APIC mode 32. */
  readonly id: number;
  /** 8 bits. */
  readonly taskPriority: number;
  readonly logicalDestination: number;
  readonly destinationFormat: number;
  readonly spurious: number;
  readonly inService: VectorSet;
  readonly triggerMode: VectorSet;
  readonly requested: VectorSet;
  /** What a read of ESR gives, and what the next write to it will latch. */
  readonly errorStatus: number;
  readonly pendingErrors: number;
  readonly commandLow: number;
  /** Bits 63:32 of ICR: the destination in bits 31:24, in x2APIC mode in all. */
  readonly commandHigh: number;
  readonly lvt: Readonly<Record<LvtEntry, number>>;
  readonly initialCount: number;
  readonly divideConfiguration: number;
  /** The timer had `count` ticks left at clock `since`; count 0 means stopped. */
  readonly count: number;
  readonly since: number;
  /** IA32_TSC_DEADLINE (0 when not armed) and the clock value at which the TSC gets there. */
  readonly tscDeadline: bigint;
  readonly tscDeadlineClock: number;
}

export const LVT_MASKED = 0x1_0000;
export const SOFTWARE_ENABLE = 0x100;
export const DEFAULT_APIC_ADDRESS = 0xfee0_0000;

const NO_VECTORS: VectorSet = Object.freeze([0, 0, 0, 0, 0, 0, 0, 0]);
const NO_WINDOWS: readonly AddressRange[] = Object.freeze([]);

/** The register page while the APIC is in xAPIC mode, nothing otherwise. */
export const windowsAt = (xapic: boolean, address: number): readonly AddressRange[] =>
  xapic ? [{ space: 'memory', first: address, last: address + 4095 }] : NO_WINDOWS;

/**
 * Register values after power-up or reset.
 * SDM Vol. 3A, 11.4.7.1 Local APIC State After Power-Up or Reset
 */
const registersAfterReset = {
  taskPriority: 0,
  logicalDestination: 0,
  destinationFormat: 0xffff_ffff,
  spurious: 0xff,
  inService: NO_VECTORS,
  triggerMode: NO_VECTORS,
  requested: NO_VECTORS,
  errorStatus: 0,
  pendingErrors: 0,
  commandLow: 0,
  commandHigh: 0,
  lvt: {
    timer: LVT_MASKED,
    thermal: LVT_MASKED,
    performance: LVT_MASKED,
    lint0: LVT_MASKED,
    lint1: LVT_MASKED,
    error: LVT_MASKED,
  },
  initialCount: 0,
  divideConfiguration: 0,
  count: 0,
  since: 0,
  tscDeadline: 0n,
  tscDeadlineClock: Number.POSITIVE_INFINITY,
} as const;

/** A local APIC after power-up: enabled in IA32_APIC_BASE, disabled by software. */
export const createLocalApic = (options: LocalApicOptions): LocalApicState =>
  freeze(
    {
      options,
      enabled: true,
      x2apic: false,
      address: DEFAULT_APIC_ADDRESS,
      windows: windowsAt(true, DEFAULT_APIC_ADDRESS),
      id: options.initialId,
      ...registersAfterReset,
    },
    true,
  );

/** In the place of a local APIC on a processor without one: disabled, and no MSR enables it. */
export const withoutApic = (state: LocalApicState): LocalApicState =>
  freeze({ ...state, enabled: false, windows: NO_WINDOWS }, true);

/** LDR in x2APIC mode. SDM Vol. 3A, 11.12.10.2 Deriving Logical x2APIC ID from the Local x2APIC ID */
const logicalX2apicId = (id: number): number => (((id >>> 4) << 16) | (1 << (id & 15))) >>> 0;

/** The same local APIC in x2APIC mode: with the IDs that it has there. SDM Vol. 3A, 11.12.5.1 x2APIC States */
export const inX2apicMode = (state: LocalApicState): LocalApicState =>
  freeze(
    {
      ...state,
      x2apic: true,
      windows: NO_WINDOWS,
      id: state.options.initialId,
      logicalDestination: logicalX2apicId(state.options.initialId),
      commandHigh: 0,
    },
    true,
  );

/**
 * What an INIT leaves: the registers of a reset, but the APIC ID and IA32_APIC_BASE stay.
 * SDM Vol. 3A, 11.4.7.3 Local APIC State After an INIT Reset
 */
export const initLocalApic = (state: LocalApicState): LocalApicState => {
  const after: LocalApicState = freeze({ ...state, ...registersAfterReset }, true);
  return state.x2apic ? inX2apicMode(after) : after;
};

export const isSoftwareEnabled = (state: LocalApicState): boolean => (state.spurious & SOFTWARE_ENABLE) !== 0;
