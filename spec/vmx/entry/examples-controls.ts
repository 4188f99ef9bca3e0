import { FULL_CAPABILITIES } from '../../../src/vmx';
import type { ControlAndHostRuleId } from '../../../src/vmx/entry/rule-tables';
import { CONTROLS, type Control, type VmcsField, type VmcsValues } from '../../../src/vmx/vmcs';
import { ENTERING, entering, type VmcsDelta } from './entering';

type Fields = Partial<VmcsValues>;
type Capabilities = NonNullable<VmcsDelta['capabilities']>;

const ACTIVATED_BY: Partial<Record<VmcsField, Control>> = {
  secondaryProcBasedControls: 'activateSecondaryControls',
  tertiaryProcBasedControls: 'activateTertiaryControls',
  secondaryVmExitControls: 'activateSecondaryVmExitControls',
  vmFunctionControls: 'enableVmFunctions',
};

/** The control fields of the entering state with these controls, and those that activate them, set. */
const controls = (...names: readonly Control[]): Fields => {
  const fields: Fields = {};
  const raise = (name: Control): void => {
    const { field, bit } = CONTROLS[name];
    fields[field] = (fields[field] ?? ENTERING[field] ?? 0n) | (1n << BigInt(bit));
    const activation = ACTIVATED_BY[field];
    if (activation !== undefined) raise(activation);
  };
  names.forEach(raise);
  return fields;
};

const set = (names: readonly Control[], fields: Fields = {}): VmcsDelta => ({
  fields: { ...controls(...names), ...fields },
});

const BEYOND = 1n << 46n;
const NOT_CANONICAL = 1n << 47n;
const EPTP = 0x1en;
const ept: Fields = { eptPointer: EPTP };
/** The last 16 bytes of physical memory. */
const TOP = BEYOND - 16n;

const VALID = 0x8000_0000n;
const inject = (type: number, vector: number, more = 0n): Fields => ({
  vmEntryInterruptionInfo: VALID | BigInt((type << 8) | vector) | more,
});
const ERROR_CODE = 1n << 11n;

const DELIVERY: readonly Control[] = ['virtualInterruptDelivery', 'useTprShadow', 'externalInterruptExiting'];
const POSTED: readonly Control[] = ['processPostedInterrupts', 'acknowledgeInterruptOnExit', ...DELIVERY];
const APIC_TIMER: readonly Control[] = ['apicTimerVirtualization', ...DELIVERY];

const misaligned = (control: Control, field: VmcsField, more: readonly Control[] = [], fields: Fields = {}) =>
  set([control, ...more], { [field]: 0x3001n, ...fields });
const beyond = (control: Control, field: VmcsField, more: readonly Control[] = [], fields: Fields = {}) =>
  set([control, ...more], { [field]: BEYOND, ...fields });

const withoutBit = (msr: 'ia32VmxBasic' | 'ia32VmxMisc', bit: bigint): Capabilities => ({
  [msr]: FULL_CAPABILITIES[msr] & ~(1n << bit),
});
/** The processor does not let this control be 1. */
const withoutControl = (
  msr: 'ia32VmxTrueProcbasedCtls' | 'ia32VmxTrueExitCtls' | 'ia32VmxTrueEntryCtls',
  control: Control,
): Capabilities => ({
  [msr]: FULL_CAPABILITIES[msr]! & ~(1n << BigInt(32 + CONTROLS[control].bit)),
});

const OLD_ERROR_CODES = withoutBit('ia32VmxBasic', 56n);

const NO_INTEL_64: Capabilities = {
  ...withoutControl('ia32VmxTrueEntryCtls', 'ia32eModeGuest'),
  ia32VmxEntryCtls: FULL_CAPABILITIES.ia32VmxEntryCtls & ~(1n << BigInt(32 + CONTROLS.ia32eModeGuest.bit)),
};

/** A 32-bit protected-mode guest. */
const GUEST_32: Fields = { vmEntryControls: 0x11fbn, guestCsAccessRights: 0xc09bn };
const EXIT_TO_32 = 0x3_6dfbn;
/** A host outside IA-32e mode. */
const HOST_32: Fields = { ...GUEST_32, vmExitControls: EXIT_TO_32, hostRip: 0x10_0000n };
const NOT_LONG = { ia32eMode: false, longMode: false };
const host32 = (fields: Fields): VmcsDelta => ({ fields: { ...HOST_32, ...fields }, processor: NOT_LONG });
const LOAD_HOST_CET = 1n << BigInt(CONTROLS.loadHostCetState.bit);

