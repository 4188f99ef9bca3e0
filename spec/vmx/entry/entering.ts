import { FULL_CAPABILITIES, type VmxCapabilities } from '../../../src/vmx';
import type { PhysicalReader, VmEntryContext, VmEntryProcessor } from '../../../src/vmx/entry/context';
import { VmcsData, type VmcsField, type VmcsValues } from '../../../src/vmx/vmcs';

/** What an example changes in the state that enters. */
export interface VmcsDelta {
  readonly fields?: Partial<VmcsValues>;
  readonly launched?: boolean;
  readonly shadow?: boolean;
  readonly processor?: Partial<VmEntryProcessor>;
  readonly capabilities?: Partial<VmxCapabilities>;
  /** 32-bit words of physical memory by address; all others are 0. */
  readonly memory?: Readonly<Record<number, number>>;
}

const CODE_64 = 0xa09bn;
const DATA = 0xc093n;
const BUSY_TSS = 0x8bn;
const UNUSABLE = 0x1_0000n;
const NO_LINK = 0xffff_ffff_ffff_ffffn;

/** Fields of a 64-bit guest under a 64-bit host that pass every check; all others are 0. */
export const ENTERING: Partial<VmcsValues> = {
  pinBasedControls: 0x16n,
  primaryProcBasedControls: 0x0400_6172n,
  vmExitControls: 0x3_6ffbn,
  vmEntryControls: 0x13fbn,
  vmcsLinkPointer: NO_LINK,
  hostCr0: 0x8001_0031n,
  hostCr3: 0x1000n,
  hostCr4: 0x2020n,
  hostCsSelector: 0x08n,
  hostSsSelector: 0x10n,
  hostDsSelector: 0x10n,
  hostEsSelector: 0x10n,
  hostTrSelector: 0x18n,
  hostRip: 0xffff_8000_0010_0000n,
  hostRsp: 0xffff_8000_0020_0000n,
  guestCr0: 0x8001_0031n,
  guestCr3: 0x2000n,
  guestCr4: 0x2020n,
  guestDr7: 0x400n,
  guestRflags: 0x2n,
  guestRip: 0x40_0000n,
  guestCsSelector: 0x08n,
  guestSsSelector: 0x10n,
  guestDsSelector: 0x10n,
  guestEsSelector: 0x10n,
  guestTrSelector: 0x18n,
  guestCsLimit: 0xffff_ffffn,
  guestSsLimit: 0xffff_ffffn,
  guestDsLimit: 0xffff_ffffn,
  guestEsLimit: 0xffff_ffffn,
  guestTrLimit: 0x67n,
  guestGdtrLimit: 0x1fn,
  guestIdtrLimit: 0xfffn,
  guestCsAccessRights: CODE_64,
  guestSsAccessRights: DATA,
  guestDsAccessRights: DATA,
  guestEsAccessRights: DATA,
  guestFsAccessRights: UNUSABLE,
  guestGsAccessRights: UNUSABLE,
  guestLdtrAccessRights: UNUSABLE,
  guestTrAccessRights: BUSY_TSS,
};

const PROCESSOR: VmEntryProcessor = {
  longMode: true,
  ia32eMode: true,
  cpl: 0,
  instruction: 'vmlaunch',
  currentVmcs: 0x5000,
  movSsBlocking: false,
  inSmm: false,
  physicalAddressWidth: 46,
  linearAddressWidth: 48,
  traceEnabled: false,
  features: new Set(),
};

const reader = (words: Readonly<Record<number, number>>): PhysicalReader => ({
  read32: (address) => words[address] ?? 0,
  read64: (address) => (BigInt(words[address + 4] ?? 0) << 32n) | BigInt(words[address] ?? 0),
});

/** The state that enters on a processor that has everything, with a change. */
export const entering = (delta: VmcsDelta = {}): VmEntryContext => {
  const vmcs = new VmcsData();
  for (const [field, value] of Object.entries({ ...ENTERING, ...delta.fields }))
    vmcs.set(field as VmcsField, value);
  vmcs.launched = delta.launched ?? false;
  vmcs.shadow = delta.shadow ?? false;
  return {
    vmcs,
    capabilities: { ...FULL_CAPABILITIES, ...delta.capabilities },
    memory: reader(delta.memory ?? {}),
    processor: { ...PROCESSOR, ...delta.processor },
  };
};
