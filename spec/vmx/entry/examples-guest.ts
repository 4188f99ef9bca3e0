import { FULL_CAPABILITIES } from '../../../src/vmx';
import type { GuestRuleId } from '../../../src/vmx/entry/guest-rules';
import type { MsrLoadingRuleId } from '../../../src/vmx/entry/msr-loading-rules';
import { CONTROLS, type Control, VmcsData, type VmcsField } from '../../../src/vmx/vmcs';
import {
  CR0,
  CR4,
  CURRENT_VMCS,
  EPT,
  FEATURES,
  type FieldValues,
  GUEST_STATES,
  type GuestExample,
  LINKED_VMCS,
  MSR_AREA,
  PDPT,
  PROTECTED_PAGED,
  UNRESTRICTED,
  VMXON_REGION,
  type Words,
} from './guest-states';

const long = (fields: FieldValues, ...on: readonly Control[]): GuestExample => ({
  from: 'long64',
  fields,
  on,
});
const unrestricted = (fields: FieldValues): GuestExample => long(fields, ...UNRESTRICTED);
const pae = (fields: FieldValues): GuestExample => ({ from: 'pae32', fields });
const real = (fields: FieldValues): GuestExample => ({ from: 'realMode', fields });
const v8086 = (fields: FieldValues): GuestExample => ({ from: 'virtual8086', fields });

const bit = (position: number): bigint => 1n << BigInt(position);
/** Bit 62 without bit 63. */
const NOT_CANONICAL = bit(62);

const CR4_LONG = CR4.PAE | CR4.VMXE;
/** 64-bit mode at CPL 3, and the same with FRED. */
const cpl3: FieldValues = {
  guestCsSelector: 0xbn,
  guestCsAccessRights: 0xa0fbn,
  guestSsSelector: 0x13n,
  guestSsAccessRights: 0xc0f3n,
};
const fredCpl3: FieldValues = { ...cpl3, guestCr4: CR4_LONG | CR4.FRED };

const STI = 1n;
const MOV_SS = 2n;
const SMI = 4n;
const ENCLAVE = 0x10n;
const HLT = 1n;
const SHUTDOWN = 2n;
const WAIT_FOR_SIPI = 3n;
const INTERRUPT = 0x8000_0020n;
const NMI = 0x8000_0202n;
const PAGE_FAULT = 0x8000_030en;
const INTERRUPTS_OFF = 0x2n;
const SINGLE_STEP = 0x302n;
const BS = bit(14);
const RTM = bit(16);
const without = (feature: string) => ({ features: new Set(FEATURES.filter((each) => each !== feature)) });

const linkedTo = (address: number, memory?: Words): GuestExample => ({
  ...long({ vmcsLinkPointer: BigInt(address) }),
  ...(memory && { memory }),
});

/** One entry in the VM-entry MSR-load area. */
const loading = (index: bigint, value = 0n): GuestExample => ({
  ...long({ vmEntryMsrLoadCount: 1n }),
  memory: { [MSR_AREA]: index, [MSR_AREA + 8]: value },
});

