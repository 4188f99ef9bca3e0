import { allowed0, controlSupported, type VmxCapabilities } from '../capabilities';
import { CONTROLS, type Control, FIELD_NAMES, type VmcsField, type VmcsValues } from '../vmcs';

/** Guests of which there is a state that enters. */
export const VM_ENTRY_GUESTS = ['64-bit', '32-bit', 'real-mode'] as const;
/** Mode of a guest of which there is a state that enters. */
export type VmEntryGuest = (typeof VM_ENTRY_GUESTS)[number];

type Fields = Partial<VmcsValues>;

const CONTROL_FIELDS = [
  'pinBasedControls',
  'primaryProcBasedControls',
  'secondaryProcBasedControls',
  'vmExitControls',
  'vmEntryControls',
] as const;

const SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const;
type Segment = readonly [selector: bigint, base: bigint, limit: bigint, accessRights: bigint];

const FLAT = 0xffff_ffffn;
const UNUSABLE: Segment = [0n, 0n, 0n, 0x1_0000n];
const TSS: Segment = [0x18n, 0n, 0x67n, 0x8bn];
const FLAT_DATA: Segment = [0x10n, 0n, FLAT, 0xc093n];
const REAL_DATA: Segment = [0n, 0n, 0xffffn, 0x93n];

const segments = (code: Segment, data: Segment): Fields => {
  const all: Record<(typeof SEGMENTS)[number], Segment> = {
    Es: data,
    Cs: code,
    Ss: data,
    Ds: data,
    Fs: data,
    Gs: data,
    Ldtr: UNUSABLE,
    Tr: TSS,
  };
  return Object.fromEntries(
    SEGMENTS.flatMap((name) => {
      const [selector, base, limit, accessRights] = all[name];
      return [
        [`guest${name}Selector`, selector],
        [`guest${name}Base`, base],
        [`guest${name}Limit`, limit],
        [`guest${name}AccessRights`, accessRights],
      ];
    }),
  );
};

const NO_LINK = (1n << 64n) - 1n;
const RESET_PAT = 0x0007_0406_0007_0406n;

/** A 64-bit host; and what is the same for each guest. */
const COMMON: Fields = {
  vmcsLinkPointer: NO_LINK,
  hostCr0: 0x8001_0033n,
  hostCr3: 0x1000n,
  hostCr4: 0x2020n,
  hostCsSelector: 0x08n,
  hostSsSelector: 0x10n,
  hostDsSelector: 0x10n,
  hostEsSelector: 0x10n,
  hostTrSelector: 0x18n,
  hostIa32Efer: 0xd00n,
  hostIa32Pat: RESET_PAT,
  hostRip: 0xffff_8000_0010_0000n,
  hostRsp: 0xffff_8000_0020_0000n,
  guestGdtrLimit: 0x1fn,
  guestIdtrLimit: 0xfffn,
  guestDr7: 0x400n,
  guestRflags: 0x2n,
  guestIa32Pat: RESET_PAT,
};

interface Template {
  readonly controls: readonly Control[];
  readonly fields: Fields;
}

const CR0_PAGED = 0x8001_0033n;

const TEMPLATES: Readonly<Record<VmEntryGuest, Template>> = {
  '64-bit': {
    controls: ['ia32eModeGuest'],
    fields: {
      ...segments([0x08n, 0n, FLAT, 0xa09bn], FLAT_DATA),
      guestCr0: CR0_PAGED,
      guestCr3: 0x2000n,
      guestCr4: 0x2020n,
      guestIa32Efer: 0xd00n,
      guestRip: 0x10_0000n,
      guestRsp: 0x20_0000n,
    },
  },
  '32-bit': {
    controls: [],
    fields: {
      ...segments([0x08n, 0n, FLAT, 0xc09bn], FLAT_DATA),
      guestCr0: CR0_PAGED,
      guestCr3: 0x2000n,
      guestCr4: 0x2000n,
      guestRip: 0x10_0000n,
      guestRsp: 0x20_0000n,
    },
  },
  'real-mode': {
    controls: ['activateSecondaryControls', 'enableEpt', 'unrestrictedGuest'],
    fields: {
      ...segments([0n, 0n, 0xffffn, 0x9bn], REAL_DATA),
      // Write-back, four levels. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP)
      eptPointer: 0x301en,
      guestCr0: 0x30n,
      guestCr4: 0x2000n,
      guestGdtrLimit: 0xffffn,
      guestIdtrLimit: 0x3ffn,
      guestRip: 0x7c00n,
      guestRsp: 0x7c00n,
    },
  },
};

/** Controls of a template that the processor does not have. */
export const lackedControls = (guest: VmEntryGuest, capabilities: VmxCapabilities): readonly Control[] =>
  TEMPLATES[guest].controls.filter((control) => !controlSupported(capabilities, control));

/**
 * Every field of a VMCS that enters, for a guest of this kind under a 64-bit host: few controls, flat segments, no event. The processor must have the
 * controls that it needs (`lackedControls`).
 */
export const vmEntryTemplate = (guest: VmEntryGuest, capabilities: VmxCapabilities): VmcsValues => {
  const { controls, fields } = TEMPLATES[guest];
  const values: Record<string, bigint> = Object.fromEntries(FIELD_NAMES.map((field) => [field, 0n]));
  Object.assign(values, COMMON, fields);
  for (const field of CONTROL_FIELDS) values[field] = allowed0(capabilities, field);
  for (const control of [...controls, 'hostAddressSpaceSize' as const]) {
    const { field, bit } = CONTROLS[control];
    values[field as VmcsField] |= 1n << BigInt(bit);
  }
  values.guestCr0 |= guest === 'real-mode' ? 0n : capabilities.ia32VmxCr0Fixed0;
  for (const field of ['hostCr4', 'guestCr4'] as const) values[field] |= capabilities.ia32VmxCr4Fixed0;
  values.hostCr0 |= capabilities.ia32VmxCr0Fixed0;
  return values as VmcsValues;
};
