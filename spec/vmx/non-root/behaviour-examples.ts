import { processor } from '../../../src/api';
import type { ExitReason, VmcsField } from '../../../src/api/vmx';
import { AT, PAE_TABLES, type Setting, TABLES } from '../dynamics/whole-machine';

/** What a guest program shows when it exits: in the VMCS, in its registers by number, and in the MSRs of the host by name. */
export interface Shown extends Setting {
  readonly exit: ExitReason;
  /** Of an exception; the bitmap then names all of them. */
  readonly vector?: number;
  readonly values?: Partial<Record<VmcsField, bigint>>;
  readonly general?: Readonly<Record<number, bigint>>;
  readonly control?: Partial<Record<'cr0' | 'cr2' | 'cr3' | 'cr4' | 'efer', bigint>>;
  readonly modelSpecific?: Readonly<Record<string, bigint>>;
  readonly breakpoints?: Readonly<Record<string, bigint>>;
}

export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const VMCALL = [0x0f, 0x01, 0xc1];
export const CR0 = 0x8000_0031n;
const UMIP = 0x800n;
const TSD = 4n;
const everything = processor('everything');

/** The program and a VMCALL. */
export const runs = (guest: readonly number[], more: Omit<Shown, 'exit'> = {}): Shown => ({
  ...more,
  guest: [...guest, ...VMCALL],
  exit: 'vmcall',
});
export const faults = (vector: number, guest: readonly number[], more: Omit<Shown, 'exit'> = {}): Shown => ({
  ...more,
  guest,
  exit: 'exceptionOrNmi',
  vector,
});
export const exits = (exit: ExitReason, guest: readonly number[], more: Omit<Shown, 'exit'> = {}): Shown => ({
  ...more,
  guest,
  exit,
});
export const GP = 13;
export const UD = 6;

export const user = {
  guestCsSelector: 0x0b,
  guestSsSelector: 0x13,
  guestCsAccessRights: 0xa0fb,
  guestSsAccessRights: 0xc0f3,
} as const;
/** A 32-bit guest without paging, unrestricted. */
export const unpaged = {
  controls: ['activateSecondaryControls', 'enableEpt', 'unrestrictedGuest'],
  without: ['ia32eModeGuest'],
} as const satisfies Pick<Setting, 'controls' | 'without'>;
export const UNPAGED = { guestCr0: 0x31n, guestCsAccessRights: 0xc09b } as const;
const REAL = {
  guestCr0: 0x30n,
  guestCsAccessRights: 0x9b,
  guestSsAccessRights: 0x93,
  guestDsAccessRights: 0x93,
  guestEsAccessRights: 0x93,
  guestCsSelector: 0,
  guestSsSelector: 0,
  guestDsSelector: 0,
  guestEsSelector: 0,
  guestCsLimit: 0xffff,
  guestSsLimit: 0xffff,
  guestDsLimit: 0xffff,
  guestEsLimit: 0xffff,
} as const;
/** RDMSR and WRMSR without exits. */
export const msrs = { controls: ['useMsrBitmaps'], fields: { msrBitmapAddress: AT.msrBitmap } } as const;

const bytes32 = (value: number): readonly number[] => [0, 8, 16, 24].map((at) => (value >>> at) & 0xff);
const movEcx = (value: number): readonly number[] => [0xb9, ...bytes32(value)];
const RDMSR = [0x0f, 0x32];
export const rdmsr = (index: number): readonly number[] => [...movEcx(index), ...RDMSR];
export const wrmsr = (index: number, low: number, high = 0): readonly number[] => [
  ...movEcx(index),
  ...[0xb8, ...bytes32(low)],
  ...[0xba, ...bytes32(high)],
  ...[0x0f, 0x30],
];

export const MOV_RBX_CR0 = [0x0f, 0x20, 0xc3];
export const MOV_CR0_RBX = [0x0f, 0x22, 0xc3];
const MOV_RBX_CR4 = [0x0f, 0x20, 0xe3];
export const MOV_CR4_RBX = [0x0f, 0x22, 0xe3];
const MOV_CR3_RBX = [0x0f, 0x22, 0xdb];
const CLTS = [0x0f, 0x06];
const LMSW_BX = [0x0f, 0x01, 0xf3];
const RDTSC = [0x0f, 0x31];
const TS = 8n;

