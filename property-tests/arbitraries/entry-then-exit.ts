import fc from 'fast-check';
import {
  AT,
  PAE_TABLES,
  PAGE_DIRECTORY,
  type Setting,
  type Values,
  words,
} from '../../spec/vmx/dynamics/whole-machine';
import { processor } from '../../src/api';
import type { Control } from '../../src/api/vmx';

const KERNEL_GS_BASE = 0xc000_0102n;
const CR4_FREE = [2, 3, 6, 7, 8, 9, 10, 16, 17, 18, 20, 21].map((bit) => 1n << BigInt(bit));
const CR0_FREE = [1, 2, 3, 4, 16, 18, 29, 30].map((bit) => 1n << BigInt(bit));
const FLAGS_FREE = [0, 2, 4, 6, 7, 9, 10, 11, 12, 13, 14, 16, 18, 19, 20, 21].map((bit) => 1n << BigInt(bit));
const someOf = (bits: readonly bigint[]): fc.Arbitrary<bigint> =>
  fc.subarray([...bits]).map((chosen) => chosen.reduce((word, bit) => word | bit, 0n));
const canonical = fc
  .bigInt({ min: -(1n << 47n), max: (1n << 47n) - 1n })
  .map((value) => BigInt.asUintN(64, value));
const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const word16 = fc.nat(0xffff);
const patMemory = fc.constantFrom(0x0007_0406_0007_0406n, 0x0606_0606_0606_0606n, 0x0007_0501_0600_0406n);
/** A data segment: usable, or not, when its fields may hold anything. */
const segment = fc.oneof(
  fc.record({
    selector: word16.map((one) => one & 0xfffc),
    rights: fc.constantFrom(0xc093, 0xd091),
    limit: fc.constant(0xffff_ffff),
    base: fc.nat(0xffff),
  }),
  fc.record({ selector: word16, rights: fc.constant(0x1_0000), limit: fc.nat(), base: fc.nat() }),
);
const OPTIONAL = [
  'saveDebugControls',
  'loadDebugControls',
  'saveIa32Pat',
  'loadGuestIa32Pat',
  'loadHostIa32Pat',
  'saveIa32Efer',
  'loadGuestIa32Efer',
  'loadHostIa32Efer',
  'saveVmxPreemptionTimerValue',
  'nmiExiting',
  'externalInterruptExiting',
  'hltExiting',
  'useTscOffsetting',
] as const satisfies readonly Control[];

/** What the newest processors have beside. */
const NEWER = [
  'saveIa32PerfGlobalCtl',
  'loadGuestIa32PerfGlobalCtrl',
  'loadHostIa32PerfGlobalCtrl',
  'loadGuestCetState',
  'loadHostCetState',
  'loadGuestPkrs',
  'loadHostPkrs',
] as const satisfies readonly Control[];
const SKYLAKE = processor('skylake');
const EVERYTHING = processor('everything');

/** How the guest runs, and under which hosts. */
const MODES = {
  '64-bit': ['ia-32e'],
  '32-bit': ['ia-32e', '32-bit', 'pae'],
  pae: ['ia-32e', 'pae'],
  'virtual-8086': ['ia-32e', '32-bit', 'pae'],
  'real-address': ['ia-32e', '32-bit', 'pae'],
} as const;
type Mode = keyof typeof MODES;
const guestAndHost = fc
  .constantFrom(...(Object.keys(MODES) as Mode[]))
  .chain((mode) => fc.record({ mode: fc.constant(mode), host: fc.constantFrom(...MODES[mode]) }));

const LOW = 0xffff_ffffn;
const SELECTORS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'] as const;

