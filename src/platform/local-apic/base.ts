// SDM Vol. 3A, 11.4.4 Local APIC Status and Location
import { freeze } from 'immer';
import { fault, hex, type Outcome, ok } from '../../core';
import { createLocalApic, type LocalApicState, windowsAt } from './state';

/** IA32_APIC_BASE refuses a value: WRMSR raises #GP(0). */
export interface ApicBaseFault {
  readonly kind: 'general-protection';
  readonly says: string;
}

const BOOTSTRAP = 1n << 8n;
const GLOBAL_ENABLE = 1n << 11n;

/** IA32_APIC_BASE as RDMSR reads it, 64 bits. */
export const apicBaseOf = (state: LocalApicState): bigint =>
  BigInt(state.address) | (state.options.bootstrap ? BOOTSTRAP : 0n) | (state.enabled ? GLOBAL_ENABLE : 0n);

/**
 * WRMSR to IA32_APIC_BASE; the bootstrap flag is read-only. Disabling loses the registers and the page is no longer decoded. Reserved
 * bits, with them the x2APIC flag (bit 10), give a `general-protection` fault.
 * SDM Vol. 3A, 11.4.3 Enabling or Disabling the Local APIC
 */
export const writeApicBase = (
  state: LocalApicState,
  value: bigint,
  physicalAddressBits = 52,
): Outcome<LocalApicState, ApicBaseFault> => {
  const address = value & ((1n << BigInt(physicalAddressBits)) - 1n) & ~0xfffn;
  const reserved = value & ~(address | BOOTSTRAP | GLOBAL_ENABLE);
  if (reserved !== 0n)
    return fault({
      kind: 'general-protection',
      says: `IA32_APIC_BASE: reserved bits ${hex(reserved)} are set`,
    });
  const enabled = (value & GLOBAL_ENABLE) !== 0n;
  if (enabled === state.enabled && Number(address) === state.address) return ok(state);
  const registers = enabled === state.enabled ? state : createLocalApic(state.options);
  return ok(
    freeze(
      {
        ...registers,
        enabled,
        address: Number(address),
        windows: windowsAt(enabled, Number(address)),
      },
      true,
    ),
  );
};