export const cr0 = (mask: bigint, shadow: bigint) => ({ cr0GuestHostMask: mask, cr0ReadShadow: shadow });
export const cr4 = (mask: bigint, shadow: bigint) => ({ cr4GuestHostMask: mask, cr4ReadShadow: shadow });

const REGISTERS = {
  'MOV from CR0 shows the shadow where the mask is 1': runs(MOV_RBX_CR0, {
    fields: cr0(0x8000_0001n, 0n),
    general: { [RBX]: 0x30n },
  }),
  'SMSW of 16 bits leaves the rest': runs([0x66, 0x0f, 0x01, 0xe3], {
    fields: cr0(0x30n, 0x10n),
    registers: { [RBX]: 0xffff_ffff_ffff_ffffn },
    general: { [RBX]: 0xffff_ffff_ffff_0011n },
  }),
  'SMSW of 32 bits clears the upper half': runs([0x0f, 0x01, 0xe3], {
    fields: cr0(0xf_0000_0030n, 0x5_0000_0010n),
    registers: { [RBX]: 0xffff_ffff_ffff_ffffn },
    general: { [RBX]: 0x8000_0011n },
  }),
  'SMSW of 64 bits shows all of them': runs([0x48, 0x0f, 0x01, 0xe3], {
    fields: cr0(0xf_0000_0030n, 0x5_0000_0010n),
    general: { [RBX]: 0x5_8000_0011n },
  }),
  'what is shown can be impossible': runs(MOV_RBX_CR0, {
    fields: cr0(0xffff_ffff_ffff_ffffn, 0x10n),
    general: { [RBX]: 0x10n },
  }),
  'the processor itself looks at CR0: TS is 0 (FNOP)': runs([0xd9, 0xd0], { fields: cr0(TS, TS) }),
  'the processor itself looks at CR0: TS is 1 (FNOP)': faults(7, [0xd9, 0xd0], {
    fields: { ...cr0(TS, 0n), guestCr0: CR0 | TS },
  }),
  'SMSW of a user where CR4.UMIP is 1 and its shadow 0': faults(GP, [0x0f, 0x01, 0xe3], {
    processor: everything,
    fields: { ...user, ...cr4(UMIP, 0n), guestCr4: 0x2020n | UMIP },
  }),
  'MOV from CR4 shows the shadow where the mask is 1': runs(MOV_RBX_CR4, {
    fields: cr4(0x2000n, 0n),
    general: { [RBX]: 0x20n },
  }),
  'the processor itself looks at CR4: TSD is 1': faults(GP, RDTSC, {
    fields: { ...user, ...cr4(TSD, 0n), guestCr4: 0x2020n | TSD },
  }),
  'a write of CR0 exits where a masked bit differs from the shadow': exits(
    'controlRegisterAccess',
    MOV_CR0_RBX,
    {
      fields: cr0(TS, 0n),
      registers: { [RBX]: CR0 | TS },
      values: { exitQualification: 0x300n, guestCr0: CR0 },
    },
  ),
  'masked bits of CR0 keep their value, the others come from the source': runs(MOV_CR0_RBX, {
    fields: { ...cr0(TS, 0n), guestCr0: CR0 | TS },
    registers: { [RBX]: CR0 | 2n },
    values: { guestCr0: CR0 | TS | 2n },
  }),
  'an unmasked bit of CR0 that VMX fixes': faults(GP, MOV_CR0_RBX, {
    registers: { [RBX]: CR0 & ~0x20n },
    values: { guestCr0: CR0 },
  }),
  'the merged value is what must be legal': runs(MOV_CR0_RBX, {
    fields: cr0(0x20n, 0n),
    registers: { [RBX]: CR0 & ~0x20n },
    values: { guestCr0: CR0 },
  }),
  'PE and PG of an unrestricted guest are free': runs(MOV_CR0_RBX, {
    ...unpaged,
    fields: { ...UNPAGED, guestCr0: CR0, guestCr3: PAE_TABLES, guestPdpte0: (PAE_TABLES + 0x1000) | 1 },
    registers: { [RBX]: 0x31n },
    values: { guestCr0: 0x31n },
  }),
  'but not its other fixed bits': faults(GP, MOV_CR0_RBX, {
    ...unpaged,
    fields: UNPAGED,
    registers: { [RBX]: 0x11n },
  }),
  'PG without PE': faults(GP, MOV_CR0_RBX, {
    ...unpaged,
    fields: UNPAGED,
    registers: { [RBX]: 0x8000_0030n },
  }),
  'PG without PAE where LME is 1': faults(GP, MOV_CR0_RBX, {
    ...unpaged,
    controls: [...unpaged.controls, 'loadGuestIa32Efer'],
    fields: { ...UNPAGED, guestIa32Efer: 0x100n, guestCr4: 0x2000n },
    registers: { [RBX]: CR0 },
  }),
  'NW without CD': faults(GP, MOV_CR0_RBX, { registers: { [RBX]: CR0 | 0x2000_0000n } }),
  'PG cleared in 64-bit mode': faults(GP, MOV_CR0_RBX, {
    ...unpaged,
    without: [],
    registers: { [RBX]: 0x31n },
  }),
  'paging with LME is IA-32e mode, which the next exit tells': runs(MOV_CR0_RBX, {
    ...unpaged,
    controls: [...unpaged.controls, 'loadGuestIa32Efer', 'saveIa32Efer'],
    fields: { ...UNPAGED, guestIa32Efer: 0x100n, guestCr3: TABLES },
    registers: { [RBX]: CR0 },
    values: { guestIa32Efer: 0x500n, vmEntryControls: 0x93fbn },
  }),
  'CLTS clears TS of a guest that owns it': runs(CLTS, {
    fields: { ...cr0(0n, TS), guestCr0: CR0 | TS },
    values: { guestCr0: CR0 },
  }),
  'CLTS leaves TS alone where mask is 1 and shadow 0': runs(CLTS, {
    fields: { ...cr0(TS, 0n), guestCr0: CR0 | TS },
    values: { guestCr0: CR0 | TS },
  }),
  'CLTS exits where both are 1': exits('controlRegisterAccess', CLTS, {
    fields: cr0(TS, TS),
    values: { exitQualification: 0x20n },
  }),
  'LMSW exits when it would set a masked PE': exits('controlRegisterAccess', LMSW_BX, {
    fields: cr0(1n, 0n),
    registers: { [RBX]: 1n },
    values: { exitQualification: 0x1_0030n },
  }),
  'LMSW that does not set a masked PE': runs(LMSW_BX, { fields: cr0(1n, 1n), registers: { [RBX]: 0n } }),
  'LMSW exits when masked bits 3:1 differ from the shadow': exits('controlRegisterAccess', LMSW_BX, {
    fields: cr0(2n, 2n),
    registers: { [RBX]: 0n },
  }),
  'LMSW takes unmasked bits from the source, and never clears PE': runs(LMSW_BX, {
    fields: { ...cr0(2n, 2n), guestCr0: CR0 | TS },
    registers: { [RBX]: 0xfff6n },
    values: { guestCr0: CR0 | 4n },
  }),
  'a write of CR4 exits where a masked bit differs from the shadow': exits(
    'controlRegisterAccess',
    MOV_CR4_RBX,
    {
      fields: cr4(0x2000n, 0n),
      registers: { [RBX]: 0x2020n },
      values: { exitQualification: 0x304n, guestCr4: 0x2020n },
    },
  ),
  'masked bits of CR4 keep their value: a guest clears the VMXE that it never saw': runs(MOV_CR4_RBX, {
    fields: cr4(0x2000n, 0n),
    registers: { [RBX]: 0x28n },
    values: { guestCr4: 0x2028n },
  }),
  'VMXE cleared': faults(GP, MOV_CR4_RBX, { registers: { [RBX]: 0x20n } }),
  'a reserved bit of CR4': faults(GP, MOV_CR4_RBX, { registers: { [RBX]: 0x800_2020n } }),
  'PAE cleared in IA-32e mode': faults(GP, MOV_CR4_RBX, { registers: { [RBX]: 0x2000n } }),
  'PCIDE set while CR3 has low bits': faults(GP, MOV_CR4_RBX, {
    fields: { guestCr3: TABLES | 8 },
    registers: { [RBX]: 0x2_2020n },
  }),
} satisfies Record<string, Shown>;

