// What the manual's steps of VM entry and VM exit predict of a guest in which nothing is executed.
import type { Setting } from '../../spec/vmx/dynamics/whole-machine';
import type { MachineState } from '../../src/api';
import type { Control, VmcsField } from '../../src/api/vmx';

export interface Before {
  /** A field as software wrote it. */
  readonly of: (name: VmcsField) => bigint;
  readonly has: (control: Control) => boolean;
  readonly host: MachineState['processors'][number];
  /** 37 or 52. */
  readonly reason: bigint;
  readonly hostPaging: NonNullable<Setting['host']>;
  /** The processor can load CET state and PKRS by VM entry. */
  readonly isNew: boolean;
}
export type Prediction = (before: Before) => bigint;

/** ET, 15:6, 17, 28:19, NW and CD. SDM Vol. 3C, 27.3.2.1, 28.5.1 */
const CR0_KEPT = 0x7ffa_ffd0n;
const UNUSABLE = 0x1_0000n;
const guestCr0: Prediction = ({ of, host }) => (of('guestCr0') & ~CR0_KEPT) | (host.control.cr0 & CR0_KEPT);
const loaded =
  (name: VmcsField, load: Control, otherwise: Prediction): Prediction =>
  (before) =>
    before.has(load) ? before.of(name) : otherwise(before);
/** Saved with a control, else the field stays. */
const savedWith =
  (save: Control, name: VmcsField, value: Prediction): Prediction =>
  (before) =>
    before.has(save) ? value(before) : before.of(name);

/** Saved by processors that can load it, whatever the controls. */
const savedWhere =
  (name: VmcsField, value: Prediction): Prediction =>
  (before) =>
    before.isNew ? value(before) : before.of(name);

const LMA = 0x400n;
const LME = 0x100n;
const PG = 0x8000_0000n;
/** LMA as the control says, LME with it where the guest has paging. SDM Vol. 3C, 27.3.2.1 */
const efer: Prediction = loaded('guestIa32Efer', 'loadGuestIa32Efer', ({ of, has, host }) => {
  const follows = (of('guestCr0') & PG) === 0n ? LMA : LMA | LME;
  return (host.control.efer & ~follows) | (has('ia32eModeGuest') ? follows : 0n);
});
const perfGlobalCtrl: Prediction = loaded(
  'guestIa32PerfGlobalCtrl',
  'loadGuestIa32PerfGlobalCtrl',
  ({ host }) => host.modelSpecific.perfGlobalCtrl,
);
const pkrs: Prediction = loaded('guestIa32Pkrs', 'loadGuestPkrs', ({ host }) => host.modelSpecific.pkrs);
const cet = (name: VmcsField, register: 'sCet' | 'ssp' | 'interruptSspTable'): Prediction =>
  loaded(name, 'loadGuestCetState', ({ host }) => host.modelSpecific[register]);
const hostCet = (name: VmcsField, guest: VmcsField, register: Parameters<typeof cet>[1]): Prediction =>
  loaded(name, 'loadHostCetState', cet(guest, register));