/** For each rule a state that breaks it, and no rule but those of its `impliedBy`. */
export const GUEST_EXAMPLES: Readonly<Record<GuestRuleId | MsrLoadingRuleId, GuestExample>> = {
  'guest.cr0.fixed0': long({ guestCr0: PROTECTED_PAGED & ~CR0.NE }),
  'guest.cr0.fixed1': long({ guestCr0: PROTECTED_PAGED | bit(32) }),
  'guest.cr0.pg-needs-pe': real({ guestCr0: CR0.ET | CR0.NE | CR0.PG }),
  'guest.cr4.fixed0': long({ guestCr4: CR4.PAE }),
  'guest.cr4.fixed1': long({ guestCr4: CR4_LONG | bit(63) }),
  'guest.cr4.cet-needs-wp': long({ guestCr0: PROTECTED_PAGED & ~CR0.WP, guestCr4: CR4_LONG | CR4.CET }),
  'guest.debugctl.reserved': long({ guestIa32Debugctl: bit(3) }),
  'guest.ia32e.cr0-pg': unrestricted({ guestCr0: PROTECTED_PAGED & ~CR0.PG }),
  'guest.ia32e.cr4-pae': long({ guestCr4: CR4.VMXE }),
  'guest.cr4.pcide-32bit': pae({ guestCr4: CR4_LONG | CR4.PCIDE }),
  'guest.cr4.fred-32bit': pae({ guestCr4: CR4_LONG | CR4.FRED, guestCsAccessRights: 0xa09bn }),
  'guest.cr3.reserved': long({ guestCr3: bit(46) }),
  'guest.dr7.high': long({ guestDr7: bit(32) }),
  'guest.sysenter-esp.canonical': long({ guestIa32SysenterEsp: NOT_CANONICAL }),
  'guest.sysenter-eip.canonical': long({ guestIa32SysenterEip: NOT_CANONICAL }),
  'guest.s-cet.canonical': long({ guestIa32SCet: NOT_CANONICAL }),
  'guest.interrupt-ssp-table.canonical': long({ guestIa32InterruptSspTableAddr: NOT_CANONICAL }),
  'guest.perf-global-ctrl.reserved': long({ guestIa32PerfGlobalCtrl: bit(63) }),
  'guest.pat.values': long({ guestIa32Pat: 2n }),
  'guest.efer.reserved': long({ guestIa32Efer: 0x502n }),
  'guest.efer.lma': long({ guestIa32Efer: 0n }),
  'guest.efer.lme': long({ guestIa32Efer: 0x400n }),
  'guest.bndcfgs.reserved': long({ guestIa32Bndcfgs: 4n }),
  'guest.bndcfgs.canonical': long({ guestIa32Bndcfgs: NOT_CANONICAL }),
  'guest.rtit-ctl.reserved': long({ guestIa32RtitCtl: bit(18) }),
  'guest.s-cet.reserved': long({ guestIa32SCet: bit(6) }),
  'guest.s-cet.suppress-tracker': long({ guestIa32SCet: bit(10) | bit(11) }),
  'guest.lbr-ctl.reserved': long({ guestIa32LbrCtl: bit(4) }),
  'guest.pkrs.reserved': long({ guestIa32Pkrs: bit(32) }),
  'guest.uinv.reserved': long({ guestUinv: bit(8) }),
  'guest.spec-ctrl.reserved': long({ guestIa32SpecCtrl: bit(63) }),
  'guest.fred-config.reserved': long({ guestIa32FredConfig: bit(2) }),
  'guest.fred-config.canonical': long({ guestIa32FredConfig: NOT_CANONICAL }),
  'guest.fred-rsp1': long({ guestIa32FredRsp1: bit(5) }),
  'guest.fred-ssp1': long({ guestIa32FredSsp1: bit(2) }),
  'guest.fred-rsp2': long({ guestIa32FredRsp2: NOT_CANONICAL }),
  'guest.fred-ssp2': long({ guestIa32FredSsp2: NOT_CANONICAL }),
  'guest.fred-rsp3': long({ guestIa32FredRsp3: bit(0) }),
  'guest.fred-ssp3': long({ guestIa32FredSsp3: bit(0) }),

  'guest.tr.selector-ti': long({ guestTrSelector: 0x1cn }),
  'guest.ldtr.selector-ti': long({ guestLdtrSelector: 0x2cn }),
  'guest.ss.selector-rpl': long({ guestCsSelector: 0xbn }),
  'guest.cs.base-v8086': v8086({ guestCsBase: 0x2_0010n }),
  'guest.ss.base-v8086': v8086({ guestSsBase: 0x1_2350n }),
  'guest.ds.base-v8086': v8086({ guestDsBase: 0n }),
  'guest.es.base-v8086': v8086({ guestEsBase: 0x1_2341n }),
  'guest.fs.base-v8086': v8086({ guestFsBase: bit(32) | 0x1_2340n }),
  'guest.gs.base-v8086': v8086({ guestGsSelector: 0n }),
  'guest.tr.base-canonical': long({ guestTrBase: bit(47) }),
  'guest.fs.base-canonical': long({ guestFsBase: bit(47) }),
  'guest.gs.base-canonical': long({ guestGsBase: NOT_CANONICAL }),
  'guest.ldtr.base-canonical': long({ guestLdtrBase: bit(47) }),
  'guest.cs.base-high': long({ guestCsBase: bit(32) }),
  'guest.ss.base-high': long({ guestSsBase: bit(32) }),
  'guest.ds.base-high': long({ guestDsBase: bit(63) }),
  'guest.es.base-high': long({ guestEsBase: bit(32) }),
  'guest.cs.limit-v8086': v8086({ guestCsLimit: 0xf_ffffn }),
  'guest.ss.limit-v8086': v8086({ guestSsLimit: 0xfffen }),
  'guest.ds.limit-v8086': v8086({ guestDsLimit: 0n }),
  'guest.es.limit-v8086': v8086({ guestEsLimit: 0xffff_ffffn }),
  'guest.fs.limit-v8086': v8086({ guestFsLimit: 0x1_ffffn }),
  'guest.gs.limit-v8086': v8086({ guestGsLimit: 0x7fffn }),
  'guest.cs.access-rights-v8086': v8086({ guestCsAccessRights: 0xfbn }),
  'guest.ss.access-rights-v8086': v8086({ guestSsAccessRights: 0xf2n }),
  'guest.ds.access-rights-v8086': v8086({ guestDsAccessRights: 0x1_00f3n }),
  'guest.es.access-rights-v8086': v8086({ guestEsAccessRights: 0x93n }),
  'guest.fs.access-rights-v8086': v8086({ guestFsAccessRights: 0x80f3n }),
  'guest.gs.access-rights-v8086': v8086({ guestGsAccessRights: 0x73n }),
  'guest.cs.type-restricted': long({ guestCsAccessRights: 0xa093n }),
  'guest.cs.type-unrestricted': unrestricted({ guestCsAccessRights: 0xa098n }),
  'guest.ss.type': long({ guestSsAccessRights: 0xc091n }),
  'guest.ds.type-accessed': long({ guestDsAccessRights: 0xc092n }),
  'guest.es.type-accessed': long({ guestEsAccessRights: 0xc092n }),
  'guest.fs.type-accessed': long({ guestFsAccessRights: 0xc092n }),
  'guest.gs.type-accessed': long({ guestGsAccessRights: 0xc092n }),
  'guest.ds.type-readable': long({ guestDsAccessRights: 0xc099n }),
  'guest.es.type-readable': long({ guestEsAccessRights: 0xc099n }),
  'guest.fs.type-readable': long({ guestFsAccessRights: 0xc099n }),
  'guest.gs.type-readable': long({ guestGsAccessRights: 0xc09dn }),
  'guest.cs.s-bit': long({ guestCsAccessRights: 0xa08bn }),
  'guest.ss.s-bit': long({ guestSsAccessRights: 0xc083n }),
  'guest.ds.s-bit': long({ guestDsAccessRights: 0xc083n }),
  'guest.es.s-bit': long({ guestEsAccessRights: 0xc083n }),
  'guest.fs.s-bit': long({ guestFsAccessRights: 0xc083n }),
  'guest.gs.s-bit': long({ guestGsAccessRights: 0xc083n }),
  'guest.cs.dpl-type3': unrestricted({ guestCsAccessRights: 0xa0b3n }),
  'guest.cs.dpl-nonconforming': long({ guestCsAccessRights: 0xa0bbn }),
  'guest.cs.dpl-conforming': long({ guestCsAccessRights: 0xa0bdn }),
  'guest.ss.dpl-rpl': long({ guestCsSelector: 0xbn, guestSsSelector: 0x13n }),
  'guest.ss.dpl-cs-type3': unrestricted({ guestCsAccessRights: 0xa093n, guestSsAccessRights: 0xc0f3n }),
  'guest.ss.dpl-real-mode': real({ guestCsAccessRights: 0xfbn, guestSsAccessRights: 0xf3n }),
  'guest.ds.dpl-rpl': long({ guestDsSelector: 0x13n }),
  'guest.es.dpl-rpl': long({ guestEsSelector: 0x11n }),
  'guest.fs.dpl-rpl': long({ guestFsSelector: 0x12n }),
  'guest.gs.dpl-rpl': long({ guestGsSelector: 0x13n }),
  'guest.cs.present': long({ guestCsAccessRights: 0xa01bn }),
  'guest.ss.present': long({ guestSsAccessRights: 0xc013n }),
  'guest.ds.present': long({ guestDsAccessRights: 0xc013n }),
  'guest.es.present': long({ guestEsAccessRights: 0xc013n }),
  'guest.fs.present': long({ guestFsAccessRights: 0xc013n }),
  'guest.gs.present': long({ guestGsAccessRights: 0xc013n }),
  'guest.cs.reserved-11-8': long({ guestCsAccessRights: 0xa19bn }),
  'guest.ss.reserved-11-8': long({ guestSsAccessRights: 0xc293n }),
  'guest.ds.reserved-11-8': long({ guestDsAccessRights: 0xc493n }),
  'guest.es.reserved-11-8': long({ guestEsAccessRights: 0xc893n }),
  'guest.fs.reserved-11-8': long({ guestFsAccessRights: 0xc193n }),
  'guest.gs.reserved-11-8': long({ guestGsAccessRights: 0xc193n }),
  'guest.cs.db-l': long({ guestCsAccessRights: 0xe09bn }),
  'guest.cs.granularity-low': long({ guestCsLimit: 0xfn }),
  'guest.ss.granularity-low': long({ guestSsLimit: 0xffff_fffen }),
  'guest.ds.granularity-low': long({ guestDsLimit: 0xffff_f7ffn }),
  'guest.es.granularity-low': long({ guestEsLimit: 0n }),
  'guest.fs.granularity-low': long({ guestFsLimit: 0n }),
  'guest.gs.granularity-low': long({ guestGsLimit: 0n }),
  'guest.cs.granularity-high': long({ guestCsAccessRights: 0x209bn }),
  'guest.ss.granularity-high': long({ guestSsAccessRights: 0x4093n }),
  'guest.ds.granularity-high': long({ guestDsAccessRights: 0x4093n }),
  'guest.es.granularity-high': long({ guestEsAccessRights: 0x4093n }),
  'guest.fs.granularity-high': long({ guestFsAccessRights: 0x4093n, guestFsLimit: 0x10_0fffn }),
  'guest.gs.granularity-high': long({ guestGsAccessRights: 0x4093n, guestGsLimit: 0x8000_0fffn }),
  'guest.cs.reserved-31-17': long({ guestCsAccessRights: 0x2_a09bn }),
  'guest.ss.reserved-31-17': long({ guestSsAccessRights: 0x2_c093n }),
  'guest.ds.reserved-31-17': long({ guestDsAccessRights: 0x2_c093n }),
  'guest.es.reserved-31-17': long({ guestEsAccessRights: 0x8000_c093n }),
  'guest.fs.reserved-31-17': long({ guestFsAccessRights: 0x2_c093n }),
  'guest.gs.reserved-31-17': long({ guestGsAccessRights: 0x2_c093n }),
  'guest.ss.dpl-fred': long({
    guestCr4: CR4_LONG | CR4.FRED,
    guestCsSelector: 0x9n,
    guestCsAccessRights: 0xa0bbn,
    guestSsSelector: 0x11n,
    guestSsAccessRights: 0xc0b3n,
  }),
  'guest.cs.l-fred': long({ guestCr4: CR4_LONG | CR4.FRED, guestCsAccessRights: 0xc09bn }),
  'guest.tr.type-legacy': pae({ guestTrAccessRights: 0x89n }),
  'guest.tr.type-ia32e': long({ guestTrAccessRights: 0x83n }),
  'guest.tr.s-bit': long({ guestTrAccessRights: 0x9bn }),
  'guest.tr.present': long({ guestTrAccessRights: 0xbn }),
  'guest.tr.reserved-11-8': long({ guestTrAccessRights: 0x18bn }),
  'guest.tr.granularity-low': long({ guestTrAccessRights: 0x808bn }),
  'guest.tr.granularity-high': long({ guestTrLimit: 0x10_0fffn }),
  'guest.tr.usable': long({ guestTrAccessRights: 0x1_008bn }),
  'guest.tr.reserved-31-17': long({ guestTrAccessRights: 0x2_008bn }),
  'guest.ldtr.type': long({ guestLdtrAccessRights: 0x83n }),
  'guest.ldtr.s-bit': long({ guestLdtrAccessRights: 0x92n }),
  'guest.ldtr.present': long({ guestLdtrAccessRights: 0x2n }),
  'guest.ldtr.reserved-11-8': long({ guestLdtrAccessRights: 0x882n }),
  'guest.ldtr.granularity-low': long({ guestLdtrAccessRights: 0x8082n }),
  'guest.ldtr.granularity-high': long({ guestLdtrLimit: 0x10_0fffn }),
  'guest.ldtr.reserved-31-17': long({ guestLdtrAccessRights: 0x8000_0082n }),

  'guest.gdtr.base-canonical': long({ guestGdtrBase: bit(47) }),
  'guest.idtr.base-canonical': long({ guestIdtrBase: NOT_CANONICAL }),
  'guest.gdtr.limit-high': long({ guestGdtrLimit: 0x1_0000n }),
  'guest.idtr.limit-high': long({ guestIdtrLimit: 0x8000_0fffn }),

  'guest.rip.high': pae({ guestRip: bit(32) }),
  'guest.rip.identical': long({ guestRip: bit(48) }),
  'guest.rflags.reserved-zero': long({ guestRflags: 0x20an }),
  'guest.rflags.reserved-one': long({ guestRflags: 0x200n }),
  'guest.rflags.vm-ia32e': { ...v8086({ guestCr4: CR4_LONG }), on: ['ia32eModeGuest'] },
  'guest.rflags.vm-real-mode': { ...v8086({ guestCr0: CR0.ET | CR0.NE }), on: UNRESTRICTED },
  'guest.rflags.if-injection': long({ guestRflags: INTERRUPTS_OFF, vmEntryInterruptionInfo: INTERRUPT }),
  'guest.rflags.iopl-fred': long({ ...fredCpl3, guestRflags: 0x3202n }),
  'guest.ssp.aligned': long({ guestSsp: 1n }),
  'guest.ssp.identical': long({ guestSsp: bit(48) }),
  'guest.ssp.high': pae({ guestSsp: bit(32) }),

  'guest.activity-state.range': long({ guestActivityState: 4n }),
  'guest.activity-state.supported': {
    ...long({ guestActivityState: SHUTDOWN }),
    capabilities: { ia32VmxMisc: bit(6) | bit(8) },
  },
  'guest.activity-state.hlt-dpl': long({ ...cpl3, guestActivityState: HLT }),
  'guest.activity-state.active-if-blocking': long({
    guestActivityState: HLT,
    guestInterruptibilityState: STI,
  }),
  'guest.activity-state.hlt-event': long({ guestActivityState: HLT, vmEntryInterruptionInfo: PAGE_FAULT }),
  'guest.activity-state.shutdown-event': long({
    guestActivityState: SHUTDOWN,
    vmEntryInterruptionInfo: INTERRUPT,
  }),
  'guest.activity-state.wait-for-sipi-event': long({
    guestActivityState: WAIT_FOR_SIPI,
    vmEntryInterruptionInfo: NMI,
  }),
  'guest.activity-state.wait-for-sipi-smm': {
    ...long({ guestActivityState: WAIT_FOR_SIPI, guestInterruptibilityState: SMI }, 'entryToSmm'),
    processor: { inSmm: true },
  },
  'guest.interruptibility.reserved': long({ guestInterruptibilityState: bit(5) }),
  'guest.interruptibility.sti-and-mov-ss': long({ guestInterruptibilityState: STI | MOV_SS }),
  'guest.interruptibility.sti-needs-if': long({
    guestInterruptibilityState: STI,
    guestRflags: INTERRUPTS_OFF,
  }),
  'guest.interruptibility.external-interrupt-sti': long({
    guestInterruptibilityState: STI,
    vmEntryInterruptionInfo: INTERRUPT,
  }),
  'guest.interruptibility.external-interrupt-mov-ss': long({
    guestInterruptibilityState: MOV_SS,
    vmEntryInterruptionInfo: INTERRUPT,
  }),
  'guest.interruptibility.nmi-mov-ss': long({
    guestInterruptibilityState: MOV_SS,
    vmEntryInterruptionInfo: NMI,
  }),
  'guest.interruptibility.nmi-sti': long({ guestInterruptibilityState: STI, vmEntryInterruptionInfo: NMI }),
  'guest.interruptibility.smi-outside-smm': long({ guestInterruptibilityState: SMI }),
  'guest.interruptibility.smi-entry-to-smm': { ...long({}, 'entryToSmm'), processor: { inSmm: true } },
  'guest.interruptibility.virtual-nmi': long(
    { guestInterruptibilityState: bit(3), vmEntryInterruptionInfo: NMI },
    'nmiExiting',
    'virtualNmis',
  ),
  'guest.interruptibility.enclave-mov-ss': long({ guestInterruptibilityState: ENCLAVE | MOV_SS }),
  'guest.interruptibility.enclave-sgx': {
    ...long({ guestInterruptibilityState: ENCLAVE }),
    processor: without('SGX'),
  },
  'guest.interruptibility.sti-fred': long({ ...fredCpl3, guestInterruptibilityState: STI }),
  'guest.pending-debug.reserved': long({ guestPendingDebugExceptions: bit(4) }),
  'guest.pending-debug.bs-set': long({ guestInterruptibilityState: STI, guestRflags: SINGLE_STEP }),
  'guest.pending-debug.bs-clear': long({
    guestActivityState: HLT,
    guestPendingDebugExceptions: BS,
  }),
  'guest.pending-debug.rtm-bits': long({ guestPendingDebugExceptions: RTM }),
  'guest.pending-debug.rtm-supported': {
    ...long({ guestPendingDebugExceptions: RTM | bit(12) }),
    processor: without('RTM'),
  },
  'guest.pending-debug.rtm-mov-ss': long({
    guestInterruptibilityState: MOV_SS,
    guestPendingDebugExceptions: RTM | bit(12),
  }),
  'guest.link-pointer.aligned': linkedTo(LINKED_VMCS + 8),
  'guest.link-pointer.width': linkedTo(2 ** 46),
  'guest.link-pointer.revision': linkedTo(LINKED_VMCS, { [LINKED_VMCS]: 5n }),
  'guest.link-pointer.shadow-indicator': linkedTo(LINKED_VMCS, { [LINKED_VMCS]: 0x8000_0004n }),
  'guest.link-pointer.not-current': linkedTo(CURRENT_VMCS),
  'guest.link-pointer.not-executive': {
    ...long({ vmcsLinkPointer: BigInt(LINKED_VMCS), executiveVmcsPointer: BigInt(LINKED_VMCS) }),
    processor: { inSmm: true },
  },
  'guest.pdpte0.reserved': pae({ guestPdpte0: 0xa003n }),
  'guest.pdpte1.reserved': pae({ guestPdpte1: 0x21n }),
  'guest.pdpte2.reserved': pae({ guestPdpte2: 0x101n }),
  'guest.pdpte3.reserved': pae({ guestPdpte3: bit(46) | 1n }),
  'guest.pdptes-cr3.reserved': {
    from: 'pae32',
    off: EPT,
    memory: { [PDPT]: 0xa001n, [PDPT + 24]: 0xb005n },
  },
  'smm.activity-state.wait-for-sipi-root': {
    ...long({ guestActivityState: WAIT_FOR_SIPI, executiveVmcsPointer: BigInt(VMXON_REGION) }),
    processor: { inSmm: true },
  },

  'msr-load.fs-base': loading(0xc000_0100n),
  'msr-load.gs-base': loading(0xc000_0101n),
  'msr-load.x2apic': loading(0x830n),
  'msr-load.smm-only': loading(0x9bn),
  'msr-load.model-specific': loading(0x79n),
  'msr-load.reserved-high': loading(0x1_c000_0081n),
  'msr-load.wrmsr-faults': loading(0xc000_0082n, NOT_CANONICAL),
  'msr-load.count': { ...loading(0xc000_0081n), ...long({ vmEntryMsrLoadCount: 4097n }) },
};

