import type { GuestStart, HostLayout } from '../../machine/host-port';
import type { VmxCapabilities } from '../../vmx/capabilities';
import type { VmcsField } from '../../vmx/vmcs/fields';
import type { ControlWords } from './controls';
import { RSP } from './guest';
import type { MemoryPlan } from './memory-plan';

export type Fields = Partial<Record<VmcsField, bigint>>;

const SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const;
const DR7_AFTER_RESET = 0x400n;
const NO_LINK = 0xffff_ffff_ffff_ffffn;
export const VPID = 1n;

export const CR0 = { pe: 1n << 0n, ts: 1n << 3n, et: 1n << 4n, ne: 1n << 5n, wp: 1n << 16n } as const;
export const CR0_MODE = { nw: 1n << 29n, cd: 1n << 30n, pg: 1n << 31n } as const;
export const CR4 = {
  de: 1n << 3n,
  pse: 1n << 4n,
  pae: 1n << 5n,
  la57: 1n << 12n,
  vmxe: 1n << 13n,
  pcide: 1n << 17n,
  osxsave: 1n << 18n,
  smep: 1n << 20n,
  smap: 1n << 21n,
  pke: 1n << 22n,
} as const;
export const EFER = { lme: 1n << 8n, lma: 1n << 10n, nxe: 1n << 11n } as const;

/** Bits of CR0 that the monitor holds: those that change the mode, NE, which VMX operation fixes, and CD and NW, which VM entry does not load. */
export const CR0_HELD = CR0.pe | CR0.ne | CR0_MODE.pg | CR0_MODE.cd | CR0_MODE.nw;
/** VMXE is 1 in VMX operation; the guest sees a processor without the bit. */
export const CR4_HELD = CR4.vmxe;

const segmentFields = ({ segments }: GuestStart): Fields =>
  Object.fromEntries(
    SEGMENTS.flatMap((name, index) => {
      const segment = segments[index];
      return [
        [`guest${name}Selector`, BigInt(segment.selector)],
        [`guest${name}Base`, segment.base],
        [`guest${name}Limit`, BigInt(segment.limit >>> 0)],
        [`guest${name}AccessRights`, BigInt(segment.accessRights)],
      ];
    }),
  );

/** Guest-state area for the start of the guest. SDM Vol. 3C, 25.4 Guest-State Area */
export const guestFields = (guest: GuestStart, capabilities: VmxCapabilities, pat: bigint): Fields => ({
  ...segmentFields(guest),
  guestCr0: guest.cr0 | CR0.ne,
  guestCr3: guest.cr3,
  guestCr4: guest.cr4 | capabilities.ia32VmxCr4Fixed0,
  guestDr7: DR7_AFTER_RESET,
  guestRsp: guest.registers[RSP],
  guestRip: guest.rip,
  guestRflags: guest.rflags,
  guestGdtrBase: guest.gdtr.base,
  guestGdtrLimit: BigInt(guest.gdtr.limit),
  guestIdtrBase: guest.idtr.base,
  guestIdtrLimit: BigInt(guest.idtr.limit),
  guestIa32Debugctl: 0n,
  guestIa32Efer: guest.efer,
  guestIa32Pat: pat,
  guestIa32SysenterCs: 0n,
  guestIa32SysenterEsp: 0n,
  guestIa32SysenterEip: 0n,
  guestPdpte0: 0n,
  guestPdpte1: 0n,
  guestPdpte2: 0n,
  guestPdpte3: 0n,
  guestSmbase: 0n,
  guestActivityState: 0n,
  guestInterruptibilityState: 0n,
  guestPendingDebugExceptions: 0n,
  vmcsLinkPointer: NO_LINK,
});

/** Registers of the host that an exit restores. */
export interface HostRegisters {
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly pat: bigint;
}

/** Host-state area: every exit comes to the port. SDM Vol. 3C, 25.5 Host-State Area */
export const hostFields = (layout: HostLayout, registers: HostRegisters): Fields => {
  const data = BigInt(layout.dataSelector);
  return {
    hostCr0: registers.cr0,
    hostCr3: layout.cr3,
    hostCr4: registers.cr4,
    hostEsSelector: data,
    hostCsSelector: BigInt(layout.codeSelector),
    hostSsSelector: data,
    hostDsSelector: data,
    hostFsSelector: data,
    hostGsSelector: data,
    hostTrSelector: BigInt(layout.taskSelector),
    hostFsBase: 0n,
    hostGsBase: 0n,
    hostTrBase: layout.taskBase,
    hostGdtrBase: layout.gdtBase,
    hostIdtrBase: layout.idtBase,
    hostIa32SysenterCs: 0n,
    hostIa32SysenterEsp: 0n,
    hostIa32SysenterEip: 0n,
    hostIa32Efer: registers.efer,
    hostIa32Pat: registers.pat,
    hostRsp: layout.stackTop,
    hostRip: layout.portEntry,
  };
};

// #DB and #AC: their delivery can raise them again without end, so that the monitor must see each.
const DEBUG_AND_ALIGNMENT = (1n << 1n) | (1n << 17n);
const WALK_OF_4_WRITE_BACK = (3n << 3n) | 6n;

/** Control fields. SDM Vol. 3C, 25.6 VM-Execution Control Fields, 25.7 VM-Exit Control Fields, 25.8 VM-Entry Control Fields */
export const controlFields = (
  words: ControlWords & { readonly secondaryProcBasedControls: bigint },
  plan: MemoryPlan,
  eptRoot: bigint,
  guest: GuestStart,
): Fields => ({
  pinBasedControls: words.pinBasedControls,
  primaryProcBasedControls: words.primaryProcBasedControls,
  secondaryProcBasedControls: words.secondaryProcBasedControls,
  vmExitControls: words.vmExitControls,
  vmEntryControls: words.vmEntryControls,
  exceptionBitmap: DEBUG_AND_ALIGNMENT,
  pageFaultErrorCodeMask: 0n,
  pageFaultErrorCodeMatch: 0n,
  ioBitmapAAddress: plan.ioBitmapA,
  ioBitmapBAddress: plan.ioBitmapB,
  msrBitmapAddress: plan.msrBitmap,
  tscOffset: 0n,
  eptPointer: eptRoot | WALK_OF_4_WRITE_BACK,
  cr3TargetCount: 0n,
  cr0GuestHostMask: CR0_HELD,
  cr4GuestHostMask: CR4_HELD,
  cr0ReadShadow: guest.cr0,
  cr4ReadShadow: guest.cr4,
  vmExitMsrStoreCount: 0n,
  vmExitMsrLoadCount: 0n,
  vmEntryMsrLoadCount: 0n,
  vmEntryInterruptionInfo: 0n,
  vmEntryExceptionErrorCode: 0n,
  vmEntryInstructionLength: 0n,
});
