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

const kept = (index: number, name: string, read: MsrKeeping, write: MsrKeeping): GuestMsrRow => ({
  index,
  name,
  read,
  write,
});

/**
 * MSRs that a guest may have for itself; any other is the host's unless the MSR areas of the VMCS switch it. The time-stamp counter is everybody's to read.
 * SDM Vol. 3C, 27.3.2.1 Loading Guest Control Registers, Debug Registers, and MSRs; 28.5.1 Loading Host Control Registers, Debug Registers, MSRs
 */
export const GUEST_MSRS: readonly GuestMsrRow[] = [
  kept(0x10, 'IA32_TIME_STAMP_COUNTER', 'lent', 'never'),
  kept(0x174, 'IA32_SYSENTER_CS', 'always', 'always'),
  kept(0x175, 'IA32_SYSENTER_ESP', 'always', 'always'),
  kept(0x176, 'IA32_SYSENTER_EIP', 'always', 'always'),
  kept(0x1d9, 'IA32_DEBUGCTL', 'loadDebugControls', 'always'),
  kept(0x277, 'IA32_PAT', 'loadGuestIa32Pat', 'loadHostIa32Pat'),
  kept(0xc000_0080, 'IA32_EFER', 'loadGuestIa32Efer', 'loadHostIa32Efer'),
  kept(0xc000_0081, 'IA32_STAR', 'lent', 'lent'),
  kept(0xc000_0082, 'IA32_LSTAR', 'lent', 'lent'),
  kept(0xc000_0083, 'IA32_CSTAR', 'lent', 'lent'),
  kept(0xc000_0084, 'IA32_FMASK', 'lent', 'lent'),
  kept(0xc000_0100, 'IA32_FS_BASE', 'always', 'always'),
  kept(0xc000_0101, 'IA32_GS_BASE', 'always', 'always'),
  kept(0xc000_0102, 'IA32_KERNEL_GS_BASE', 'lent', 'lent'),
  kept(0xc000_0103, 'IA32_TSC_AUX', 'lent', 'lent'),
];