const CR3 = {
  'CR3-load exiting': exits('controlRegisterAccess', MOV_CR3_RBX, {
    controls: ['cr3LoadExiting'],
    registers: { [RBX]: BigInt(TABLES) },
    values: { exitQualification: 0x303n },
  }),
  'a CR3-target value does not exit': runs(MOV_CR3_RBX, {
    controls: ['cr3LoadExiting'],
    fields: { cr3TargetCount: 1, cr3TargetValue0: TABLES | 8 },
    registers: { [RBX]: BigInt(TABLES | 8) },
    values: { guestCr3: BigInt(TABLES | 8) },
  }),
  'a CR3-target value beyond the count does': exits('controlRegisterAccess', MOV_CR3_RBX, {
    controls: ['cr3LoadExiting'],
    fields: { cr3TargetCount: 1, cr3TargetValue1: TABLES },
    registers: { [RBX]: BigInt(TABLES) },
  }),
  'the whole source is compared': exits('controlRegisterAccess', MOV_CR3_RBX, {
    controls: ['cr3LoadExiting'],
    fields: { cr3TargetCount: 1, cr3TargetValue0: TABLES, guestCr4: 0x2_2020n },
    registers: { [RBX]: (1n << 63n) | BigInt(TABLES) },
  }),
  'bit 63 asks for no flush and is not stored': runs(MOV_CR3_RBX, {
    fields: { guestCr4: 0x2_2020n },
    registers: { [RBX]: (1n << 63n) | BigInt(TABLES | 3) },
    values: { guestCr3: BigInt(TABLES | 3) },
  }),
  'a bit beyond the physical-address width': faults(GP, MOV_CR3_RBX, {
    registers: { [RBX]: (1n << 46n) | BigInt(TABLES) },
  }),
  'CR3-store exiting': exits('controlRegisterAccess', [0x41, 0x0f, 0x20, 0xd9], {
    controls: ['cr3StoreExiting'],
    values: { exitQualification: 0x913n },
  }),
  'with EPT the value is guest-physical: the load translates nothing': runs(MOV_CR3_RBX, {
    controls: ['activateSecondaryControls', 'enableEpt'],
    registers: { [RBX]: BigInt(TABLES) },
    values: { guestCr3: BigInt(TABLES) },
  }),
  'CR8 without controls is the task priority': runs([0x44, 0x0f, 0x22, 0xc3, 0x44, 0x0f, 0x20, 0xc0], {
    registers: { [RBX]: 9n },
    general: { [RAX]: 9n },
  }),
} satisfies Record<string, Shown>;

