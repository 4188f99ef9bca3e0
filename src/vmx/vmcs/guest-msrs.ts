import { MSR, type MsrName } from '../../cpu/msr-index';
import type { Control } from './controls';

/**
 * How one side's value of an MSR is kept from the other. `always`: VM entries or VM exits load it whatever the controls; a control: they do so when it
 * is 1; `lent`: the register is the guest's while it has the processor, because hosts that use the port leave it alone; `never`: it is the host's.
 */
export type MsrKeeping = Control | 'always' | 'lent' | 'never';

export interface GuestMsrRow {
  readonly name: string;
  readonly index: number;
  /** What makes a read by the guest show the guest's value: the load by VM entry. */
  readonly read: MsrKeeping;
  /** What keeps a write by the guest from the host: the load by VM exit. */
  readonly write: MsrKeeping;
}

const kept = (name: MsrName, read: MsrKeeping, write: MsrKeeping): GuestMsrRow => ({
  index: MSR[name],
  name,
  read,
  write,
});

/**
 * MSRs that a guest may have for itself; any other is the host's unless the MSR areas of the VMCS switch it. The time-stamp counter is everybody's to read.
 * SDM Vol. 3C, 27.3.2.1 Loading Guest Control Registers, Debug Registers, and MSRs; 28.5.1 Loading Host Control Registers, Debug Registers, MSRs
 */
export const GUEST_MSRS: readonly GuestMsrRow[] = [
  kept('IA32_TIME_STAMP_COUNTER', 'lent', 'never'),
  kept('IA32_SYSENTER_CS', 'always', 'always'),
  kept('IA32_SYSENTER_ESP', 'always', 'always'),
  kept('IA32_SYSENTER_EIP', 'always', 'always'),
  kept('IA32_DEBUGCTL', 'loadDebugControls', 'always'),
  kept('IA32_PAT', 'loadGuestIa32Pat', 'loadHostIa32Pat'),
  kept('IA32_PERF_GLOBAL_CTRL', 'loadGuestIa32PerfGlobalCtrl', 'loadHostIa32PerfGlobalCtrl'),
  kept('IA32_S_CET', 'loadGuestCetState', 'loadHostCetState'),
  kept('IA32_INTERRUPT_SSP_TABLE_ADDR', 'loadGuestCetState', 'loadHostCetState'),
  kept('IA32_PKRS', 'loadGuestPkrs', 'loadHostPkrs'),
  kept('IA32_EFER', 'loadGuestIa32Efer', 'loadHostIa32Efer'),
  kept('IA32_STAR', 'lent', 'lent'),
  kept('IA32_LSTAR', 'lent', 'lent'),
  kept('IA32_CSTAR', 'lent', 'lent'),
  kept('IA32_FMASK', 'lent', 'lent'),
  kept('IA32_FS_BASE', 'always', 'always'),
  kept('IA32_GS_BASE', 'always', 'always'),
  kept('IA32_KERNEL_GS_BASE', 'lent', 'lent'),
  kept('IA32_TSC_AUX', 'lent', 'lent'),
];
