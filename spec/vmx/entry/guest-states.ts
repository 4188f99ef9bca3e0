import { FULL_CAPABILITIES, type VmxCapabilities } from '../../../src/vmx';
import type { GuestEntryContext, GuestEntryProcessor } from '../../../src/vmx/entry/guest-context';
import { CONTROLS, type Control, VmcsData, type VmcsField } from '../../../src/vmx/vmcs';

export type FieldValues = Partial<Record<VmcsField, bigint>>;

/** Memory as the words that differ from zero, by physical address (a multiple of 8). */
export type Words = Readonly<Record<number, bigint>>;

/** A state at VM entry: fields, controls that are 1, processor and memory. */
export interface GuestState {
  readonly fields: FieldValues;
  readonly controls: readonly Control[];
  readonly processor?: Partial<GuestEntryProcessor>;
  readonly capabilities?: Partial<VmxCapabilities>;
  readonly memory?: Words;
}

export const FEATURES: readonly string[] = [
  'architectural LBR',
  'bus-lock detection',
  'CET',
  'FRED',
  'Intel PT',
  'LAM',
  'MPX',
  'PKS',
  'RTM',
  'SGX',
  'UINTR',
];

export const REVISION = 4n;
export const CURRENT_VMCS = 0x2000;
export const VMXON_REGION = 0x3000;
export const LINKED_VMCS = 0x5000;
export const MSR_AREA = 0x7000;
export const PDPT = 0x9000;

const PROCESSOR: GuestEntryProcessor = {
  longMode: true,
  ia32eMode: true,
  cpl: 0,
  instruction: 'vmlaunch',
  currentVmcs: CURRENT_VMCS,
  movSsBlocking: false,
  inSmm: false,
  physicalAddressWidth: 46,
  linearAddressWidth: 48,
  traceEnabled: false,
  features: new Set(FEATURES),
  vmxonPointer: VMXON_REGION,
};

/** Regions that the examples point at begin with the VMCS revision identifier. */
const MEMORY: Words = { [CURRENT_VMCS]: REVISION, [VMXON_REGION]: REVISION, [LINKED_VMCS]: REVISION };

export const contextOf = (state: GuestState): GuestEntryContext => {
  const vmcs = new VmcsData();
  for (const [field, value] of Object.entries(state.fields)) vmcs.set(field as VmcsField, value);
  for (const control of state.controls) {
    const { field, bit } = CONTROLS[control];
    vmcs.set(field, vmcs.get(field) | (1n << BigInt(bit)));
  }
  const words: Words = { ...MEMORY, ...state.memory };
  const read64 = (address: number): bigint => words[address] ?? 0n;
  return {
    vmcs,
    capabilities: { ...FULL_CAPABILITIES, ...state.capabilities },
    processor: { ...PROCESSOR, ...state.processor },
    memory: {
      read64,
      read32: (address) => Number((read64(address & ~7) >> BigInt(8 * (address & 4))) & 0xffff_ffffn),
    },
  };
};

const DATA_SEGMENTS = ['Ss', 'Ds', 'Es', 'Fs', 'Gs'] as const;

const dataSegments = (selector: bigint, base: bigint, limit: bigint, access: bigint): FieldValues =>
  Object.fromEntries(
    DATA_SEGMENTS.flatMap((name) => [
      [`guest${name}Selector`, selector],
      [`guest${name}Base`, base],
      [`guest${name}Limit`, limit],
      [`guest${name}AccessRights`, access],
    ]),
  );

/** What every guest here has: TR busy 32-bit or 64-bit, a usable LDTR, descriptor tables, no link pointer. */
const SYSTEM: FieldValues = {
  guestTrSelector: 0x18n,
  guestTrBase: 0x1_0000n,
  guestTrLimit: 0x67n,
  guestTrAccessRights: 0x8bn,
  guestLdtrSelector: 0x28n,
  guestLdtrBase: 0x1_1000n,
  guestLdtrLimit: 0xffn,
  guestLdtrAccessRights: 0x82n,
  guestGdtrBase: 0x1_2000n,
  guestGdtrLimit: 0xffffn,
  guestIdtrBase: 0x1_3000n,
  guestIdtrLimit: 0xfffn,
  guestCr3: BigInt(PDPT),
  guestDr7: 0x400n,
  guestRip: 0x1000n,
  vmcsLinkPointer: 0xffff_ffff_ffff_ffffn,
  vmEntryMsrLoadAddress: BigInt(MSR_AREA),
};

