import type { Setting } from '../dynamics/whole-machine';
import { AT, PAGE_DIRECTORY, words } from '../dynamics/whole-machine';
import type { Competition } from './examples-priorities';

const UD = { first: { fault: 6 } };
const GP = { first: { fault: 13 } };
const exits = (exit: number) => ({ first: { exit } });
const LOCK = 0xf0;

/** 32-bit code in IA-32e mode. */
const compatibility = { guestCsAccessRights: 0xc09b };
const flat = (base: number, selector: number, rights: number): Setting['fields'] =>
  Object.fromEntries(
    ['Cs', 'Ss', 'Ds', 'Es', 'Fs', 'Gs'].flatMap((name) => [
      [`guest${name}Base`, base],
      [`guest${name}Selector`, selector],
      [`guest${name}Limit`, 0xffff],
      [`guest${name}AccessRights`, rights],
    ]),
  );
/** IOPL is 0, and the TSS has no I/O map. */
const virtual8086: Setting = {
  without: ['ia32eModeGuest'],
  fields: {
    ...flat(AT.guestCode, AT.guestCode >> 4, 0xf3),
    guestCr3: PAGE_DIRECTORY,
    guestCr4: 0x2010,
    guestRip: 0,
    guestRsp: 0x100,
    guestRflags: 0x2_0002,
  },
};

const CODE_32 = 0x00cf_9b00_0000_ffffn;
const DATA = 0x00cf_9300_0000_ffffn;
const TSS = 0x0000_8900_b000_0067n;
/** A 32-bit guest whose GDT has a TSS descriptor at 18H, to which its TSS at `AT.guestTss` links. */
const tasks = (descriptor: bigint, setting: Setting = {}): Setting => ({
  host: '32-bit',
  // JMP 18h:0
  guest: [0xea, 0, 0, 0, 0, 0x18, 0],
  memory: { [AT.guestGdt]: words(0n, CODE_32, DATA, descriptor), [AT.guestTss]: words(0x18n) },
  ...setting,
});
const NESTED = { guestRflags: 0x4002 };
const user32 = {
  guestCsSelector: 0x1b,
  guestCsAccessRights: 0xc0fb,
  guestSsSelector: 0x23,
  guestSsAccessRights: 0xc0f3,
};

/** Of guests in other modes than 64-bit mode. SDM Vol. 3C, 26.1.1 Relative Priority of Faults and VM Exits */
export const MODE_COMPETITIONS: Readonly<Record<string, Competition>> = {
  'CPUID in virtual-8086 mode': { ...virtual8086, guest: [0x0f, 0xa2], ...exits(10) },
  'VMCALL in virtual-8086 mode': { ...virtual8086, guest: [0x0f, 0x01, 0xc1], ...exits(18) },
  'HLT in virtual-8086 mode': { ...virtual8086, guest: [0xf4], controls: ['hltExiting'], ...GP },
  'INVD in virtual-8086 mode': { ...virtual8086, guest: [0x0f, 0x08], ...GP },
  'RDMSR in virtual-8086 mode': { ...virtual8086, guest: [0x0f, 0x32], ...GP },
  'INVPCID in virtual-8086 mode': {
    ...virtual8086,
    guest: [0x66, 0x0f, 0x38, 0x82, 0x0f],
    controls: ['invlpgExiting', 'activateSecondaryControls', 'enableInvpcid'],
    ...GP,
  },
  'LLDT in virtual-8086 mode': {
    ...virtual8086,
    guest: [0x0f, 0x00, 0xd0],
    controls: ['activateSecondaryControls', 'descriptorTableExiting'],
    ...UD,
  },
  'VMXOFF in virtual-8086 mode': { ...virtual8086, guest: [0x0f, 0x01, 0xc4], ...UD },
  'IN in virtual-8086 mode without I/O permission': {
    ...virtual8086,
    guest: [0xec],
    controls: ['unconditionalIoExiting'],
    ...GP,
  },
  'VMCALL in compatibility mode': { guest: [0x0f, 0x01, 0xc1], fields: compatibility, ...exits(18) },
  'VMLAUNCH in compatibility mode': { guest: [0x0f, 0x01, 0xc2], fields: compatibility, ...UD },
  'VMREAD in compatibility mode': { guest: [0x0f, 0x78, 0xc3], fields: compatibility, ...UD },
  'OUTS with a segment that is not usable': {
    guest: [0x6e],
    controls: ['unconditionalIoExiting'],
    fields: { ...compatibility, guestDsAccessRights: 0x1_0000 },
    ...exits(30),
  },
  'OUTS beyond the limit of the segment': {
    guest: [0x6e],
    controls: ['unconditionalIoExiting'],
    fields: { ...compatibility, guestDsAccessRights: 0x4093, guestDsLimit: 0xfff },
    registers: { 6: 0x2000n },
    ...exits(30),
  },
  'INTO of the 32-bit guest': {
    guest: [0xce],
    fields: { ...compatibility, guestRflags: 0x802 },
    first: { fault: 4 },
  },
  // Of EAX by the bounds at [RSI].
  'BOUND of the 32-bit guest': {
    guest: [0x62, 0x06],
    fields: compatibility,
    registers: { 0: 9n, 6: 0x6000n },
    first: { fault: 5 },
  },
  'MOV to CR3 of reserved bits in the PDPTEs': {
    host: 'pae',
    guest: [0x0f, 0x22, 0xd8],
    controls: ['cr3LoadExiting'],
    registers: { 0: BigInt(AT.operand) },
    memory: { [AT.operand]: words(-1n) },
    ...exits(28),
  },
  'JMP to a TSS': { ...tasks(TSS), ...exits(9) },
  'JMP to a TSS that is busy': { ...tasks(TSS | (2n << 40n)), ...GP },
  'JMP to a TSS that is not present': { ...tasks(TSS & ~(1n << 47n)), first: { fault: 11 } },
  'JMP to a TSS that is too short': { ...tasks(TSS - 1n), first: { fault: 10 } },
  'JMP to a selector beyond the GDT': { ...tasks(TSS, { fields: { guestGdtrLimit: 0x17 } }), ...GP },
  'JMP at CPL 3 to a TSS of DPL 0': { ...tasks(TSS, { fields: user32 }), ...GP },
  'JMP at CPL 3 to a TSS of DPL 3': { ...tasks(TSS | (3n << 45n), { fields: user32 }), ...exits(9) },
  'JMP to a TSS whose page is not mapped': { ...tasks(TSS | ((0x80n << 32n) << 24n)), ...exits(9) },
  'IRET from a nested task': { ...tasks(TSS | (2n << 40n), { guest: [0xcf], fields: NESTED }), ...exits(9) },
  'IRET from a nested task to a TSS that is not busy': {
    ...tasks(TSS, { guest: [0xcf], fields: NESTED }),
    first: { fault: 10 },
  },
  'IRET with NT in IA-32e mode': { guest: [0x48, 0xcf], fields: NESTED, ...GP },
  'LOCK comes before the mode': { ...virtual8086, guest: [LOCK, 0x0f, 0x08], ...UD },
};