/** Fields that a VM entry followed at once by a VM exit changes; all others stay. */
export type Predictions = Partial<Record<VmcsField, Prediction>>;
export const FIELDS: Predictions = {
  // SDM Vol. 3C, 27.3.2.1 Loading Guest Control Registers, Debug Registers, and MSRs; 28.3.1
  guestCr0,
  guestDr7: savedWith('saveDebugControls', 'guestDr7', (before) =>
    before.has('loadDebugControls') ? (before.of('guestDr7') & ~0xd000n) | 0x400n : before.host.debug.dr7,
  ),
  guestIa32Debugctl: savedWith(
    'saveDebugControls',
    'guestIa32Debugctl',
    loaded('guestIa32Debugctl', 'loadDebugControls', ({ host }) => host.modelSpecific.debugctl),
  ),
  guestIa32Pat: savedWith(
    'saveIa32Pat',
    'guestIa32Pat',
    loaded('guestIa32Pat', 'loadGuestIa32Pat', ({ host }) => host.modelSpecific.pat),
  ),
  guestIa32Efer: savedWith('saveIa32Efer', 'guestIa32Efer', efer),
  guestIa32PerfGlobalCtrl: savedWith('saveIa32PerfGlobalCtl', 'guestIa32PerfGlobalCtrl', perfGlobalCtrl),
  guestIa32Pkrs: savedWhere('guestIa32Pkrs', pkrs),
  guestIa32SCet: savedWhere('guestIa32SCet', cet('guestIa32SCet', 'sCet')),
  guestSsp: savedWhere('guestSsp', cet('guestSsp', 'ssp')),
  guestIa32InterruptSspTableAddr: savedWhere(
    'guestIa32InterruptSspTableAddr',
    cet('guestIa32InterruptSspTableAddr', 'interruptSspTable'),
  ),
  // SDM Vol. 3C, 28.3.4 Saving Non-Register State
  guestPendingDebugExceptions: ({ of, reason }) => {
    const movSs = (of('guestInterruptibilityState') & 2n) !== 0n;
    return movSs || reason === 37n ? of('guestPendingDebugExceptions') : 0n;
  },
  // SDM Vol. 3C, 28.2 Recording VM-Exit Information and Updating VM-Entry Control Fields
  exitReason: ({ reason }) => reason,
  vmEntryInterruptionInfo: ({ of }) => of('vmEntryInterruptionInfo') & 0x7fff_ffffn,
};

