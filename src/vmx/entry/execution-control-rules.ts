import { EPT_VPID_CAP, VMX_MISC } from '../capabilities';
import type { Control, VmcsField } from '../vmcs';
import {
  aligned,
  type Extras,
  fixedOnes,
  fixedZeros,
  is0,
  is1,
  lastByteWithinWidth,
  memoryOf,
  notReturningFromSmm,
  type Row,
  rowsOf,
  valueIs,
  withinMaxPhyAddr,
  withinPhysicalWidth,
} from './control-terms';
import { all, always, bits, clear, lowHalf, nameOf, ofCapabilities, type Term, term } from './guest-terms';

// SDM Vol. 3C, 27.2.1.1 VM-Execution Control Fields
const row = rowsOf('VM-Execution Control Fields', { kind: 'VMfailValid', error: 7 });

/** On a return from SMM these apply to the executive VMCS instead (`smm.executive-vmcs.controls`). */
const rule = <const Id extends string>(id: Id, when: Term, holds: Term, extras?: Extras): Row<Id> =>
  row(id, notReturningFromSmm(when), holds, extras);

const needs = <const Id extends string>(
  id: Id,
  control: Control,
  needed: Control,
  extras?: Extras,
): Row<Id> => rule(id, is1(control), is1(needed), extras);

const excludes = <const Id extends string>(
  id: Id,
  control: Control,
  excluded: Control,
  extras?: Extras,
): Row<Id> => rule(id, is1(control), is0(excluded), extras);

/** The address of a 4-KiB page: two rows. */
const page = <const Name extends string>(name: Name, when: Term, field: VmcsField, extras?: Extras) =>
  [
    rule(`${name}.aligned`, when, aligned(field, 12), extras),
    rule(`${name}.width`, when, withinPhysicalWidth(field), extras),
  ] as const;

const of = (feature: string): Extras => ({ feature });
const unsettled = (feature: string): Extras => ({ feature, unconfirmed: true });

const capabilityNumber = (name: Parameters<typeof EPT_VPID_CAP.get>[1]) =>
  ofCapabilities(({ ia32VmxEptVpidCap = 0n }) => Number(EPT_VPID_CAP.get(ia32VmxEptVpidCap, name)));

const EPTP = lowHalf('eptPointer');

/** Bits of EPTP[11:0] hold a value that the capability of that value allows; `allowing[value]` is its name. */
const eptpIs = (
  high: number,
  low: number,
  says: string,
  allowing: Readonly<Record<number, ReturnType<typeof capabilityNumber>>>,
): Term => {
  const mask = 2 ** (high - low + 1) - 1;
  return term(`EPTP[${high}:${low}] ${says}`, ['eptPointer'], (context) => {
    const capability = allowing[(context.vmcs.halves[EPTP] >>> low) & mask];
    return capability !== undefined && capability(context) !== 0;
  });
};

/** A bit of EPTP that is reserved where the capability is missing. */
const eptpBit = (bit: number, says: string, capability: ReturnType<typeof capabilityNumber>): Term =>
  term(
    `EPTP[${bit}] = 0 unless ${says}`,
    ['eptPointer'],
    (context) => ((context.vmcs.halves[EPTP] >>> bit) & 1) === 0 || capability(context) !== 0,
  );

/** Bits 31:0 of a field are at most a number that the capabilities say. */
const atMost = (field: VmcsField, limit: ReturnType<typeof capabilityNumber>, says: string): Term => {
  const low = lowHalf(field);
  return term(
    `${nameOf(field)} is at most ${says}`,
    [field],
    (context) => context.vmcs.halves[low] >>> 0 <= limit(context),
  );
};

const cr3TargetLimit = ofCapabilities(({ ia32VmxMisc }) =>
  Number(VMX_MISC.get(ia32VmxMisc, 'cr3TargetCount')),
);

const VIRTUAL_APIC = lowHalf('virtualApicAddress');
const TPR_THRESHOLD = lowHalf('tprThreshold');
const VTPR_OFFSET = 0x80;