const TIME = {
  'RDMSR of the counter does not exit by RDTSC exiting': runs(rdmsr(0x10), {
    ...msrs,
    controls: ['useMsrBitmaps', 'rdtscExiting'],
  }),
  'RDTSCP has IA32_TSC_AUX in ECX': runs([...wrmsr(0xc000_0103, 0x1234), 0x0f, 0x01, 0xf9], {
    ...msrs,
    controls: ['useMsrBitmaps', 'activateSecondaryControls', 'enableRdtscp'],
    general: { [RCX]: 0x1234n },
  }),
  'RDTSCP is #UD unless enabled, also for a user where CR4.TSD is 1': faults(UD, [0x0f, 0x01, 0xf9], {
    fields: { ...user, guestCr4: 0x2020n | TSD },
  }),
  'CR4.TSD keeps users out before the exit': faults(GP, RDTSC, {
    controls: ['rdtscExiting'],
    fields: { ...user, guestCr4: 0x2020n | TSD },
  }),
  'IA32_TSC_ADJUST is the real one': runs([...wrmsr(0x3b, 0x77), ...rdmsr(0x3b)], {
    ...msrs,
    controls: ['useMsrBitmaps', 'useTscOffsetting'],
    fields: { ...msrs.fields, tscOffset: 0x1000n },
    general: { [RAX]: 0x77n },
  }),
} satisfies Record<string, Shown>;

