import { processor } from '../../../src/api';
import { AT, type Setting, words } from '../dynamics/whole-machine';

/** A guest instruction in a situation where a fault and the VM exit of the instruction compete. */
export interface Competition extends Setting {
  /** Vector of the fault that comes first, or number of the exit reason that does. */
  readonly first: { readonly fault: number } | { readonly exit: number };
}

const everything = processor('everything');
const UD = { first: { fault: 6 } };
const GP = { first: { fault: 13 } };
const exits = (exit: number) => ({ first: { exit } });
/** At CPL 3; the TSS has no I/O map. */
const user: Setting = {
  fields: {
    guestCsSelector: 0x1b,
    guestCsAccessRights: 0xa0fb,
    guestSsSelector: 0x23,
    guestSsAccessRights: 0xc0f3,
  },
};
const userWith = (fields: Setting['fields']): Setting => ({ fields: { ...user.fields, ...fields } });
const secondary = (...controls: NonNullable<Setting['controls']>): Pick<Setting, 'controls'> => ({
  controls: ['activateSecondaryControls', ...controls],
});
/** Addresses at which nothing is mapped, and which are not canonical. */
const NOT_MAPPED = 0x40_0000n;
const NOT_CANONICAL = 0x8000_0000_0000n;
const TSD = 0x2024;
const UMIP = 0x2820;
const OSXSAVE = 0x4_2020;
const LOCK = 0xf0;

/** A read of [RBX], which is not mapped, of the state CET_U, which IA32_XSS enables and the bitmap names. */
const extended = (guest: readonly number[], more: Setting['fields'] = {}): Setting => ({
  processor: everything,
  guest,
  ...secondary('enableXsavesXrstors'),
  fields: {
    guestCr4: OSXSAVE,
    xssExitingBitmap: 0x800n,
    vmEntryMsrLoadCount: 1,
    vmEntryMsrLoadAddress: AT.msrArea,
    ...more,
  },
  memory: { [AT.msrArea]: words(0xda0n, 0x800n) },
  registers: { 0: 0x800n, 2: 0n, 3: NOT_MAPPED },
});