const ALL_ONES = bit(64) - 1n;
const onAll = (value: bigint, ...fields: readonly VmcsField[]): FieldValues =>
  Object.fromEntries(fields.map((field) => [field, value]));

/** A processor whose "IA-32e mode guest" control cannot be 1. */
const NO_IA32E = ~bit(32 + CONTROLS.ia32eModeGuest.bit);
const withoutIntel64 = {
  ia32VmxEntryCtls: FULL_CAPABILITIES.ia32VmxEntryCtls & NO_IA32E,
  ia32VmxTrueEntryCtls: (FULL_CAPABILITIES.ia32VmxTrueEntryCtls ?? 0n) & NO_IA32E,
};

const LOADED = [
  'guestIa32Debugctl',
  'guestDr7',
  'guestIa32PerfGlobalCtrl',
  'guestIa32Pat',
  'guestIa32Efer',
  'guestIa32Bndcfgs',
  'guestIa32RtitCtl',
  'guestIa32SCet',
  'guestIa32InterruptSspTableAddr',
  'guestSsp',
  'guestIa32LbrCtl',
  'guestIa32Pkrs',
  'guestUinv',
  'guestIa32SpecCtrl',
  'guestIa32FredConfig',
  'guestIa32FredRsp1',
  'guestIa32FredRsp2',
  'guestIa32FredRsp3',
  'guestIa32FredSsp1',
  'guestIa32FredSsp2',
  'guestIa32FredSsp3',
] as const satisfies readonly VmcsField[];

