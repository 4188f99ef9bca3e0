// SDM Vol. 3A, 11.4.4 Local APIC Status and Location
import { freeze } from 'immer';
import { fault, hex, type Outcome, ok } from '../../core';
import { createLocalApic, inX2apicMode, type LocalApicState, windowsAt } from './state';

/** IA32_APIC_BASE refuses a value: WRMSR raises #GP(0). */
export interface ApicBaseFault {
  readonly kind: 'general-protection';
  readonly says: string;
}

const BOOTSTRAP = 1n << 8n;
const X2APIC = 1n << 10n;
const GLOBAL_ENABLE = 1n << 11n;

/** IA32_APIC_BASE as RDMSR reads it, 64 bits. */
export const apicBaseOf = (state: LocalApicState): bigint =>
  BigInt(state.address) |
  (state.options.bootstrap ? BOOTSTRAP : 0n) |
  (state.x2apic ? X2APIC : 0n) |
  (state.enabled ? GLOBAL_ENABLE : 0n);

const refused = (says: string): Outcome<LocalApicState, ApicBaseFault> =>
  fault({ kind: 'general-protection', says: `IA32_APIC_BASE: ${says}` });

/** Why a mode does not follow another; undefined when it does. SDM Vol. 3A, 11.12.5.1 x2APIC States */
const forbidden = (state: LocalApicState, enabled: boolean, x2apic: boolean): string | undefined => {
  if (x2apic && !enabled) return 'x2APIC mode of a disabled local APIC is invalid';
  if (x2apic && !state.enabled) return 'a disabled local APIC goes to xAPIC mode first';
  if (state.x2apic && enabled && !x2apic) return 'x2APIC mode is left by disabling the local APIC';
  return undefined;
};

/**
 * WRMSR to IA32_APIC_BASE; the bootstrap flag is read-only. Disabling loses the registers and the page is no longer decoded. Reserved bits, with them bit
 * 10 where there is no x2APIC mode, and changes of mode that are not possible give a `general-protection` fault.
 * SDM Vol. 3A, 11.4.3 Enabling or Disabling the Local APIC
 */
export const writeApicBase = (
  state: LocalApicState,
  value: bigint,
  physicalAddressBits = 52,
): Outcome<LocalApicState, ApicBaseFault> => {
  const page = value & ((1n << BigInt(physicalAddressBits)) - 1n) & ~0xfffn;
  const reserved = value & ~(page | BOOTSTRAP | GLOBAL_ENABLE | (state.options.x2apic ? X2APIC : 0n));
  if (reserved !== 0n) return refused(`reserved bits ${hex(reserved)} are set`);
  const enabled = (value & GLOBAL_ENABLE) !== 0n;
  const x2apic = (value & X2APIC) !== 0n;
  const why = forbidden(state, enabled, x2apic);
  if (why !== undefined) return refused(why);
  const address = Number(page);
  if (enabled === state.enabled && x2apic === state.x2apic && address === state.address) return ok(state);
  const registers = enabled === state.enabled ? state : createLocalApic(state.options);
  const moved: LocalApicState = {
    ...registers,
    enabled,
    address,
    windows: windowsAt(enabled && !x2apic, address),
  };
  return ok(x2apic && !state.x2apic ? inX2apicMode(moved) : freeze(moved, true));
};