export const CR0 = { PE: 1n, ET: 1n << 4n, NE: 1n << 5n, WP: 1n << 16n, PG: 1n << 31n } as const;
export const CR4 = {
  PAE: 1n << 5n,
  VMXE: 1n << 13n,
  PCIDE: 1n << 17n,
  CET: 1n << 23n,
  FRED: 1n << 32n,
} as const;
export const PROTECTED_PAGED: bigint = CR0.PE | CR0.ET | CR0.NE | CR0.WP | CR0.PG;
export const EPT = ['activateSecondaryControls', 'enableEpt'] as const satisfies readonly Control[];
export const UNRESTRICTED = [...EPT, 'unrestrictedGuest'] as const satisfies readonly Control[];

/** 64-bit mode at CPL 0, every load control 1. */
const long64: GuestState = {
  fields: {
    ...SYSTEM,
    ...dataSegments(0x10n, 0n, 0xffff_ffffn, 0xc093n),
    guestCsSelector: 0x8n,
    guestCsLimit: 0xffff_ffffn,
    guestCsAccessRights: 0xa09bn,
    guestCr0: PROTECTED_PAGED,
    guestCr4: CR4.PAE | CR4.VMXE,
    guestRflags: 0x202n,
    guestIa32Efer: 0xd01n,
    guestIa32Pat: 0x0007_0406_0007_0406n,
  },
  controls: [
    'ia32eModeGuest',
    'loadDebugControls',
    'loadGuestIa32PerfGlobalCtrl',
    'loadGuestIa32Pat',
    'loadGuestIa32Efer',
    'loadGuestIa32Bndcfgs',
    'loadIa32RtitCtl',
    'loadUinv',
    'loadGuestCetState',
    'loadGuestIa32LbrCtl',
    'loadGuestPkrs',
    'loadGuestFred',
    'loadGuestSpecCtrl',
  ],
};

/** 32-bit protected mode at CPL 0 with PAE paging and EPT. */
const pae32: GuestState = {
  fields: {
    ...long64.fields,
    guestCsAccessRights: 0xc09bn,
    guestIa32Efer: 0n,
    guestPdpte0: 0xa001n,
  },
  controls: [...EPT, 'loadDebugControls', 'loadGuestIa32Efer', 'loadGuestCetState'],
};

/** Real mode after reset, as an unrestricted guest. */
const realMode: GuestState = {
  fields: {
    ...SYSTEM,
    ...dataSegments(0n, 0n, 0xffffn, 0x93n),
    guestCsSelector: 0xf000n,
    guestCsBase: 0xf_0000n,
    guestCsLimit: 0xffffn,
    guestCsAccessRights: 0x9bn,
    guestCr0: CR0.ET | CR0.NE,
    guestCr4: CR4.VMXE,
    guestRflags: 0x2n,
    guestLdtrAccessRights: 0x1_0000n,
  },
  controls: [...UNRESTRICTED],
};

/** Virtual-8086 mode with 32-bit paging. */
const virtual8086: GuestState = {
  fields: {
    ...SYSTEM,
    ...dataSegments(0x1234n, 0x1_2340n, 0xffffn, 0xf3n),
    guestCsSelector: 0x2000n,
    guestCsBase: 0x2_0000n,
    guestCsLimit: 0xffffn,
    guestCsAccessRights: 0xf3n,
    guestCr0: PROTECTED_PAGED,
    guestCr4: CR4.VMXE,
    guestRflags: 0x2_0202n,
  },
  controls: [],
};

/** States that obey every guest-state and MSR-loading rule. */
export const GUEST_STATES = { long64, pae32, realMode, virtual8086 } as const;

export type GuestStateName = keyof typeof GUEST_STATES;

/** The smallest change to one of the valid states. */
export interface GuestExample {
  readonly from: GuestStateName;
  readonly fields?: FieldValues;
  readonly on?: readonly Control[];
  readonly off?: readonly Control[];
  readonly processor?: Partial<GuestEntryProcessor>;
  readonly capabilities?: Partial<VmxCapabilities>;
  readonly memory?: Words;
}

export const stateOf = ({ from, fields, on, off, ...rest }: GuestExample): GuestState => {
  const base = GUEST_STATES[from];
  return {
    ...rest,
    fields: { ...base.fields, ...fields },
    controls: [...base.controls.filter((control) => !off?.includes(control)), ...(on ?? [])],
  };
};