const MSRS = {
  'WRMSR of IA32_BIOS_UPDT_TRIG loads no microcode': runs(wrmsr(0x79, 0x4000), msrs),
  'IA32_BIOS_SIGN_ID reads': runs(rdmsr(0x8b), { ...msrs, general: { [RAX]: 0n, [RDX]: 0n } }),
  'WRMSR of an MSR that the processor lacks': faults(GP, wrmsr(0x570, 1), msrs),
  'SYSENTER MSRs are saved by the exit': runs(
    [...wrmsr(0x174, 0x50), ...wrmsr(0x175, 0x600), ...wrmsr(0x176, 0x700)],
    {
      ...msrs,
      values: { guestIa32SysenterCs: 0x50n, guestIa32SysenterEsp: 0x600n, guestIa32SysenterEip: 0x700n },
    },
  ),
  'FS and GS bases are those of the segments': runs(
    [...wrmsr(0xc000_0100, 0x1000), ...wrmsr(0xc000_0101, 0x2000)],
    { ...msrs, values: { guestFsBase: 0x1000n, guestGsBase: 0x2000n } },
  ),
  'SWAPGS exchanges with the real IA32_KERNEL_GS_BASE': runs(
    [...wrmsr(0xc000_0101, 0x2000), ...wrmsr(0xc000_0102, 0x3000), 0x0f, 0x01, 0xf8],
    { ...msrs, values: { guestGsBase: 0x3000n }, modelSpecific: { kernelGsBase: 0x2000n } },
  ),
  'MSRs of SYSCALL stay in the processor': runs(
    [...wrmsr(0xc000_0081, 0, 0x10), ...wrmsr(0xc000_0082, 0x500), ...wrmsr(0xc000_0084, 0x200)],
    { ...msrs, modelSpecific: { star: 0x10_0000_0000n, lstar: 0x500n, fmask: 0x200n } },
  ),
  'a change of IA32_EFER.LME while paging': faults(GP, wrmsr(0xc000_0080, 0), msrs),
  'IA32_EFER.LMA is not written': runs(wrmsr(0xc000_0080, 0x901), {
    controls: ['useMsrBitmaps', 'saveIa32Efer'],
    fields: msrs.fields,
    values: { guestIa32Efer: 0xd01n },
  }),
  'IA32_PAT is the real one': runs(wrmsr(0x277, 0x0606_0606, 0x0606_0606), {
    ...msrs,
    modelSpecific: { pat: 0x0606_0606_0606_0606n },
  }),
  'IA32_DEBUGCTL is saved and cleared by the exit': runs(wrmsr(0x1d9, 2), {
    controls: ['useMsrBitmaps', 'saveDebugControls'],
    fields: msrs.fields,
    values: { guestIa32Debugctl: 2n },
    modelSpecific: { debugctl: 0n },
  }),
  'IA32_FEATURE_CONTROL is locked': faults(GP, wrmsr(0x3a, 5), msrs),
  'capability MSRs read': runs(rdmsr(0x480), { ...msrs, general: { [RAX]: 4n } }),
  'and are not written': faults(GP, wrmsr(0x480, 4), msrs),
  'RDMSR of an unknown MSR': faults(GP, rdmsr(0x1234), msrs),
} satisfies Record<string, Shown>;

const secondary = (...more: readonly NonNullable<Setting['controls']>[number][]) => ({
  controls: ['activateSecondaryControls', ...more] as const,
});