const thresholdWithinVtpr = term(
  'TPR threshold[3:0] is at most VTPR[7:4]',
  ['tprThreshold', 'virtualApicAddress'],
  (context) => {
    const { vmcs } = context;
    const base = (vmcs.halves[VIRTUAL_APIC] >>> 0) + vmcs.halves[VIRTUAL_APIC + 1] * 2 ** 32;
    const vtpr = memoryOf(context).read32(base + VTPR_OFFSET);
    return (vmcs.halves[TPR_THRESHOLD] & 15) <= ((vtpr >>> 4) & 15);
  },
);

const noDelivery = all(is1('useTprShadow'), is0('virtualInterruptDelivery'));
const postedInterrupts = is1('processPostedInterrupts');
const ept = is1('enableEpt');
const hlat = is1('enableHlat');
const ipi = is1('ipiVirtualization');
const spp = is1('subPageWritePermissions');
const shadowing = is1('vmcsShadowing');
const pasid = is1('pasidTranslation');
const traceEnabled = term(
  'IA32_RTIT_CTL.TraceEn = 1 at VM entry',
  ['processor.traceEnabled'],
  ({ processor }) => processor.traceEnabled,
);

/** In any order. SDM Vol. 3C, 27.2.1.1 VM-Execution Control Fields */
export const executionControlRules = [
  rule('ctl.pin.allowed0', always, fixedOnes('pinBasedControls', 'IA32_VMX_(TRUE_)PINBASED_CTLS')),
  rule('ctl.pin.allowed1', always, fixedZeros('pinBasedControls', 'IA32_VMX_(TRUE_)PINBASED_CTLS[63:32]')),
  rule('ctl.proc1.allowed0', always, fixedOnes('primaryProcBasedControls', 'IA32_VMX_(TRUE_)PROCBASED_CTLS')),
  rule(
    'ctl.proc1.allowed1',
    always,
    fixedZeros('primaryProcBasedControls', 'IA32_VMX_(TRUE_)PROCBASED_CTLS[63:32]'),
  ),
  rule(
    'ctl.proc2.allowed1',
    is1('activateSecondaryControls'),
    fixedZeros('secondaryProcBasedControls', 'IA32_VMX_PROCBASED_CTLS2[63:32]'),
  ),
  rule(
    'ctl.proc3.allowed1',
    is1('activateTertiaryControls'),
    fixedZeros('tertiaryProcBasedControls', 'IA32_VMX_PROCBASED_CTLS3'),
    of('tertiary controls'),
  ),
  rule('ctl.cr3-target-count', always, atMost('cr3TargetCount', cr3TargetLimit, 'IA32_VMX_MISC[24:16]')),
  ...page('ctl.io-bitmap-a', is1('useIoBitmaps'), 'ioBitmapAAddress'),
  ...page('ctl.io-bitmap-b', is1('useIoBitmaps'), 'ioBitmapBAddress'),
  ...page('ctl.msr-bitmap', is1('useMsrBitmaps'), 'msrBitmapAddress'),
  ...page('ctl.virtual-apic', is1('useTprShadow'), 'virtualApicAddress'),
  rule('ctl.tpr-threshold.reserved', noDelivery, clear('tprThreshold', bits(31, 4))),
  rule(
    'ctl.tpr-threshold.vtpr',
    all(
      noDelivery,
      is0('virtualizeApicAccesses'),
      all(aligned('virtualApicAddress', 12), withinPhysicalWidth('virtualApicAddress')),
    ),
    thresholdWithinVtpr,
    { needsMemory: 'virtual-APIC page' },
  ),
  rule('ctl.nmi.virtual-nmis-need-exiting', is0('nmiExiting'), is0('virtualNmis')),
  rule('ctl.nmi.window-needs-virtual-nmis', is0('virtualNmis'), is0('nmiWindowExiting')),
  ...page('ctl.apic-access', is1('virtualizeApicAccesses'), 'apicAccessAddress'),
  rule('ctl.tpr-shadow.x2apic-mode', is0('useTprShadow'), is0('virtualizeX2apicMode')),
  rule('ctl.tpr-shadow.apic-register-virtualization', is0('useTprShadow'), is0('apicRegisterVirtualization')),
  rule('ctl.tpr-shadow.virtual-interrupt-delivery', is0('useTprShadow'), is0('virtualInterruptDelivery')),
  rule(
    'ctl.tpr-shadow.ipi-virtualization',
    is0('useTprShadow'),
    is0('ipiVirtualization'),
    unsettled('IPI virtualization'),
  ),
  excludes('ctl.x2apic-excludes-apic-accesses', 'virtualizeX2apicMode', 'virtualizeApicAccesses'),
  needs(
    'ctl.virtual-interrupt-delivery.needs-external-interrupt-exiting',
    'virtualInterruptDelivery',
    'externalInterruptExiting',
  ),
  needs('ctl.posted-interrupts.needs-delivery', 'processPostedInterrupts', 'virtualInterruptDelivery'),
  needs('ctl.posted-interrupts.needs-ack', 'processPostedInterrupts', 'acknowledgeInterruptOnExit'),
  rule(
    'ctl.posted-interrupts.vector',
    postedInterrupts,
    clear('postedInterruptNotificationVector', bits(15, 8)),
  ),
  rule(
    'ctl.posted-interrupts.descriptor.aligned',
    postedInterrupts,
    aligned('postedInterruptDescriptorAddress', 6),
  ),
  rule(
    'ctl.posted-interrupts.descriptor.width',
    postedInterrupts,
    withinPhysicalWidth('postedInterruptDescriptorAddress'),
  ),
  rule(
    'ctl.vpid.nonzero',
    is1('enableVpid'),
    valueIs('vpid', 'is not 0', (value) => value !== 0n),
  ),
  rule(
    'ctl.eptp.memory-type',
    ept,
    eptpIs(2, 0, 'is a supported memory type: 0 (UC) or 6 (WB)', {
      0: capabilityNumber('memtypeUc'),
      6: capabilityNumber('memtypeWb'),
    }),
  ),
  rule(
    'ctl.eptp.walk-length',
    ept,
    eptpIs(5, 3, 'is a supported walk length less one: 3 or 4', {
      3: capabilityNumber('walkLength4'),
      4: capabilityNumber('walkLength5'),
    }),
  ),
  rule(
    'ctl.eptp.accessed-dirty',
    ept,
    eptpBit(6, 'accessed and dirty flags are supported', capabilityNumber('accessedDirty')),
  ),
  rule(
    'ctl.eptp.supervisor-shadow-stack',
    ept,
    eptpBit(7, 'supervisor shadow-stack control is supported', capabilityNumber('supervisorShadowStack')),
    of('CET'),
  ),
  rule('ctl.eptp.reserved', ept, clear('eptPointer', bits(11, 8))),
  rule('ctl.eptp.width', ept, withinMaxPhyAddr('eptPointer')),
  needs('ctl.pml.needs-ept', 'enablePml', 'enableEpt'),
  ...page('ctl.pml-address', is1('enablePml'), 'pmlAddress'),
  needs('ctl.unrestricted-guest.needs-ept', 'unrestrictedGuest', 'enableEpt'),
  needs('ctl.mbe.needs-ept', 'modeBasedExecuteControl', 'enableEpt', of('MBE')),
  needs('ctl.spp.needs-ept', 'subPageWritePermissions', 'enableEpt', of('SPP')),
  ...page('ctl.spp-table', spp, 'subPagePermissionTablePointer', of('SPP')),
  rule(
    'ctl.vm-functions.reserved',
    is1('enableVmFunctions'),
    fixedZeros('vmFunctionControls', 'IA32_VMX_VMFUNC'),
  ),
  needs('ctl.eptp-switching.needs-ept', 'eptpSwitching', 'enableEpt'),
  ...page('ctl.eptp-list', is1('eptpSwitching'), 'eptpListAddress'),
  ...page('ctl.vmread-bitmap', shadowing, 'vmreadBitmapAddress'),
  ...page('ctl.vmwrite-bitmap', shadowing, 'vmwriteBitmapAddress'),
  ...page('ctl.ve-information', is1('eptViolationVe'), 'virtualizationExceptionInfoAddress'),
  rule('ctl.pt.trace-enabled', traceEnabled, is0('loadIa32RtitCtl'), of('Intel PT')),
  needs('ctl.pt-guest-physical.needs-ept', 'ptUsesGuestPhysicalAddresses', 'enableEpt', of('Intel PT')),
  needs(
    'ctl.pt-guest-physical.needs-load-rtit-ctl',
    'ptUsesGuestPhysicalAddresses',
    'loadIa32RtitCtl',
    of('Intel PT'),
  ),
  needs(
    'ctl.pt-guest-physical.needs-clear-rtit-ctl',
    'ptUsesGuestPhysicalAddresses',
    'clearIa32RtitCtl',
    of('Intel PT'),
  ),
  rule(
    'ctl.tsc-multiplier.nonzero',
    is1('useTscScaling'),
    valueIs('tscMultiplier', 'is not 0', (value) => value !== 0n),
    of('TSC scaling'),
  ),
  needs('ctl.hlat.needs-ept', 'enableHlat', 'enableEpt', unsettled('HLAT')),
  rule('ctl.hlat.pointer-reserved', hlat, clear('hlatPointer', bits(11, 5) | bits(2, 0)), unsettled('HLAT')),
  rule('ctl.hlat.pointer-width', hlat, withinPhysicalWidth('hlatPointer'), unsettled('HLAT')),
  rule(
    'ctl.hlat.prefix-size',
    hlat,
    atMost('hlatPrefixSize', capabilityNumber('maxHlatPrefixSize'), 'IA32_VMX_EPT_VPID_CAP[53:48]'),
    unsettled('HLAT'),
  ),
  needs('ctl.paging-write.needs-ept', 'eptPagingWriteControl', 'enableEpt', unsettled('HLAT')),
  needs('ctl.guest-paging-verification.needs-ept', 'guestPagingVerification', 'enableEpt', unsettled('HLAT')),
  rule(
    'ctl.ipi.pid-table-aligned',
    ipi,
    aligned('pidPointerTableAddress', 3),
    unsettled('IPI virtualization'),
  ),
  rule('ctl.ipi.pid-table-width', ipi, withinPhysicalWidth('pidPointerTableAddress'), {
    ...unsettled('IPI virtualization'),
    impliedBy: ['ctl.ipi.last-entry-width'],
  }),
  rule(
    'ctl.ipi.last-entry-width',
    ipi,
    lastByteWithinWidth(
      'pidPointerTableAddress',
      'lastPidPointerIndex',
      (last) => 8n * last + 1n,
      'the last entry of the PID-pointer table is within the physical-address width',
    ),
    unsettled('IPI virtualization'),
  ),
  needs(
    'ctl.apic-timer.needs-virtual-interrupt-delivery',
    'apicTimerVirtualization',
    'virtualInterruptDelivery',
    of('APIC-timer virtualization'),
  ),
  excludes(
    'ctl.apic-timer.rdtsc-exiting',
    'apicTimerVirtualization',
    'rdtscExiting',
    of('APIC-timer virtualization'),
  ),
  rule(
    'ctl.apic-timer.vector',
    is1('apicTimerVirtualization'),
    clear('virtualTimerVector', bits(15, 8)),
    of('APIC-timer virtualization'),
  ),
  ...page('ctl.pasid-low-directory', pasid, 'lowPasidDirectoryAddress', unsettled('PASID translation')),
  ...page('ctl.pasid-high-directory', pasid, 'highPasidDirectoryAddress', unsettled('PASID translation')),
] as const satisfies readonly Row<string>[];