const PDPTES = ['guestPdpte0', 'guestPdpte1', 'guestPdpte2', 'guestPdpte3'] as const;
/** Unusable, with every other bit the opposite of what a usable segment needs; DPL 0. */
const UNUSABLE = 0xffff_0f0fn & ~0x9n;

/** States at the edges of the rules: each obeys all of them, where a rule with too weak a condition would not hold. */
export const LEGAL_GUESTS: Readonly<Record<string, GuestExample>> = {
  'anything in registers that are not loaded': {
    ...long(onAll(NOT_CANONICAL | 0x0202_0202_0202_ffffn, ...LOADED)),
    off: GUEST_STATES.long64.controls.filter((control) => control !== 'ia32eModeGuest'),
  },
  'anything in unusable segments': long({
    ...onAll(UNUSABLE, 'guestSsAccessRights', 'guestDsAccessRights', 'guestEsAccessRights'),
    ...onAll(UNUSABLE, 'guestFsAccessRights', 'guestGsAccessRights', 'guestLdtrAccessRights'),
    ...onAll(ALL_ONES, 'guestDsSelector', 'guestEsSelector', 'guestFsSelector', 'guestGsSelector'),
    ...onAll(NOT_CANONICAL, 'guestSsBase', 'guestDsBase', 'guestEsBase', 'guestLdtrBase'),
    ...onAll(0xfff0_0000n, 'guestSsLimit', 'guestDsLimit', 'guestEsLimit', 'guestLdtrLimit'),
    ...onAll(0xfff0_0000n, 'guestFsLimit', 'guestGsLimit'),
    guestLdtrSelector: 0x7n,
  }),
  'unusable segments with every bit of Type, S and G': long({
    ...onAll(0xffff_ffffn, 'guestDsAccessRights', 'guestEsAccessRights', 'guestFsAccessRights'),
    ...onAll(0xffff_ffffn, 'guestGsAccessRights', 'guestLdtrAccessRights'),
    ...onAll(0xffff_ff9fn, 'guestSsAccessRights'),
    ...onAll(0n, 'guestSsLimit', 'guestDsLimit', 'guestEsLimit', 'guestFsLimit', 'guestGsLimit'),
    ...onAll(0n, 'guestLdtrLimit'),
  }),
  'high halves without Intel 64': {
    ...pae({
      ...onAll(NOT_CANONICAL, 'guestIa32SysenterEsp', 'guestIa32SysenterEip', 'guestTrBase', 'guestLdtrBase'),
      ...onAll(NOT_CANONICAL, 'guestCsBase', 'guestSsBase', 'guestDsBase', 'guestEsBase', 'guestFsBase'),
      ...onAll(NOT_CANONICAL, 'guestGsBase', 'guestGdtrBase', 'guestIdtrBase', 'guestIa32SCet'),
      ...onAll(NOT_CANONICAL, 'guestIa32InterruptSspTableAddr', 'guestDr7', 'guestRip'),
      guestCr3: bit(50),
    }),
    off: ['loadGuestCetState'],
    capabilities: withoutIntel64,
  },
  'RIP whose bit 47 differs from bits 63:48': long({ guestRip: bit(47) }),
  'SSP whose bit 47 differs from bits 63:48': long({ guestSsp: bit(47) }),
  'CR0.CD and CR0.NW': long({ guestCr0: PROTECTED_PAGED | bit(29) | bit(30) }),
  'LAM bits of CR3': long({ guestCr3: bit(61) | bit(62) }),
  'CR4.PCIDE in IA-32e mode': long({ guestCr4: CR4_LONG | CR4.PCIDE }),
  'a canonical address of 57 bits': {
    ...long({ guestFsBase: bit(55) }),
    processor: { linearAddressWidth: 57 },
  },
  'EFER.LME without EFER.LMA outside paging': real({ guestIa32Efer: 0x100n }),
  'the same with EFER loaded': { ...real({ guestIa32Efer: 0x100n }), on: ['loadGuestIa32Efer'] },
  'a 16-bit busy TSS outside IA-32e mode': pae({ guestTrAccessRights: 0x83n }),
  'privilege levels that differ in an unrestricted guest': unrestricted({
    guestCsSelector: 0xbn,
    guestSsSelector: 0x12n,
    guestDsSelector: 0x13n,
    guestEsSelector: 0x13n,
    guestFsSelector: 0x13n,
    guestGsSelector: 0x13n,
  }),
  'Type 3 in CS of an unrestricted guest': unrestricted({ guestCsAccessRights: 0xa093n }),
  'conforming code of lower DPL in CS': long({ ...cpl3, guestCsAccessRights: 0xa09fn }),
  'conforming code in data segments, whatever the RPL': long({
    ...onAll(0xc09fn, 'guestDsAccessRights', 'guestEsAccessRights', 'guestFsAccessRights'),
    ...onAll(0x13n, 'guestDsSelector', 'guestEsSelector', 'guestFsSelector', 'guestGsSelector'),
    guestGsAccessRights: 0xc09fn,
  }),
  'read-only data in data segments': long(
    onAll(
      0xc091n,
      'guestDsAccessRights',
      'guestEsAccessRights',
      'guestFsAccessRights',
      'guestGsAccessRights',
    ),
  ),
  'expand-down SS': long({ guestSsAccessRights: 0xc097n }),
  'CS.L and CS.D outside IA-32e mode': pae({ guestCsAccessRights: 0xe09bn }),
  'CPL 1 without FRED': long({
    guestCsSelector: 0x9n,
    guestCsAccessRights: 0xa0bbn,
    guestSsSelector: 0x11n,
    guestSsAccessRights: 0xc0b3n,
  }),
  'IOPL 3 at CPL 3 without FRED': long({ ...cpl3, guestRflags: 0x3202n }),
  'IOPL 3 at CPL 0 with FRED': long({ guestCr4: CR4_LONG | CR4.FRED, guestRflags: 0x3202n }),
  'blocking by STI at CPL 0 with FRED': long({
    guestCr4: CR4_LONG | CR4.FRED,
    guestInterruptibilityState: STI,
  }),
  'PDPTEs that are not present': pae({ guestPdpte1: ALL_ONES - 1n }),
  'anything in the PDPTE fields without EPT': { ...pae(onAll(ALL_ONES, ...PDPTES)), off: EPT },
  'anything in the PDPTE fields with 32-bit paging': {
    ...v8086(onAll(ALL_ONES, ...PDPTES)),
    on: EPT,
  },
  'anything in the PDPTE fields without paging': real({
    ...onAll(ALL_ONES, ...PDPTES),
    guestCr4: CR4_LONG,
  }),
  'anything in the PDPTE fields in IA-32e mode': long(onAll(ALL_ONES, ...PDPTES), ...EPT),
  'anything at CR3 with EPT': { ...pae({}), memory: { [PDPT]: ALL_ONES } },
  'anything at CR3 in IA-32e mode': { ...long({}), memory: { [PDPT]: ALL_ONES } },
  'anything at CR3 with 32-bit paging': { ...v8086({}), memory: { [PDPT]: ALL_ONES } },
  'MTF pending in HLT': long({ guestActivityState: HLT, vmEntryInterruptionInfo: 0x8000_0700n }),
  '#MC in shutdown': long({ guestActivityState: SHUTDOWN, vmEntryInterruptionInfo: 0x8000_0312n }),
  'page fault in the active state': long({ vmEntryInterruptionInfo: PAGE_FAULT }),
  'an interruption information that is not valid': long({
    guestActivityState: WAIT_FOR_SIPI,
    vmEntryInterruptionInfo: 0x202n,
  }),
  'NMI blocking without virtual NMIs': long({
    guestInterruptibilityState: bit(3),
    vmEntryInterruptionInfo: NMI,
  }),
  'NMI blocking and an external interrupt': long(
    { guestInterruptibilityState: bit(3), vmEntryInterruptionInfo: INTERRUPT },
    'nmiExiting',
    'virtualNmis',
  ),
  'SMI blocking in SMM': {
    ...long({ guestInterruptibilityState: SMI }),
    processor: { inSmm: true, executiveVmcs: new VmcsData() },
  },
  'no enclave interruption without SGX': { ...long({}), processor: without('SGX') },
  'no RTM without RTM': { ...long({}), processor: without('RTM') },
  'pending BS where nothing is blocked': long({ guestPendingDebugExceptions: BS }),
  'single step where nothing is blocked': long({ guestRflags: SINGLE_STEP }),
  'pending BS for a single step': long({
    guestInterruptibilityState: STI,
    guestRflags: SINGLE_STEP,
    guestPendingDebugExceptions: BS,
  }),
  'branch step with blocking by STI': long({
    guestInterruptibilityState: STI,
    guestRflags: SINGLE_STEP,
    guestIa32Debugctl: bit(1),
  }),
  'a linked shadow VMCS': {
    ...linkedTo(LINKED_VMCS, { [LINKED_VMCS]: 0x8000_0004n }),
    on: ['activateSecondaryControls', 'vmcsShadowing'],
  },
  'a link to the executive VMCS outside SMM': long({
    vmcsLinkPointer: BigInt(LINKED_VMCS),
    executiveVmcsPointer: BigInt(LINKED_VMCS),
  }),
  'a link to the current VMCS on a return from SMM': {
    ...linkedTo(CURRENT_VMCS),
    processor: { inSmm: true, executiveVmcs: new VmcsData() },
  },
  'wait-for-SIPI on a return from SMM into a guest': {
    ...long({ guestActivityState: WAIT_FOR_SIPI, executiveVmcsPointer: BigInt(LINKED_VMCS) }),
    processor: { inSmm: true, executiveVmcs: new VmcsData() },
  },
};