const INSTRUCTIONS = {
  'RDPMC of a counter that does not exist': faults(GP, [0x0f, 0x33]),
  'INVLPG without its control': runs([0x0f, 0x01, 0x3b]),
  'XGETBV does not exit': runs([0x31, 0xc9, 0x0f, 0x01, 0xd0], {
    fields: { guestCr4: 0x4_2020n },
    general: { [RAX]: 1n },
  }),
  'XSETBV exits at CPL 0': exits('xsetbv', [0x0f, 0x01, 0xd1], { fields: { guestCr4: 0x4_2020n } }),
  'XSETBV of a user': faults(GP, [0x0f, 0x01, 0xd1], { fields: { ...user, guestCr4: 0x4_2020n } }),
  'RSM outside SMM': faults(UD, [0x0f, 0xaa]),
  'GETSEC while CR4.SMXE is 0': faults(UD, [0x0f, 0x37]),
  'MOV DR without its control': runs([0x0f, 0x23, 0xc3], { registers: { [RBX]: 0x99n } }),
  'MOV DR while DR7.GD is 1': faults(1, [0x0f, 0x21, 0xc3], {
    controls: ['loadDebugControls'],
    fields: { guestDr7: 0x2400n },
  }),
  'MOV DR exits before GD is looked at': exits('movDr', [0x0f, 0x21, 0xc3], {
    controls: ['loadDebugControls', 'movDrExiting'],
    fields: { guestDr7: 0x2400n },
  }),
  'WBINVD without its control': runs([0x0f, 0x09], secondary()),
  'INVD always exits': exits('invd', [0x0f, 0x08]),
  'CPUID always exits, at any CPL': exits('cpuid', [0x0f, 0xa2], { fields: user }),
  'INVD of a user': faults(GP, [0x0f, 0x08], { fields: user }),
  'RDRAND and RDSEED without their controls': runs([0x0f, 0xc7, 0xf1, 0x0f, 0xc7, 0xf9], secondary()),
  'PAUSE exiting at CPL 3': exits('pause', [0xf3, 0x90], { controls: ['pauseExiting'], fields: user }),
  'descriptor tables without their control': runs([0x0f, 0x01, 0x03, 0x0f, 0x00, 0xc8], {
    ...secondary(),
    registers: { [RBX]: BigInt(AT.operand) },
    general: { [RAX]: 24n },
  }),
  'SIDT of a user exits': exits('gdtrIdtrAccess', [0x0f, 0x01, 0x0b], {
    ...secondary('descriptorTableExiting'),
    fields: user,
  }),
  'LGDT of a user': faults(GP, [0x0f, 0x01, 0x13], {
    ...secondary('descriptorTableExiting'),
    fields: user,
  }),
  'IN with neither control': runs([0xe4, 0x80]),
  'IN of a user: the TSS, here without a map, decides before the exit': faults(GP, [0xe4, 0x80], {
    controls: ['unconditionalIoExiting'],
    fields: user,
    memory: { [AT.guestTss + 0x66]: [0xff, 0xff] },
  }),
  'HLT of a user': faults(GP, [0xf4], { controls: ['hltExiting'], fields: user }),
  'INVEPT exits at any CPL': exits('invept', [0x66, 0x0f, 0x38, 0x80, 0x0b], { fields: user }),
  'VMXOFF exits at any CPL': exits('vmxoff', [0x0f, 0x01, 0xc4], { fields: user }),
  'VMREAD exits at any CPL': exits('vmread', [0x0f, 0x78, 0xc3], { fields: user }),
  'XSAVES unless enabled': faults(UD, [0x0f, 0xc7, 0x2b], {
    ...secondary(),
    fields: { guestCr4: 0x4_2020n },
  }),
  'INVPCID unless enabled': faults(UD, [0x66, 0x0f, 0x38, 0x82, 0x0b], { ...secondary(), fields: user }),
  'secondary controls that are not activated act as 0': runs([0x0f, 0x09], {
    fields: { secondaryProcBasedControls: 1 << 6 },
  }),
  'tertiary controls that are not activated act as 0': runs([], {
    fields: { tertiaryProcBasedControls: 0xfn },
  }),
} satisfies Record<string, Shown>;

/** A read of the second 2-MiB page, which is not present. */
const READ_ABSENT = [0x8a, 0x04, 0x25, 0, 0, 0x40, 0];
const pageFault = (bit: number, mask: number, match: number) => ({
  fields: {
    exceptionBitmap: bit,
    pageFaultErrorCodeMask: mask,
    pageFaultErrorCodeMatch: match,
  },
});
/** Without an exit of its own the fault goes to the handler, which says VMCALL. */
const HANDLED = {
  handlers: {
    14: AT.guestCode + 0x100,
    13: AT.guestCode + 0x100,
    6: AT.guestCode + 0x100,
    32: AT.guestCode + 0x100,
  },
  memory: { [AT.guestCode + 0x100]: VMCALL },
} as const;
const EXCEPTIONS = {
  'a page fault that matches uses the bit: 1': { ...faults(14, READ_ABSENT), ...pageFault(1 << 14, 1, 0) },
  'a page fault that matches uses the bit: 0': {
    ...exits('vmcall', READ_ABSENT, { control: { cr2: 0x40_0000n } }),
    ...HANDLED,
    ...pageFault(0, 1, 0),
  },
  'a page fault that does not match inverts the bit: 0': {
    ...faults(14, READ_ABSENT, { control: { cr2: 0n } }),
    ...pageFault(0, 1, 1),
  },
  'a page fault that does not match inverts the bit: 1': {
    ...exits('vmcall', READ_ABSENT),
    ...HANDLED,
    ...pageFault(1 << 14, 1, 1),
  },
  'INT n does not look at the bitmap': { ...exits('vmcall', [0xcd, 0x20]), ...HANDLED },
  'UD0 is an undefined opcode': faults(UD, [0x0f, 0xff, 0xc0]),
  'UD1 is an undefined opcode': faults(UD, [0x0f, 0xb9, 0xc0]),
  'UD2 is an undefined opcode': faults(UD, [0x0f, 0x0b]),
  'a double fault has bit 8': {
    ...faults(8, READ_ABSENT),
    fields: { exceptionBitmap: 1 << 8, guestIdtrLimit: 14 * 16 - 1 },
  },
  'a triple fault exits whatever the bitmap is': exits('tripleFault', [0x0f, 0x0b], {
    fields: { guestIdtrLimit: 0 },
  }),
} satisfies Record<string, Shown>;