const VMXON_POINTER = 0x9000;
const EXECUTIVE = 0x6000;
/** A VM entry that returns from SMM, with a valid executive VMCS. */
const returning = (delta: VmcsDelta, executive = entering({ launched: true }).vmcs): VmcsDelta => ({
  ...delta,
  fields: { executiveVmcsPointer: BigInt(EXECUTIVE), ...delta.fields },
  memory: { [EXECUTIVE]: 4 },
  processor: { inSmm: true, vmxonPointer: VMXON_POINTER, executiveVmcs: executive, ...delta.processor },
});

const fredStack = (field: VmcsField): VmcsDelta => set(['loadHostFred'], { [field]: 1n });

/** For each rule the change of the entering state that breaks it, alone or with rules of its `impliedBy`. */
export const CONTROL_EXAMPLES: Record<ControlAndHostRuleId, VmcsDelta> = {
  'basic.not-in-vmx-operation': { processor: { operation: 'none' } },
  'basic.mode': { processor: { longMode: false } },
  'basic.non-root': { processor: { operation: 'non-root' } },
  'basic.cpl': { processor: { cpl: 3 } },
  'basic.current-vmcs-valid': { processor: { currentVmcs: -1 } },
  'basic.not-shadow-vmcs': { shadow: true },
  'basic.mov-ss-blocking': { processor: { movSsBlocking: true } },
  'basic.vmlaunch-clear': { launched: true },
  'basic.vmresume-launched': { processor: { instruction: 'vmresume' } },
  'basic.vmresume-after-vmxoff': {
    launched: true,
    processor: { instruction: 'vmresume', vmxoffSinceLaunch: true },
  },

  'ctl.pin.allowed0': { fields: { pinBasedControls: 0x14n } },
  'ctl.pin.allowed1': { fields: { pinBasedControls: 0x116n } },
  'ctl.proc1.allowed0': { fields: { primaryProcBasedControls: 0x0400_6170n } },
  'ctl.proc1.allowed1': { fields: { primaryProcBasedControls: 0x0400_6173n } },
  'ctl.proc2.allowed1': set(['activateSecondaryControls'], { secondaryProcBasedControls: 1n << 29n }),
  'ctl.proc3.allowed1': set(['activateTertiaryControls'], { tertiaryProcBasedControls: 1n << 40n }),
  'ctl.cr3-target-count': { fields: { cr3TargetCount: 5n } },
  'ctl.io-bitmap-a.aligned': misaligned('useIoBitmaps', 'ioBitmapAAddress'),
  'ctl.io-bitmap-a.width': beyond('useIoBitmaps', 'ioBitmapAAddress'),
  'ctl.io-bitmap-b.aligned': misaligned('useIoBitmaps', 'ioBitmapBAddress'),
  'ctl.io-bitmap-b.width': beyond('useIoBitmaps', 'ioBitmapBAddress'),
  'ctl.msr-bitmap.aligned': misaligned('useMsrBitmaps', 'msrBitmapAddress'),
  'ctl.msr-bitmap.width': beyond('useMsrBitmaps', 'msrBitmapAddress'),
  'ctl.virtual-apic.aligned': misaligned('useTprShadow', 'virtualApicAddress'),
  'ctl.virtual-apic.width': beyond('useTprShadow', 'virtualApicAddress'),
  'ctl.tpr-threshold.reserved': set(['useTprShadow'], { tprThreshold: 0x10n }),
  'ctl.tpr-threshold.vtpr': {
    ...set(['useTprShadow'], { tprThreshold: 5n, virtualApicAddress: 0x7000n }),
    memory: { 28800: 0x4f },
  },
  'ctl.nmi.virtual-nmis-need-exiting': set(['virtualNmis']),
  'ctl.nmi.window-needs-virtual-nmis': set(['nmiWindowExiting']),
  'ctl.apic-access.aligned': misaligned('virtualizeApicAccesses', 'apicAccessAddress'),
  'ctl.apic-access.width': beyond('virtualizeApicAccesses', 'apicAccessAddress'),
  'ctl.tpr-shadow.x2apic-mode': set(['virtualizeX2apicMode']),
  'ctl.tpr-shadow.apic-register-virtualization': set(['apicRegisterVirtualization']),
  'ctl.tpr-shadow.virtual-interrupt-delivery': set(['virtualInterruptDelivery', 'externalInterruptExiting']),
  'ctl.tpr-shadow.ipi-virtualization': set(['ipiVirtualization']),
  'ctl.x2apic-excludes-apic-accesses': set([
    'virtualizeX2apicMode',
    'virtualizeApicAccesses',
    'useTprShadow',
  ]),
  'ctl.virtual-interrupt-delivery.needs-external-interrupt-exiting': set([
    'virtualInterruptDelivery',
    'useTprShadow',
  ]),
  'ctl.posted-interrupts.needs-delivery': set(['processPostedInterrupts', 'acknowledgeInterruptOnExit']),
  'ctl.posted-interrupts.needs-ack': set(['processPostedInterrupts', ...DELIVERY]),
  'ctl.posted-interrupts.vector': set(POSTED, { postedInterruptNotificationVector: 0x100n }),
  'ctl.posted-interrupts.descriptor.aligned': set(POSTED, { postedInterruptDescriptorAddress: 0x20n }),
  'ctl.posted-interrupts.descriptor.width': set(POSTED, { postedInterruptDescriptorAddress: BEYOND }),
  'ctl.vpid.nonzero': set(['enableVpid']),
  'ctl.eptp.memory-type': set(['enableEpt'], { eptPointer: 0x1dn }),
  'ctl.eptp.walk-length': set(['enableEpt'], { eptPointer: 0x16n }),
  'ctl.eptp.accessed-dirty': {
    ...set(['enableEpt'], { eptPointer: EPTP | 0x40n }),
    capabilities: { ia32VmxEptVpidCap: FULL_CAPABILITIES.ia32VmxEptVpidCap! & ~(1n << 21n) },
  },
  'ctl.eptp.supervisor-shadow-stack': {
    ...set(['enableEpt'], { eptPointer: EPTP | 0x80n }),
    capabilities: { ia32VmxEptVpidCap: FULL_CAPABILITIES.ia32VmxEptVpidCap! & ~(1n << 23n) },
  },
  'ctl.eptp.reserved': set(['enableEpt'], { eptPointer: EPTP | 0x100n }),
  'ctl.eptp.width': set(['enableEpt'], { eptPointer: EPTP | BEYOND }),
  'ctl.pml.needs-ept': set(['enablePml']),
  'ctl.pml-address.aligned': misaligned('enablePml', 'pmlAddress', ['enableEpt'], ept),
  'ctl.pml-address.width': beyond('enablePml', 'pmlAddress', ['enableEpt'], ept),
  'ctl.unrestricted-guest.needs-ept': set(['unrestrictedGuest']),
  'ctl.mbe.needs-ept': set(['modeBasedExecuteControl']),
  'ctl.spp.needs-ept': set(['subPageWritePermissions']),
  'ctl.spp-table.aligned': misaligned(
    'subPageWritePermissions',
    'subPagePermissionTablePointer',
    ['enableEpt'],
    ept,
  ),
  'ctl.spp-table.width': beyond(
    'subPageWritePermissions',
    'subPagePermissionTablePointer',
    ['enableEpt'],
    ept,
  ),
  'ctl.vm-functions.reserved': set(['enableVmFunctions'], { vmFunctionControls: 2n }),
  'ctl.eptp-switching.needs-ept': set(['eptpSwitching']),
  'ctl.eptp-list.aligned': misaligned('eptpSwitching', 'eptpListAddress', ['enableEpt'], ept),
  'ctl.eptp-list.width': beyond('eptpSwitching', 'eptpListAddress', ['enableEpt'], ept),
  'ctl.vmread-bitmap.aligned': misaligned('vmcsShadowing', 'vmreadBitmapAddress'),
  'ctl.vmread-bitmap.width': beyond('vmcsShadowing', 'vmreadBitmapAddress'),
  'ctl.vmwrite-bitmap.aligned': misaligned('vmcsShadowing', 'vmwriteBitmapAddress'),
  'ctl.vmwrite-bitmap.width': beyond('vmcsShadowing', 'vmwriteBitmapAddress'),
  'ctl.ve-information.aligned': misaligned('eptViolationVe', 'virtualizationExceptionInfoAddress'),
  'ctl.ve-information.width': beyond('eptViolationVe', 'virtualizationExceptionInfoAddress'),
  'ctl.pt.trace-enabled': { ...set(['loadIa32RtitCtl']), processor: { traceEnabled: true } },
  'ctl.pt-guest-physical.needs-ept': set([
    'ptUsesGuestPhysicalAddresses',
    'loadIa32RtitCtl',
    'clearIa32RtitCtl',
  ]),
  'ctl.pt-guest-physical.needs-load-rtit-ctl': set(
    ['ptUsesGuestPhysicalAddresses', 'enableEpt', 'clearIa32RtitCtl'],
    ept,
  ),
  'ctl.pt-guest-physical.needs-clear-rtit-ctl': set(
    ['ptUsesGuestPhysicalAddresses', 'enableEpt', 'loadIa32RtitCtl'],
    ept,
  ),
  'ctl.tsc-multiplier.nonzero': set(['useTscScaling']),
  'ctl.hlat.needs-ept': set(['enableHlat']),
  'ctl.hlat.pointer-reserved': set(['enableHlat', 'enableEpt'], { ...ept, hlatPointer: 0x20n }),
  'ctl.hlat.pointer-width': beyond('enableHlat', 'hlatPointer', ['enableEpt'], ept),
  'ctl.hlat.prefix-size': set(['enableHlat', 'enableEpt'], { ...ept, hlatPrefixSize: 53n }),
  'ctl.paging-write.needs-ept': set(['eptPagingWriteControl']),
  'ctl.guest-paging-verification.needs-ept': set(['guestPagingVerification']),
  'ctl.ipi.pid-table-aligned': misaligned('ipiVirtualization', 'pidPointerTableAddress', ['useTprShadow']),
  'ctl.ipi.pid-table-width': beyond('ipiVirtualization', 'pidPointerTableAddress', ['useTprShadow']),
  'ctl.ipi.last-entry-width': set(['ipiVirtualization', 'useTprShadow'], {
    pidPointerTableAddress: TOP,
    lastPidPointerIndex: 2n,
  }),
  'ctl.apic-timer.needs-virtual-interrupt-delivery': set(['apicTimerVirtualization']),
  'ctl.apic-timer.rdtsc-exiting': set([...APIC_TIMER, 'rdtscExiting']),
  'ctl.apic-timer.vector': set(APIC_TIMER, { virtualTimerVector: 0x100n }),
  'ctl.pasid-low-directory.aligned': misaligned('pasidTranslation', 'lowPasidDirectoryAddress'),
  'ctl.pasid-low-directory.width': beyond('pasidTranslation', 'lowPasidDirectoryAddress'),
  'ctl.pasid-high-directory.aligned': misaligned('pasidTranslation', 'highPasidDirectoryAddress'),
  'ctl.pasid-high-directory.width': beyond('pasidTranslation', 'highPasidDirectoryAddress'),

  'ctl.exit.allowed0': { fields: { vmExitControls: 0x3_6ffan } },
  'ctl.exit.allowed1': {
    ...set(['saveIa32Pat']),
    capabilities: withoutControl('ia32VmxTrueExitCtls', 'saveIa32Pat'),
  },
  'ctl.exit2.allowed1': set(['activateSecondaryVmExitControls'], { secondaryVmExitControls: 0x10n }),
  'ctl.exit.save-preemption-timer': set(['saveVmxPreemptionTimerValue']),
  'ctl.exit-msr-store.aligned': { fields: { vmExitMsrStoreCount: 1n, vmExitMsrStoreAddress: 0x3008n } },
  'ctl.exit-msr-store.width': { fields: { vmExitMsrStoreCount: 1n, vmExitMsrStoreAddress: BEYOND } },
  'ctl.exit-msr-store.last-byte': { fields: { vmExitMsrStoreCount: 2n, vmExitMsrStoreAddress: TOP } },
  'ctl.exit-msr-load.aligned': { fields: { vmExitMsrLoadCount: 1n, vmExitMsrLoadAddress: 0x3008n } },
  'ctl.exit-msr-load.width': { fields: { vmExitMsrLoadCount: 1n, vmExitMsrLoadAddress: BEYOND } },
  'ctl.exit-msr-load.last-byte': { fields: { vmExitMsrLoadCount: 2n, vmExitMsrLoadAddress: TOP } },

  'ctl.entry.allowed0': { fields: { vmEntryControls: 0x13fan } },
  'ctl.entry.allowed1': { fields: { vmEntryControls: 0x13fbn | (1n << 25n) } },
  'ctl.inject.type-reserved': { fields: inject(1, 3) },
  'ctl.inject.type-other-event': {
    fields: inject(7, 0),
    capabilities: withoutControl('ia32VmxTrueProcbasedCtls', 'monitorTrapFlag'),
  },
  'ctl.inject.nmi-vector': { fields: inject(2, 3) },
  'ctl.inject.hardware-exception-vector': { fields: inject(3, 32) },
  'ctl.inject.other-event-vector': { fields: inject(7, 3) },
  'ctl.inject.error-code-required': { fields: inject(3, 13), capabilities: OLD_ERROR_CODES },
  'ctl.inject.error-code-not-hardware-exception': { fields: inject(2, 2, ERROR_CODE) },
  'ctl.inject.error-code-real-mode': set(['unrestrictedGuest', 'enableEpt'], {
    ...ept,
    ...GUEST_32,
    ...inject(3, 13, ERROR_CODE),
    guestCr0: 0x20n,
    guestCr4: 0x2000n,
  }),
  'ctl.inject.error-code-forbidden-vector': {
    fields: inject(3, 6, ERROR_CODE),
    capabilities: OLD_ERROR_CODES,
  },
  'ctl.inject.reserved-bits': { fields: inject(3, 6, 1n << 12n) },
  'ctl.inject.nested-exception-type': { fields: inject(2, 2, 1n << 13n) },
  'ctl.inject.error-code-high-bits': {
    fields: { ...inject(3, 13, ERROR_CODE), vmEntryExceptionErrorCode: 0x1_0000n },
  },
  'ctl.inject.instruction-length-max': { fields: { ...inject(4, 0x80), vmEntryInstructionLength: 16n } },
  'ctl.inject.instruction-length-zero': {
    fields: inject(4, 0x80),
    capabilities: withoutBit('ia32VmxMisc', 30n),
  },
  'ctl.inject.fred-instruction-length': {
    fields: { ...inject(7, 1), guestCr4: 0x1_0000_2020n, vmEntryInstructionLength: 16n },
  },
  'ctl.entry-msr-load.aligned': { fields: { vmEntryMsrLoadCount: 1n, vmEntryMsrLoadAddress: 0x3008n } },
  'ctl.entry-msr-load.width': { fields: { vmEntryMsrLoadCount: 1n, vmEntryMsrLoadAddress: BEYOND } },
  'ctl.entry-msr-load.last-byte': { fields: { vmEntryMsrLoadCount: 2n, vmEntryMsrLoadAddress: TOP } },
  'ctl.smm.entry-to-smm-outside': set(['entryToSmm']),
  'ctl.smm.deactivate-outside': set(['deactivateDualMonitor']),
  'ctl.smm.not-both': {
    ...set(['entryToSmm', 'deactivateDualMonitor'], { guestInterruptibilityState: 4n }),
    processor: { inSmm: true },
  },
  'smm.executive-vmcs.pointer': returning({ fields: { executiveVmcsPointer: 0x7000n } }),
  'smm.executive-vmcs.launched': returning({}, entering().vmcs),
  'smm.executive-vmcs.is-vmxon': returning(set(['deactivateDualMonitor'])),
  'smm.executive-vmcs.controls': returning(
    {},
    entering({ launched: true, fields: { pinBasedControls: 0n } }).vmcs,
  ),
  'smm.inject-into-root': returning({ fields: inject(2, 2), processor: { vmxonPointer: EXECUTIVE } }),

  'host.cr0.fixed0': { fields: { hostCr0: 0x8001_0011n } },
  'host.cr0.fixed1': { fields: { hostCr0: 0x1_8001_0031n } },
  'host.cr4.fixed0': { fields: { hostCr4: 0x20n } },
  'host.cr4.fixed1': { fields: { hostCr4: 0xa020n } },
  'host.cr4.cet-needs-wp': { fields: { hostCr4: 0x80_2020n, hostCr0: 0x8000_0031n } },
  'host.cr3.reserved': { fields: { hostCr3: BEYOND } },
  'host.sysenter-esp.canonical': { fields: { hostIa32SysenterEsp: NOT_CANONICAL } },
  'host.sysenter-eip.canonical': { fields: { hostIa32SysenterEip: NOT_CANONICAL } },
  'host.perf-global-ctrl.reserved': set(['loadHostIa32PerfGlobalCtrl'], { hostIa32PerfGlobalCtrl: 0x10n }),
  'host.pat.values': set(['loadHostIa32Pat'], { hostIa32Pat: 0x0007_0406_0007_0402n }),
  'host.efer.reserved': set(['loadHostIa32Efer'], { hostIa32Efer: 0x502n }),
  'host.efer.lma': set(['loadHostIa32Efer'], { hostIa32Efer: 0x100n }),
  'host.efer.lme': set(['loadHostIa32Efer'], { hostIa32Efer: 0x400n }),
  'host.s-cet.canonical': set(['loadHostCetState'], { hostIa32SCet: NOT_CANONICAL }),
  'host.interrupt-ssp-table.canonical': set(['loadHostCetState'], {
    hostIa32InterruptSspTableAddr: NOT_CANONICAL,
  }),
  'host.s-cet.reserved': set(['loadHostCetState'], { hostIa32SCet: 0x40n }),
  'host.s-cet.suppress-tracker': set(['loadHostCetState'], { hostIa32SCet: 0xc00n }),
  'host.ssp.aligned': set(['loadHostCetState'], { hostSsp: 2n }),
  'host.pkrs.reserved': set(['loadHostPkrs'], { hostIa32Pkrs: 1n << 32n }),
  'host.spec-ctrl.reserved': set(['loadHostSpecCtrl'], { hostIa32SpecCtrl: 1n << 63n }),
  'host.fred-config.reserved': set(['loadHostFred'], { hostIa32FredConfig: 4n }),
  'host.fred-config.canonical': set(['loadHostFred'], { hostIa32FredConfig: NOT_CANONICAL }),
  'host.fred-rsp1': fredStack('hostIa32FredRsp1'),
  'host.fred-ssp1': fredStack('hostIa32FredSsp1'),
  'host.fred-rsp2': fredStack('hostIa32FredRsp2'),
  'host.fred-ssp2': fredStack('hostIa32FredSsp2'),
  'host.fred-rsp3': fredStack('hostIa32FredRsp3'),
  'host.fred-ssp3': fredStack('hostIa32FredSsp3'),
  'host.cs.rpl-ti': { fields: { hostCsSelector: 0x0cn } },
  'host.ss.rpl-ti': { fields: { hostSsSelector: 0x11n } },
  'host.ds.rpl-ti': { fields: { hostDsSelector: 0x12n } },
  'host.es.rpl-ti': { fields: { hostEsSelector: 0x13n } },
  'host.fs.rpl-ti': { fields: { hostFsSelector: 4n } },
  'host.gs.rpl-ti': { fields: { hostGsSelector: 3n } },
  'host.tr.rpl-ti': { fields: { hostTrSelector: 0x1cn } },
  'host.cs.nonzero': { fields: { hostCsSelector: 0n } },
  'host.tr.nonzero': { fields: { hostTrSelector: 0n } },
  'host.ss.nonzero': host32({ hostSsSelector: 0n }),
  'host.fs.base-canonical': { fields: { hostFsBase: NOT_CANONICAL } },
  'host.gs.base-canonical': { fields: { hostGsBase: NOT_CANONICAL } },
  'host.gdtr.base-canonical': { fields: { hostGdtrBase: NOT_CANONICAL } },
  'host.idtr.base-canonical': { fields: { hostIdtrBase: NOT_CANONICAL } },
  'host.tr.base-canonical': { fields: { hostTrBase: NOT_CANONICAL } },
  'host.address-space.lma0-guest': {
    fields: { vmExitControls: EXIT_TO_32, hostRip: 0x10_0000n },
    processor: NOT_LONG,
  },
  'host.address-space.lma0-host': { fields: GUEST_32, processor: NOT_LONG },
  'host.address-space.lma1-host': { fields: HOST_32 },
  'host.address-space.host32-guest': { fields: { vmExitControls: EXIT_TO_32, hostRip: 0x10_0000n } },
  'host.address-space.host32-pcide': host32({ hostCr4: 0x2_2020n }),
  'host.address-space.host32-fred': host32({ hostCr4: 0x1_0000_2020n }),
  'host.address-space.host32-rip': host32({ hostRip: 1n << 32n }),
  'host.address-space.host32-s-cet': host32({
    vmExitControls: EXIT_TO_32 | LOAD_HOST_CET,
    hostIa32SCet: 1n << 32n,
  }),
  'host.address-space.host32-ssp': host32({
    vmExitControls: EXIT_TO_32 | LOAD_HOST_CET,
    hostSsp: 1n << 32n,
  }),
  'host.address-space.host64-pae': { fields: { hostCr4: 0x2000n } },
  'host.address-space.host64-rip': {
    fields: { hostRip: NOT_CANONICAL },
    processor: { linearAddressWidth: 57 },
  },
  'host.address-space.host64-ssp': set(['loadHostCetState'], { hostSsp: NOT_CANONICAL }),
  'host.address-space.no-intel64-guest': {
    fields: { vmExitControls: EXIT_TO_32, hostRip: 0x10_0000n },
    processor: NOT_LONG,
    capabilities: NO_INTEL_64,
  },
  'host.address-space.no-intel64-host': {
    fields: GUEST_32,
    processor: NOT_LONG,
    capabilities: NO_INTEL_64,
  },

  'machine-check.during-entry': { processor: { machineCheck: true } },
};