/** What the checks on guest state want of a guest outside IA-32e mode. SDM Vol. 3C, 27.3.1 Checks on the Guest State Area */
const narrowed = (mode: Mode, fields: Values, bases: readonly bigint[]): Values => {
  if (mode === '64-bit') return fields;
  const cr4 = BigInt(fields.guestCr4!) & ~0x2_0020n;
  const narrow: Values = {
    ...fields,
    guestRip: bases[0] & LOW,
    guestRsp: bases[1] & LOW,
    guestCr4: mode === 'pae' ? cr4 | 0x20n : cr4,
    guestCr3: mode === 'pae' ? PAE_TABLES : PAGE_DIRECTORY,
    guestIa32Efer: BigInt(fields.guestIa32Efer!) & 1n,
    guestCsAccessRights: 0xc09b,
    guestCsBase: bases[2] & LOW,
    guestSsBase: bases[3] & LOW,
    guestPdpte0: PAE_TABLES + 0x1001,
    guestPdpte1: (bases[4] & 0x3f_ffff_f000n) | 1n,
    guestPdpte2: 0n,
    guestPdpte3: (bases[5] & 0x3f_ffff_f000n) | 0x19n,
  };
  if (mode === '32-bit' || mode === 'pae') return narrow;
  const rights = mode === 'virtual-8086' ? { data: 0xf3, code: 0xf3 } : { data: 0x93, code: 0x9b };
  const segments = SELECTORS.map((name, n): Values => {
    const selector = Number(bases[6 + n] & 0xfffcn);
    return {
      [`guest${name}Selector`]: selector,
      [`guest${name}Base`]: 16 * selector,
      [`guest${name}Limit`]: 0xffff,
      [`guest${name}AccessRights`]: name === 'Cs' ? rights.code : rights.data,
    };
  });
  return Object.assign(
    { ...narrow },
    ...segments,
    mode === 'virtual-8086'
      ? { guestRflags: BigInt(fields.guestRflags!) | 0x2_0000n }
      : { guestCr0: BigInt(fields.guestCr0!) & ~0x8000_0001n },
  );
};