const real = (bytes: readonly number[], more: Partial<Shown> = {}) =>
  faults(UD, bytes, { ...unpaged, fields: REAL, ...more });
const UNRESTRICTED = {
  'PE and PG are 1 without the control': faults(GP, MOV_CR0_RBX, { registers: { [RBX]: 0x31n } }),
  'VMCALL exits in real mode': runs([], { ...unpaged, fields: REAL }),
  'linear addresses are guest-physical while paging is off': exits('eptViolation', [0xa0, 0, 0, 0x40, 0], {
    ...unpaged,
    fields: UNPAGED,
    values: { guestPhysicalAddress: 0x40_0000n, guestLinearAddress: 0x40_0000n },
  }),
  'no page fault while paging is off: what EPT does not map is an EPT violation': exits(
    'eptViolation',
    [0xa2, 0, 0, 0x40, 0],
    {
      ...unpaged,
      fields: { ...UNPAGED, exceptionBitmap: 0xffff_ffff },
      values: { guestPhysicalAddress: 0x40_0000n },
    },
  ),
  'segments are as they were loaded: a limit beyond 64 KiB in real mode': runs(
    [0x67, 0x66, 0x8b, 0x05, 0, 0, 0x10, 0],
    { ...unpaged, fields: { ...REAL, guestDsLimit: 0xffff_ffffn, guestDsAccessRights: 0x8093 } },
  ),
  'INVEPT in real mode': real([0x66, 0x0f, 0x38, 0x80, 0x0f]),
  'INVVPID in real mode': real([0x66, 0x0f, 0x38, 0x81, 0x0f]),
  'LLDT in real mode': real([0x0f, 0x00, 0xd0]),
  'LTR in real mode': real([0x0f, 0x00, 0xd8]),
  'SLDT in real mode': real([0x0f, 0x00, 0xc0]),
  'STR in real mode': real([0x0f, 0x00, 0xc8]),
  'VMCLEAR in real mode': real([0x66, 0x0f, 0xc7, 0x37]),
  'VMLAUNCH in real mode': real([0x0f, 0x01, 0xc2]),
  'VMPTRLD in real mode': real([0x0f, 0xc7, 0x37]),
  'VMPTRST in real mode': real([0x0f, 0xc7, 0x3f]),
  'VMREAD in real mode': real([0x0f, 0x78, 0xc3]),
  'VMRESUME in real mode': real([0x0f, 0x01, 0xc3]),
  'VMWRITE in real mode': real([0x0f, 0x79, 0xc3]),
  'VMXOFF in real mode': real([0x0f, 0x01, 0xc4]),
  'VMXON in real mode': real([0xf3, 0x0f, 0xc7, 0x37]),
} satisfies Record<string, Shown>;

/** By topic. SDM Vol. 3C, 26.1 Instructions That Cause VM Exits, 26.3 Changes to Instruction Behavior in VMX Non-Root Operation */
export const BEHAVIOUR: Readonly<Record<string, Readonly<Record<string, Shown>>>> = {
  'CR0 and CR4': REGISTERS,
  'CR3 and CR8': CR3,
  time: TIME,
  MSRs: MSRS,
  instructions: INSTRUCTIONS,
  exceptions: EXCEPTIONS,
  'unrestricted guests': UNRESTRICTED,
};