const RESUMING: VmcsDelta = { launched: true, processor: { instruction: 'vmresume' } };
const withEpt = (...names: readonly Control[]): VmcsDelta => set([...names, 'enableEpt'], ept);

/** States at the edge of a rule, where the smallest change of its example is none: it applies, and nothing is broken. */
export const EDGE_CONTROLS: Partial<Record<ControlAndHostRuleId, VmcsDelta>> = {
  'basic.not-in-vmx-operation': { processor: { operation: 'root' } },
  'basic.mode': {},
  'basic.non-root': { processor: { operation: 'root' } },
  'basic.cpl': { processor: { cpl: 0 } },
  'basic.current-vmcs-valid': { processor: { currentVmcs: 0 } },
  'basic.not-shadow-vmcs': { shadow: false },
  'basic.mov-ss-blocking': { processor: { movSsBlocking: false } },
  'basic.vmlaunch-clear': { launched: false },
  'basic.vmresume-launched': RESUMING,
  'basic.vmresume-after-vmxoff': RESUMING,
  'ctl.posted-interrupts.needs-delivery': set(POSTED),
  'ctl.pml.needs-ept': withEpt('enablePml'),
  'ctl.unrestricted-guest.needs-ept': withEpt('unrestrictedGuest'),
  'ctl.mbe.needs-ept': withEpt('modeBasedExecuteControl'),
  'ctl.spp.needs-ept': withEpt('subPageWritePermissions'),
  'ctl.eptp-switching.needs-ept': withEpt('eptpSwitching'),
  'ctl.pt-guest-physical.needs-ept': set(
    ['ptUsesGuestPhysicalAddresses', 'enableEpt', 'clearIa32RtitCtl', 'loadIa32RtitCtl'],
    ept,
  ),
  'ctl.hlat.needs-ept': withEpt('enableHlat'),
  'ctl.paging-write.needs-ept': withEpt('eptPagingWriteControl'),
  'ctl.guest-paging-verification.needs-ept': withEpt('guestPagingVerification'),
  'ctl.apic-timer.needs-virtual-interrupt-delivery': set(APIC_TIMER, { virtualTimerVector: 0x20n }),
  'ctl.inject.type-other-event': { fields: inject(7, 0) },
  'smm.executive-vmcs.pointer': returning({}),
  'smm.executive-vmcs.launched': returning({}),
  'smm.executive-vmcs.is-vmxon': {
    ...returning({ fields: { executiveVmcsPointer: BigInt(VMXON_POINTER), vmEntryControls: 0x1bfbn } }),
    memory: { [VMXON_POINTER]: 4 },
  },
  'smm.executive-vmcs.controls': returning({}),
  'machine-check.during-entry': { processor: { machineCheck: false } },
};