/** By the instruction, then the situation. SDM Vol. 3C, 26.1.1 Relative Priority of Faults and VM Exits */
export const COMPETITIONS: Readonly<Record<string, Competition>> = {
  'CPUID with LOCK': { guest: [LOCK, 0x0f, 0xa2], ...UD },
  'CPUID at CPL 3': { ...user, guest: [0x0f, 0xa2], ...exits(10) },
  'INVD with LOCK': { guest: [LOCK, 0x0f, 0x08], ...UD },
  'INVD at CPL 3': { ...user, guest: [0x0f, 0x08], ...GP },
  'XSETBV without CR4.OSXSAVE': { guest: [0x0f, 0x01, 0xd1], ...UD },
  'XSETBV at CPL 3': { ...userWith({ guestCr4: OSXSAVE }), guest: [0x0f, 0x01, 0xd1], ...GP },
  'XSETBV of a register that does not exist': {
    guest: [0x0f, 0x01, 0xd1],
    fields: { guestCr4: OSXSAVE },
    registers: { 1: 9n },
    ...exits(55),
  },
  'HLT at CPL 3': { ...user, guest: [0xf4], controls: ['hltExiting'], ...GP },
  'INVLPG of a register': { guest: [0x0f, 0x01, 0xff], controls: ['invlpgExiting'], ...UD },
  'INVLPG at CPL 3': { ...user, guest: [0x0f, 0x01, 0x38], controls: ['invlpgExiting'], ...GP },
  'INVPCID that is not enabled': {
    guest: [0x66, 0x0f, 0x38, 0x82, 0x08],
    controls: ['invlpgExiting'],
    ...UD,
  },
  'INVPCID at CPL 3': {
    ...user,
    guest: [0x66, 0x0f, 0x38, 0x82, 0x08],
    controls: ['invlpgExiting', 'activateSecondaryControls', 'enableInvpcid'],
    ...GP,
  },
  'INVPCID of an undefined type, operand not mapped': {
    guest: [0x66, 0x0f, 0x38, 0x82, 0x08],
    controls: ['invlpgExiting', 'activateSecondaryControls', 'enableInvpcid'],
    registers: { 0: NOT_MAPPED, 1: 9n },
    ...exits(58),
  },
  'RDTSC at CPL 3 with CR4.TSD': {
    ...userWith({ guestCr4: TSD }),
    guest: [0x0f, 0x31],
    controls: ['rdtscExiting'],
    ...GP,
  },
  'RDTSCP that is not enabled': { guest: [0x0f, 0x01, 0xf9], controls: ['rdtscExiting'], ...UD },
  'RDTSCP at CPL 3 with CR4.TSD': {
    ...userWith({ guestCr4: TSD }),
    guest: [0x0f, 0x01, 0xf9],
    controls: ['rdtscExiting', 'activateSecondaryControls', 'enableRdtscp'],
    ...GP,
  },
  'RDPID that is not enabled': { processor: everything, guest: [0xf3, 0x0f, 0xc7, 0xf8], ...UD },
  'RDPMC at CPL 3 without CR4.PCE': { ...user, guest: [0x0f, 0x33], controls: ['rdpmcExiting'], ...GP },
  'RDPMC of a counter that does not exist': {
    guest: [0x0f, 0x33],
    controls: ['rdpmcExiting'],
    registers: { 1: 0x1234n },
    ...exits(15),
  },
  'RDMSR at CPL 3': { ...user, guest: [0x0f, 0x32], ...GP },
  'RDMSR of an MSR that does not exist': { guest: [0x0f, 0x32], registers: { 1: 0x1_3333n }, ...exits(31) },
  'WRMSR at CPL 3': { ...user, guest: [0x0f, 0x30], ...GP },
  'WRMSR of a value that faults': { guest: [0x0f, 0x30], registers: { 1: 0x277n, 0: 9n }, ...exits(32) },
  'MONITOR at CPL 3': {
    ...user,
    processor: everything,
    guest: [0x0f, 0x01, 0xc8],
    controls: ['monitorExiting'],
    ...UD,
  },
  'MONITOR with an extension that does not exist': {
    processor: everything,
    guest: [0x0f, 0x01, 0xc8],
    controls: ['monitorExiting'],
    registers: { 0: NOT_CANONICAL, 1: 9n },
    ...exits(39),
  },
  'MWAIT at CPL 3': {
    ...user,
    processor: everything,
    guest: [0x0f, 0x01, 0xc9],
    controls: ['mwaitExiting'],
    ...UD,
  },
  'MWAIT with an extension that does not exist': {
    processor: everything,
    guest: [0x0f, 0x01, 0xc9],
    controls: ['mwaitExiting'],
    registers: { 1: 8n },
    ...exits(36),
  },
  'IN without I/O permission': { ...user, guest: [0xec], controls: ['unconditionalIoExiting'], ...GP },
  'IN with IOPL 3': {
    ...userWith({ guestRflags: 0x3002 }),
    guest: [0xec],
    controls: ['unconditionalIoExiting'],
    ...exits(30),
  },
  'OUTS without I/O permission': { ...user, guest: [0x6e], controls: ['unconditionalIoExiting'], ...GP },
  'OUTS of an operand that is not mapped': {
    guest: [0x6e],
    controls: ['unconditionalIoExiting'],
    registers: { 6: NOT_MAPPED },
    ...exits(30),
  },
  'OUTS of an operand that is not canonical': {
    guest: [0x6e],
    controls: ['unconditionalIoExiting'],
    registers: { 6: NOT_CANONICAL },
    ...exits(30),
  },
  'MOV to CR0 at CPL 3': {
    ...user,
    guest: [0x0f, 0x22, 0xc0],
    fields: { ...user.fields, cr0GuestHostMask: -1n },
    ...GP,
  },
  'MOV to CR0 of an invalid value': {
    guest: [0x0f, 0x22, 0xc0],
    fields: { cr0GuestHostMask: -1n, cr0ReadShadow: 0x11n },
    registers: { 0: 0x8000_0000n },
    ...exits(28),
  },
  'MOV to CR0 that clears what VMX fixes': { guest: [0x0f, 0x22, 0xc0], registers: { 0: 0n }, ...GP },
  'MOV to CR3 at CPL 3': { ...user, guest: [0x0f, 0x22, 0xd8], controls: ['cr3LoadExiting'], ...GP },
  'MOV to CR3 of reserved bits': {
    guest: [0x0f, 0x22, 0xd8],
    controls: ['cr3LoadExiting'],
    registers: { 0: 1n << 60n },
    ...exits(28),
  },
  'MOV from CR3 at CPL 3': { ...user, guest: [0x0f, 0x20, 0xd8], controls: ['cr3StoreExiting'], ...GP },
  'MOV to CR4 at CPL 3': {
    ...user,
    guest: [0x0f, 0x22, 0xe0],
    fields: { ...user.fields, cr4GuestHostMask: -1n },
    ...GP,
  },
  'MOV to CR4 of reserved bits': {
    guest: [0x0f, 0x22, 0xe0],
    fields: { cr4GuestHostMask: -1n },
    registers: { 0: 1n << 40n },
    ...exits(28),
  },
  'MOV to CR8 at CPL 3': { ...user, guest: [0x44, 0x0f, 0x22, 0xc0], controls: ['cr8LoadExiting'], ...GP },
  'MOV to CR8 of reserved bits': {
    guest: [0x44, 0x0f, 0x22, 0xc0],
    controls: ['cr8LoadExiting'],
    registers: { 0: 0x100n },
    ...exits(28),
  },
  'MOV to a control register that does not exist': { guest: [0x0f, 0x22, 0xe8], ...UD },
  'CLTS at CPL 3': {
    ...user,
    guest: [0x0f, 0x06],
    fields: { ...user.fields, cr0GuestHostMask: 8, cr0ReadShadow: 8 },
    ...GP,
  },
  'LMSW at CPL 3': {
    ...user,
    guest: [0x0f, 0x01, 0xf0],
    fields: { ...user.fields, cr0GuestHostMask: -1n },
    ...GP,
  },
  'LMSW of an operand that is not mapped': {
    guest: [0x0f, 0x01, 0x30],
    fields: { cr0GuestHostMask: -1n },
    registers: { 0: NOT_MAPPED },
    first: { fault: 14 },
  },
  'MOV DR with LOCK': { guest: [LOCK, 0x0f, 0x21, 0xc0], controls: ['movDrExiting'], ...UD },
  'MOV DR at CPL 3': { ...user, guest: [0x0f, 0x21, 0xc0], controls: ['movDrExiting'], ...exits(29) },
  'MOV from DR4 with CR4.DE': {
    guest: [0x0f, 0x21, 0xe0],
    controls: ['movDrExiting'],
    fields: { guestCr4: 0x2028 },
    ...exits(29),
  },
  'MOV DR with DR7.GD': {
    guest: [0x0f, 0x21, 0xc0],
    controls: ['movDrExiting', 'loadDebugControls'],
    fields: { guestDr7: 0x2400 },
    ...exits(29),
  },
  'MOV to DR7 of reserved bits': {
    guest: [0x0f, 0x23, 0xf8],
    controls: ['movDrExiting'],
    registers: { 0: 1n << 40n },
    ...exits(29),
  },
  'LGDT at CPL 3': { ...user, guest: [0x0f, 0x01, 0x10], ...secondary('descriptorTableExiting'), ...GP },
  'LGDT of an operand that is not mapped': {
    guest: [0x0f, 0x01, 0x10],
    ...secondary('descriptorTableExiting'),
    registers: { 0: NOT_MAPPED },
    ...exits(46),
  },
  'LGDT of a register': { guest: [0x0f, 0x01, 0xd6], ...secondary('descriptorTableExiting'), ...UD },
  'LTR of a null selector': {
    guest: [0x0f, 0x00, 0xd8],
    ...secondary('descriptorTableExiting'),
    ...exits(47),
  },
  'SGDT at CPL 3 with CR4.UMIP': {
    ...userWith({ guestCr4: UMIP }),
    processor: everything,
    guest: [0x0f, 0x01, 0x00],
    ...secondary('descriptorTableExiting'),
    ...GP,
  },
  'SIDT at CPL 3': {
    ...user,
    guest: [0x0f, 0x01, 0x08],
    ...secondary('descriptorTableExiting'),
    registers: { 0: NOT_CANONICAL },
    ...exits(46),
  },
  'WBINVD at CPL 3': { ...user, guest: [0x0f, 0x09], ...secondary('wbinvdExiting'), ...GP },
  'RDRAND with LOCK': { guest: [LOCK, 0x0f, 0xc7, 0xf0], ...secondary('rdrandExiting'), ...UD },
  'RDSEED with LOCK': { guest: [LOCK, 0x0f, 0xc7, 0xf8], ...secondary('rdseedExiting'), ...UD },
  'VMCALL at CPL 3': { ...user, guest: [0x0f, 0x01, 0xc1], ...exits(18) },
  'VMXON at CPL 3, operand not mapped': {
    ...user,
    guest: [0xf3, 0x0f, 0xc7, 0x30],
    registers: { 0: NOT_MAPPED },
    ...exits(27),
  },
  'VMCLEAR with LOCK': { guest: [LOCK, 0x66, 0x0f, 0xc7, 0x30], ...UD },
  'VMLAUNCH at CPL 3': { ...user, guest: [0x0f, 0x01, 0xc2], ...exits(20) },
  'VMREAD at CPL 3 of a field that does not exist': {
    ...user,
    guest: [0x0f, 0x78, 0xc3],
    registers: { 0: 0xffffn },
    ...exits(23),
  },
  'INVEPT of a register': { guest: [0x66, 0x0f, 0x38, 0x80, 0xc8], ...UD },
  'VMFUNC of a function above 63': {
    processor: everything,
    guest: [0x0f, 0x01, 0xd4],
    ...secondary('enableVmFunctions'),
    registers: { 0: 64n },
    ...UD,
  },
  'VMFUNC at CPL 3 of a function that is not enabled': {
    ...user,
    processor: everything,
    guest: [0x0f, 0x01, 0xd4],
    ...secondary('enableVmFunctions'),
    ...exits(59),
  },
  'XSAVES that is not enabled': {
    processor: everything,
    guest: [0x0f, 0xc7, 0x28],
    fields: { guestCr4: OSXSAVE },
    ...UD,
  },
  'UMWAIT that is not enabled': {
    processor: everything,
    guest: [0xf2, 0x0f, 0xae, 0xf1],
    controls: ['rdtscExiting'],
    ...UD,
  },
  'TPAUSE at CPL 3 with CR4.TSD': {
    ...userWith({ guestCr4: TSD }),
    processor: everything,
    guest: [0x66, 0x0f, 0xae, 0xf1],
    controls: ['rdtscExiting', 'activateSecondaryControls', 'enableUserWaitAndPause'],
    ...GP,
  },
  'UMWAIT of reserved bits': {
    processor: everything,
    guest: [0xf2, 0x0f, 0xae, 0xf1],
    controls: ['rdtscExiting', 'activateSecondaryControls', 'enableUserWaitAndPause'],
    registers: { 1: 0xff00n },
    ...exits(67),
  },
  // A gate with DPL 0 at CPL 3: INT n faults, INT3 has exited before its gate is looked at.
  'INT n at CPL 3 through a gate with DPL 0': {
    ...user,
    guest: [0xcd, 0x40],
    handlers: { 64: 0x5000 },
    ...GP,
  },
  'INT3 at CPL 3 through a gate with DPL 0': {
    ...user,
    guest: [0xcc],
    handlers: { 3: 0x5000 },
    first: { fault: 3 },
  },
  'HLT with LOCK': { guest: [LOCK, 0xf4], controls: ['hltExiting'], ...UD },
  'INVLPG with LOCK': { guest: [LOCK, 0x0f, 0x01, 0x38], controls: ['invlpgExiting'], ...UD },
  'INVPCID of a register': {
    guest: [0x66, 0x0f, 0x38, 0x82, 0xc8],
    controls: ['invlpgExiting', 'activateSecondaryControls', 'enableInvpcid'],
    ...UD,
  },
  'INVPCID at CPL 3 that is not enabled': {
    ...user,
    guest: [0x66, 0x0f, 0x38, 0x82, 0x08],
    controls: ['invlpgExiting'],
    ...UD,
  },
  'MONITOR of an operand that is not mapped': {
    processor: everything,
    guest: [0x0f, 0x01, 0xc8],
    controls: ['monitorExiting'],
    registers: { 0: NOT_MAPPED, 1: 0n },
    ...exits(39),
  },
  'OUTS of words that are not aligned, with alignment checks': {
    ...userWith({ guestRflags: 0x4_3002, guestCr0: 0x8004_0031 }),
    guest: [0x66, 0x6f],
    controls: ['unconditionalIoExiting'],
    registers: { 6: 0x6001n },
    ...exits(30),
  },
  'MOV to CR0 with LOCK': {
    guest: [LOCK, 0x0f, 0x22, 0xc0],
    fields: { cr0GuestHostMask: -1n },
    ...UD,
  },
  'CLTS with LOCK': {
    guest: [LOCK, 0x0f, 0x06],
    fields: { cr0GuestHostMask: 8, cr0ReadShadow: 8 },
    ...UD,
  },
  'LMSW with LOCK': { guest: [LOCK, 0x0f, 0x01, 0xf0], fields: { cr0GuestHostMask: -1n }, ...UD },
  'MOV from CR3 with LOCK': { guest: [LOCK, 0x0f, 0x20, 0xd8], controls: ['cr3StoreExiting'], ...UD },
  'SMSW with LOCK': { guest: [LOCK, 0x0f, 0x01, 0xe0], ...UD },
  'SMSW at CPL 3 with CR4.UMIP': {
    ...userWith({ guestCr4: UMIP }),
    processor: everything,
    guest: [0x0f, 0x01, 0xe0],
    ...GP,
  },
  'MOV to a debug register with LOCK': {
    guest: [LOCK, 0x0f, 0x23, 0xc0],
    controls: ['movDrExiting'],
    ...UD,
  },
  'MOV DR at CPL 3 of DR4 with CR4.DE': {
    ...userWith({ guestCr4: 0x2028 }),
    guest: [0x0f, 0x21, 0xe0],
    controls: ['movDrExiting'],
    ...exits(29),
  },
  'WBINVD with LOCK': { guest: [LOCK, 0x0f, 0x09], ...secondary('wbinvdExiting'), ...UD },
  'WBNOINVD at CPL 3': {
    ...user,
    processor: everything,
    guest: [0xf3, 0x0f, 0x09],
    ...secondary('wbinvdExiting'),
    ...GP,
  },
  'WBNOINVD at CPL 0': {
    processor: everything,
    guest: [0xf3, 0x0f, 0x09],
    ...secondary('wbinvdExiting'),
    ...exits(54),
  },
  'XSAVES without CR4.OSXSAVE': { ...extended([0x0f, 0xc7, 0x2b], { guestCr4: 0x2020 }), ...UD },
  'XSAVES at CPL 3': { ...extended([0x0f, 0xc7, 0x2b], user.fields), ...GP },
  'XSAVES with CR0.TS': {
    ...extended([0x0f, 0xc7, 0x2b], { guestCr0: 0x8000_0039 }),
    first: { fault: 7 },
  },
  'XSAVES of an operand that is not mapped': { ...extended([0x0f, 0xc7, 0x2b]), ...exits(63) },
  'XRSTORS of an operand that is not mapped': { ...extended([0x0f, 0xc7, 0x1b]), ...exits(64) },
  'VMREAD of an operand that is not mapped': {
    guest: [0x0f, 0x78, 0x03],
    registers: { 3: NOT_MAPPED },
    ...exits(23),
  },
  'VMFUNC that is not enabled': { ...user, processor: everything, guest: [0x0f, 0x01, 0xd4], ...UD },
  'INT1 at CPL 3': { ...user, guest: [0xf1], first: { fault: 1 } },
  'UD2 at CPL 3': { ...user, guest: [0x0f, 0x0b], ...UD },
  'RSM outside system-management mode': { guest: [0x0f, 0xaa], ...UD },
  'GETSEC without SMX': { guest: [0x0f, 0x37], ...UD },
};

/** Of instruction fetch, decoding and execution. SDM Vol. 3A, 6.9 Priority Among Simultaneous Exceptions and Interrupts */
export const STAGES: Readonly<Record<string, Competition>> = {
  'the fetch of its rest, before a wrong opcode': {
    guest: [],
    fields: { guestRip: 0x1f_ffff },
    memory: { 2097151: [0x0f] },
    first: { fault: 14 },
  },
  'a wrong opcode, before the operand': { guest: [0x0f, 0x0b], registers: { 0: NOT_MAPPED }, ...UD },
  'more than 15 bytes, before the exit': { guest: [...Array(14).fill(0x66), 0x0f, 0xa2], ...GP },
};