export type Place = (cpu: MachineState['processors'][number]) => unknown;
const selected = (selector: VmcsField, base: VmcsField | undefined) => (before: Before) => ({
  selector: Number(before.of(selector)),
  base: base === undefined ? 0n : before.of(base),
  limit: 0xffff_ffff,
  accessRights: 0xc093 | (before.of(selector) === 0n ? Number(UNUSABLE) : 0),
});
/** The host after it and its HLT: each place and what is there. SDM Vol. 3C, 28.5 Loading Host State */
export const HOST: Readonly<Record<string, readonly [Place, (before: Before) => unknown]>> = {
  RIP: [({ rip }) => rip, ({ of }) => of('hostRip') + 1n],
  RFLAGS: [({ rflags }) => rflags, () => 2n],
  'general registers': [
    ({ registers }) => registers,
    ({ host, of }) => host.registers.with(4, of('hostRsp')),
  ],
  CR0: [
    ({ control }) => control.cr0,
    (before) => (before.of('hostCr0') & ~CR0_KEPT) | (guestCr0(before) & CR0_KEPT),
  ],
  CR3: [({ control }) => control.cr3, ({ of }) => of('hostCr3')],
  CR4: [({ control }) => control.cr4, ({ of }) => of('hostCr4')],
  IA32_EFER: [
    ({ control }) => control.efer,
    (before) =>
      (loaded('hostIa32Efer', 'loadHostIa32Efer', efer)(before) & ~(LMA | LME)) |
      (before.hostPaging === 'ia-32e' ? LMA | LME : 0n),
  ],
  IA32_PAT: [
    ({ modelSpecific }) => modelSpecific.pat,
    loaded(
      'hostIa32Pat',
      'loadHostIa32Pat',
      loaded('guestIa32Pat', 'loadGuestIa32Pat', ({ host }) => host.modelSpecific.pat),
    ),
  ],
  IA32_PERF_GLOBAL_CTRL: [
    ({ modelSpecific }) => modelSpecific.perfGlobalCtrl,
    loaded('hostIa32PerfGlobalCtrl', 'loadHostIa32PerfGlobalCtrl', perfGlobalCtrl),
  ],
  IA32_PKRS: [({ modelSpecific }) => modelSpecific.pkrs, loaded('hostIa32Pkrs', 'loadHostPkrs', pkrs)],
  IA32_S_CET: [({ modelSpecific }) => modelSpecific.sCet, hostCet('hostIa32SCet', 'guestIa32SCet', 'sCet')],
  SSP: [({ modelSpecific }) => modelSpecific.ssp, hostCet('hostSsp', 'guestSsp', 'ssp')],
  IA32_INTERRUPT_SSP_TABLE_ADDR: [
    ({ modelSpecific }) => modelSpecific.interruptSspTable,
    hostCet('hostIa32InterruptSspTableAddr', 'guestIa32InterruptSspTableAddr', 'interruptSspTable'),
  ],
  'PDPTE registers of a host in PAE paging': [
    ({ hidden, control: { cr4, efer } }) =>
      (cr4 & 0x20n) !== 0n && (efer & LMA) === 0n ? hidden.pdptes : 'not in use',
    ({ hostPaging, host }) => (hostPaging === 'pae' ? host.hidden.pdptes : 'not in use'),
  ],
  'debug registers': [({ debug }) => debug, ({ host }) => ({ ...host.debug, dr7: 0x400n })],
  IA32_DEBUGCTL: [({ modelSpecific }) => modelSpecific.debugctl, () => 0n],
  IA32_SYSENTER_CS: [({ modelSpecific }) => modelSpecific.sysenterCs, ({ of }) => of('hostIa32SysenterCs')],
  IA32_SYSENTER_ESP: [
    ({ modelSpecific }) => modelSpecific.sysenterEsp,
    ({ of }) => of('hostIa32SysenterEsp'),
  ],
  IA32_SYSENTER_EIP: [
    ({ modelSpecific }) => modelSpecific.sysenterEip,
    ({ of }) => of('hostIa32SysenterEip'),
  ],
  CS: [
    ({ segments }) => segments.cs,
    ({ of, hostPaging }) => ({
      selector: Number(of('hostCsSelector')),
      base: 0n,
      limit: 0xffff_ffff,
      accessRights: hostPaging === 'ia-32e' ? 0xa09b : 0xc09b,
    }),
  ],
  SS: [({ segments }) => segments.ss, selected('hostSsSelector', undefined)],
  DS: [({ segments }) => segments.ds, selected('hostDsSelector', undefined)],
  ES: [({ segments }) => segments.es, selected('hostEsSelector', undefined)],
  FS: [({ segments }) => segments.fs, selected('hostFsSelector', 'hostFsBase')],
  GS: [({ segments }) => segments.gs, selected('hostGsSelector', 'hostGsBase')],
  TR: [
    ({ segments }) => segments.tr,
    ({ of }) => ({
      selector: Number(of('hostTrSelector')),
      base: of('hostTrBase'),
      limit: 0x67,
      accessRights: 0x8b,
    }),
  ],
  'LDTR, unusable': [
    ({ segments }) => [segments.ldtr.selector, segments.ldtr.accessRights & 0x1_0000],
    () => [0, 0x1_0000],
  ],
  GDTR: [({ tables }) => tables.gdtr, ({ of }) => ({ base: of('hostGdtrBase'), limit: 0xffff })],
  IDTR: [({ tables }) => tables.idtr, ({ of }) => ({ base: of('hostIdtrBase'), limit: 0xffff })],
  'non-register state': [
    ({ hidden: { activity, blockingBySti, blockingByMovSs, blockingByNmi, pendingDebug } }) => [
      activity,
      blockingBySti,
      blockingByMovSs,
      blockingByNmi,
      pendingDebug,
    ],
    ({ of, has }) => [
      1,
      false,
      false,
      !has('virtualNmis') && (of('guestInterruptibilityState') & 8n) !== 0n,
      0,
    ],
  ],
  'other MSRs': [
    ({ modelSpecific: { star, lstar, cstar, fmask, tscAux, apicBase, miscEnable } }) => [
      star,
      lstar,
      cstar,
      fmask,
      tscAux,
      apicBase,
      miscEnable,
    ],
    ({
      host: {
        modelSpecific: { star, lstar, cstar, fmask, tscAux, apicBase, miscEnable },
      },
    }) => [star, lstar, cstar, fmask, tscAux, apicBase, miscEnable],
  ],
};