const UNALIGNED_LIMIT = 0xf_fffen;
const MTF_AND_RTM = { guestPendingDebugExceptions: RTM | bit(12) };

/** States at the edge of a rule, where the smallest change of its example is none: it applies, and nothing is broken. */
export const EDGE_GUESTS: Readonly<Partial<Record<GuestRuleId | MsrLoadingRuleId, GuestExample>>> = {
  'guest.ss.dpl-real-mode': real({ guestSsAccessRights: 0x93n }),
  'guest.ss.granularity-low': long({ guestSsAccessRights: 0x4093n, guestSsLimit: UNALIGNED_LIMIT }),
  'guest.ds.granularity-low': long({ guestDsAccessRights: 0x4093n, guestDsLimit: UNALIGNED_LIMIT }),
  'guest.ss.dpl-fred': long(fredCpl3),
  'guest.rflags.vm-ia32e': long({ guestRflags: 0x2n }),
  'guest.rflags.vm-real-mode': real({ guestRflags: 0x2n }),
  'guest.activity-state.hlt-dpl': long({ guestActivityState: HLT }),
  'guest.activity-state.shutdown-event': long({
    guestActivityState: SHUTDOWN,
    vmEntryInterruptionInfo: 0x8000_0312n,
  }),
  'guest.interruptibility.enclave-sgx': long({ guestInterruptibilityState: ENCLAVE }),
  'guest.pending-debug.rtm-supported': long(MTF_AND_RTM),
  'guest.link-pointer.width': linkedTo(LINKED_VMCS),
  'guest.link-pointer.revision': linkedTo(LINKED_VMCS),
  'guest.link-pointer.shadow-indicator': linkedTo(LINKED_VMCS),
  'guest.pdptes-cr3.reserved': { ...pae({}), off: EPT, memory: { [PDPT]: 0xae19n } },
  'msr-load.fs-base': loading(0xc000_0102n),
  'msr-load.gs-base': loading(0xc000_0102n),
  'msr-load.x2apic': loading(0x900n),
  'msr-load.smm-only': { ...loading(0x9bn), processor: { inSmm: true, executiveVmcs: new VmcsData() } },
  'msr-load.model-specific': loading(0x8cn),
  'msr-load.reserved-high': loading(0xffff_ffffn),
  'msr-load.wrmsr-faults': loading(0xc000_0082n, 0xffff_8000_0000_0000n),
};