/** A guest that VM entry accepts and that exits before it executes anything, by the preemption timer or the monitor trap flag; MSR areas of one entry each. */
export const entryThenExit: fc.Arbitrary<Setting> = fc
  .record({
    controls: fc.subarray([...OPTIONAL]),
    newer: fc.option(fc.subarray([...NEWER]), { nil: undefined }),
    place: guestAndHost,
    exits: fc.constantFrom('timer' as const, 'trap' as const),
    virtual: fc.boolean(),
    ept: fc.boolean(),
    cr0: someOf(CR0_FREE),
    hostCr0: someOf(CR0_FREE),
    cr4: someOf(CR4_FREE),
    // Pages of the host are user pages: it executes nothing with SMEP.
    hostCr4: someOf(CR4_FREE.filter((bit) => bit < 1n << 20n)),
    flags: someOf(FLAGS_FREE),
    interruptibility: fc.constantFrom(0, 1, 2, 8, 9, 10),
    pending: fc.nat(15),
    dr7: fc.nat(0x7fff_ffff),
    debugctl: fc.constantFrom(0, 1, 2, 0x41),
    bases: fc.array(canonical, { minLength: 20, maxLength: 20 }),
    segments: fc.array(segment, { minLength: 3, maxLength: 3 }),
    unusable: fc.record({ selector: word16, limit: fc.nat() }),
    selectors: fc.array(fc.integer({ min: 1, max: 0x1fff }), { minLength: 7, maxLength: 7 }),
    pats: fc.array(patMemory, { minLength: 3, maxLength: 3 }),
    limits: fc.array(word16, { minLength: 2, maxLength: 2 }),
    msrs: fc.array(canonical, { minLength: 3, maxLength: 3 }),
    registers: fc.array(word, { minLength: 16, maxLength: 16 }),
    timer: fc.nat(3),
    activity: fc.constantFrom(0, 1, 2),
    supervisor: fc.array(fc.nat(0xffff), { minLength: 2, maxLength: 2 }),
    counters: fc.array(fc.nat(15), { minLength: 2, maxLength: 2 }),
    sce: fc.boolean(),
  })
  .map((made): Setting => {
    const {
      bases,
      selectors,
      segments: [ds, es, gs],
      interruptibility,
      place: { mode, host },
    } = made;
    const wide = host === 'ia-32e';
    const unrestricted = mode === 'real-address';
    const blocked = (interruptibility & 3) !== 0;
    const efer = 0x500n | (made.sce ? 1n : 0n);
    const hostEfer = wide ? efer : efer & 1n;
    // HLT needs CPL 0, an injected MTF a processor that could be active.
    let activity = blocked ? 0 : made.activity;
    if ((mode === 'virtual-8086' && activity === 1) || (made.exits === 'trap' && activity === 2))
      activity = 0;
    const fieldsOf: Values = {
      // SDM Vol. 3C, 27.3.1 Checks on the Guest State Area
      guestCr0: 0x8000_0031n | made.cr0,
      guestCr4: 0x2020n | made.cr4,
      guestRflags: 2n | made.flags | ((interruptibility & 1) !== 0 ? 0x200n : 0n),
      guestInterruptibilityState: interruptibility,
      guestPendingDebugExceptions: made.pending,
      guestActivityState: activity,
      guestDr7: made.dr7,
      guestIa32Debugctl: made.debugctl,
      guestIa32Pat: made.pats[0],
      guestIa32Efer: efer,
      guestRip: bases[0],
      guestRsp: bases[1],
      guestIa32SysenterCs: made.limits[0],
      guestIa32SysenterEsp: bases[2],
      guestIa32SysenterEip: bases[3],
      guestFsBase: bases[4],
      guestGsBase: bases[5],
      guestGdtrBase: bases[6],
      guestIdtrBase: bases[7],
      guestTrBase: bases[8],
      guestLdtrBase: bases[9],
      guestGdtrLimit: made.limits[0],
      guestIdtrLimit: made.limits[1],
      guestDsSelector: ds.selector,
      guestDsAccessRights: ds.rights,
      guestDsLimit: ds.limit,
      guestDsBase: ds.base,
      guestEsSelector: es.selector,
      guestEsAccessRights: es.rights,
      guestEsLimit: es.limit,
      guestEsBase: es.base,
      guestGsSelector: gs.selector,
      guestGsAccessRights: gs.rights,
      guestGsLimit: gs.limit,
      guestLdtrSelector: made.unusable.selector,
      guestLdtrLimit: made.unusable.limit,
      // SDM Vol. 3C, 27.2.2, 27.2.3
      hostCr0: 0x8000_0031n | made.hostCr0,
      hostCr4:
        0x2000n | (host === '32-bit' ? 0x10n : 0x20n) | (wide ? made.hostCr4 : made.hostCr4 & ~0x2_0000n),
      hostRsp: bases[10],
      hostFsBase: bases[11],
      hostGsBase: bases[12],
      hostTrBase: bases[13],
      hostGdtrBase: bases[14],
      hostIdtrBase: bases[15],
      hostIa32SysenterEsp: bases[16],
      hostIa32SysenterEip: bases[17],
      hostIa32SysenterCs: made.limits[1],
      hostIa32Pat: made.pats[1],
      hostIa32Efer: hostEfer,
      guestIa32PerfGlobalCtrl: made.counters[0],
      hostIa32PerfGlobalCtrl: made.counters[1],
      guestIa32Pkrs: made.supervisor[0],
      hostIa32Pkrs: made.supervisor[1],
      guestIa32SCet: made.counters[0] & 3,
      hostIa32SCet: made.counters[1] & 3,
      guestSsp: bases[16] & (mode === '64-bit' ? ~3n : 0xffff_fffcn),
      hostSsp: bases[17] & (wide ? ~3n : 0xffff_fffcn),
      guestIa32InterruptSspTableAddr: bases[18],
      hostIa32InterruptSspTableAddr: bases[19],
      hostCsSelector: 8 * selectors[0],
      hostSsSelector: 8 * ((selectors[1] >> 6) + (wide ? 0 : 1)),
      hostDsSelector: 8 * selectors[2],
      hostEsSelector: 8 * (selectors[3] >> 8),
      hostFsSelector: 8 * selectors[4],
      hostGsSelector: 8 * (selectors[5] >> 12),
      hostTrSelector: 8 * selectors[6],
      vmEntryMsrLoadCount: 1,
      vmEntryMsrLoadAddress: AT.msrArea,
      vmExitMsrStoreCount: 1,
      vmExitMsrStoreAddress: AT.msrArea + 16,
      vmExitMsrLoadCount: 1,
      vmExitMsrLoadAddress: AT.msrArea + 32,
      ...(made.exits === 'timer'
        ? {}
        : { vmEntryInterruptionInfo: 0x8000_0700, vmxPreemptionTimerValue: made.timer + 1 }),
    };
    return {
      controls: [
        ...made.controls,
        ...(made.virtual ? (['nmiExiting', 'virtualNmis'] as const) : []),
        ...(made.newer ?? []),
        ...(made.ept || unrestricted ? (['activateSecondaryControls', 'enableEpt'] as const) : []),
        ...(unrestricted ? (['unrestrictedGuest'] as const) : []),
        ...(mode === '64-bit' ? (['ia32eModeGuest'] as const) : []),
        'activateVmxPreemptionTimer',
      ],
      without: [
        ...OPTIONAL.filter(
          (control) => !made.controls.includes(control) && !(made.virtual && control === 'nmiExiting'),
        ),
        ...(mode === '64-bit' ? [] : (['ia32eModeGuest'] as const)),
      ],
      processor: made.newer === undefined ? SKYLAKE : EVERYTHING,
      host,
      fields: narrowed(mode, fieldsOf, bases),
      registers: Object.fromEntries(made.registers.map((value, n) => [n, value])),
      memory: {
        [AT.msrArea]: words(KERNEL_GS_BASE, made.msrs[0], KERNEL_GS_BASE, 0n, KERNEL_GS_BASE, made.msrs[1]),
      },
    };
  });
