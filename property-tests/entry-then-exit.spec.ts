// VM entry and VM exit with nothing executed in between: field by field, register by register, what the manual's steps predict.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AT, beforeLaunch, field, type Setting } from '../spec/vmx/dynamics/whole-machine';
import { type MachineState, step } from '../src/api';
import { type Control, FIELD_NAMES, type VmcsField } from '../src/api/vmx';
import { entryThenExit } from './arbitraries/entry-then-exit';

type Before = {
  /** A field as software wrote it. */
  readonly of: (name: VmcsField) => bigint;
  readonly has: (control: Control) => boolean;
  readonly host: MachineState['processors'][number];
  /** 37 or 52. */
  readonly reason: bigint;
};
type Prediction = (before: Before) => bigint;

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

/** Fields that a VM entry followed at once by a VM exit changes; all others stay. */
const FIELDS: Partial<Record<VmcsField, Prediction>> = {
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
  guestIa32Efer: savedWith(
    'saveIa32Efer',
    'guestIa32Efer',
    loaded('guestIa32Efer', 'loadGuestIa32Efer', ({ host }) => host.control.efer),
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

type Place = (cpu: MachineState['processors'][number]) => unknown;
const selected = (selector: VmcsField, base: VmcsField | undefined) => (before: Before) => ({
  selector: Number(before.of(selector)),
  base: base === undefined ? 0n : before.of(base),
  limit: 0xffff_ffff,
  accessRights: 0xc093 | (before.of(selector) === 0n ? Number(UNUSABLE) : 0),
});
/** The host after it and its HLT: each place and what is there. SDM Vol. 3C, 28.5 Loading Host State */
const HOST: Readonly<Record<string, readonly [Place, (before: Before) => unknown]>> = {
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
    loaded(
      'hostIa32Efer',
      'loadHostIa32Efer',
      loaded('guestIa32Efer', 'loadGuestIa32Efer', ({ host }) => host.control.efer),
    ),
  ],
  IA32_PAT: [
    ({ modelSpecific }) => modelSpecific.pat,
    loaded(
      'hostIa32Pat',
      'loadHostIa32Pat',
      loaded('guestIa32Pat', 'loadGuestIa32Pat', ({ host }) => host.modelSpecific.pat),
    ),
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
    ({ of }) => ({
      selector: Number(of('hostCsSelector')),
      base: 0n,
      limit: 0xffff_ffff,
      accessRights: 0xa09b,
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

const MOST_STEPS = 4;
/** VM entry and the exit that follows; the states before and after. */
const roundTrip = (
  chosen: Setting,
): { readonly before: Before; readonly state: MachineState; readonly from: MachineState } => {
  const from = beforeLaunch(chosen);
  let state = step(from).state;
  for (let steps = 0; state.processors[0].nonRoot && steps < MOST_STEPS; steps++) state = step(state).state;
  const of = (name: VmcsField): bigint => field(from, name);
  const has = (control: Control): boolean => chosen.controls!.includes(control);
  const reason = of('vmEntryInterruptionInfo') === 0n ? 52n : 37n;
  return { before: { of, has, host: from.processors[0], reason }, state, from };
};

type Predictions = Partial<Record<VmcsField, Prediction>>;
const fieldsAre = (predictions: Predictions) =>
  fc.property(entryThenExit, (chosen) => {
    const { before, state } = roundTrip(chosen);
    const after = Object.fromEntries(FIELD_NAMES.map((name) => [name, field(state, name)]));
    const predicted = FIELD_NAMES.map((name) => [
      name,
      (predictions[name] ?? (({ of }) => of(name)))(before),
    ]);
    expect(after).toEqual(Object.fromEntries(predicted));
  });
const numRuns = Number(process.env.VTMODEL_RUNS ?? 150);

describe('VM entry, then VM exit with nothing executed', () => {
  it('gives field by field what the steps of the manual predict', () => {
    fc.assert(fieldsAre(FIELDS), { numRuns });
  });

  it.each(Object.keys(FIELDS) as VmcsField[])('is refuted where %s stays as it was', (name) => {
    const { [name]: _, ...others } = FIELDS;
    expect(fc.check(fieldsAre(others), { numRuns, endOnFailure: true }).failed).toBe(true);
  });

  it('leaves the host place by place as the steps of the manual predict, and the MSR areas', () => {
    fc.assert(
      fc.property(entryThenExit, (chosen) => {
        const { before, state, from } = roundTrip(chosen);
        const [cpu] = state.processors;
        for (const [name, [place, predicted]] of Object.entries(HOST))
          expect(place(cpu), name).toEqual(predicted(before));
        const areas = ({ memory }: MachineState): readonly bigint[] => [
          ...new BigUint64Array(Uint8Array.from(memory.read(AT.msrArea, 48)).buffer),
        ];
        const [entry, entered, store, , exit, loadedOnExit] = areas(from);
        expect(areas(state)).toEqual([entry, entered, store, entered, exit, loadedOnExit]);
        expect(cpu.modelSpecific.kernelGsBase).toBe(loadedOnExit);
      }),
      { numRuns },
    );
  });
});
