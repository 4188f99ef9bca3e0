import type { Invalidation, Mapping, MappingTag, TranslationCaches } from '../../src/api/caches';
import { gpa, gva } from '../../src/core';
import {
  combinedTag,
  EMPTY_CACHES,
  type Fill,
  guestPhysicalTag,
  linearTag,
  NO_TABLE,
  withFills,
} from '../../src/cpu/caching';
import { TABLES } from '../vmx/dynamics/whole-machine';
import { requiredDrops } from './required-drops';

/** A page that an operation names, and the guest-physical address behind it. */
export const LINEAR = 0x80_8020_1000n;
export const GUEST_PHYSICAL = 0x7020_1000;
const PAGE = 4096;
const LARGE = 2 ** 21;

/** Mappings by what they are to that page: another fraction of the large page that it is part of, another page, the table for it, one for another address. */
const ADDRESSES = {
  page: [Number(LINEAR), GUEST_PHYSICAL],
  fraction: [Number(LINEAR) + PAGE],
  other: [Number(LINEAR) + LARGE, GUEST_PHYSICAL + LARGE],
  path: [Number(LINEAR), GUEST_PHYSICAL],
  'other path': [Number(LINEAR) + LARGE, GUEST_PHYSICAL + LARGE],
} as const;
type Role = keyof typeof ADDRESSES;
const ROLES = Object.keys(ADDRESSES) as readonly Role[];

export const VPIDS = [0, 1, 2] as const;
export const PCIDS = [0, 5, 6, 'global'] as const;
export const EP4TAS = [0x2_4000, 0x2_c000] as const;
const EPTP_BITS = 0x1en;
export const EPTPS = EP4TAS.map((ep4ta) => BigInt(ep4ta) | EPTP_BITS);

const isTable = (role: Role): boolean => role.endsWith('path');

/** Without rights: no access uses it. */
const mappingOf = (tag: MappingTag, role: Role): Mapping | undefined => {
  const address = ADDRESSES[role][tag.kind === 'guest-physical' ? 1 : 0];
  if (address === undefined) return undefined;
  const shift = isTable(role) ? 21 : 12;
  const isFraction = tag.kind !== 'guest-physical' && (role === 'page' || role === 'fraction');
  return {
    kind: isTable(role) ? 'table' : 'page',
    shift,
    number: Math.floor(address / 2 ** shift),
    pageShift: isFraction ? 21 : shift,
    frame: 0x300,
    guestFrame: 0x300,
    entryBytes: 8,
    rights: 0,
    eptRights: 0,
    dirty: true,
    memoryType: 0,
    protectionKey: 0,
    from: [],
    root: tag.kind === 'guest-physical' ? NO_TABLE : TABLES / PAGE,
    flagged: true,
    since: 0,
    used: 0,
  };
};

/** One mapping of the catalogue. */
interface Known extends Fill {
  readonly name: string;
}

const TAGS: readonly MappingTag[] = [
  ...VPIDS.flatMap((vpid) =>
    PCIDS.flatMap((pcid) => [
      linearTag(vpid, pcid),
      ...EP4TAS.map((ep4ta) => combinedTag(vpid, pcid, ep4ta)),
    ]),
  ),
  ...EP4TAS.map(guestPhysicalTag),
];

/** One of each under every tag; entries of paging-structure caches are of one PCID, never global. */
export const KNOWN: readonly Known[] = TAGS.flatMap((tag) =>
  ROLES.flatMap((role): Known[] => {
    const mapping = mappingOf(tag, role);
    const globalTable = isTable(role) && tag.kind !== 'guest-physical' && tag.pcid === 'global';
    return mapping === undefined || globalTable ? [] : [{ tag, mapping, name: `${tag.key} ${role}` }];
  }),
);

export const ALL: TranslationCaches = withFills(EMPTY_CACHES, KNOWN);

/** The names of those that are gone. */
export const gone = (caches: TranslationCaches): readonly string[] => {
  const left = new Set([...caches.mappings()].map(([, mapping]) => mapping));
  return KNOWN.filter(({ mapping }) => !left.has(mapping)).map(({ name }) => name);
};

export interface Where {
  readonly vpid: number;
  readonly pcid: number;
}

const address = gva(LINEAR);
const EPT_VIOLATION_AT = { eptp: EPTPS[0], gpa: gpa(GUEST_PHYSICAL) } as const;

/** Operations of Vol. 3A in the address space that is in use. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs */
export const cpuOperations = (now: Where) => {
  const { vpid } = now;
  const cr = (before: bigint, after: bigint) => ({ before, after, ...now });
  return {
    invlpg: { kind: 'invlpg', address, ...now },
    'invpcid 0': { kind: 'invpcid', type: 0, vpid, pcid: 6, address },
    'invpcid 1': { kind: 'invpcid', type: 1, vpid, pcid: 6 },
    'invpcid 2': { kind: 'invpcid', type: 2, vpid },
    'invpcid 3': { kind: 'invpcid', type: 3, vpid },
    'mov cr3': { kind: 'mov-cr3', vpid, pcid: 6 },
    'mov cr3, same value': { kind: 'mov-cr3', ...now },
    'mov cr3, bit 63': { kind: 'mov-cr3', vpid, pcid: 6, keeps: true },
    'cr4.pge': { kind: 'mov-cr4', ...cr(0x20n, 0xa0n) },
    'cr4.pge, cleared': { kind: 'mov-cr4', ...cr(0xa0n, 0x20n) },
    'cr4.smep': { kind: 'mov-cr4', ...cr(0x20n, 0x10_0020n) },
    'cr4.smep, cleared': { kind: 'mov-cr4', ...cr(0x10_0020n, 0x20n) },
    'cr4.smap': { kind: 'mov-cr4', ...cr(0x20n, 0x20_0020n) },
    'cr4.pcide': { kind: 'mov-cr4', ...cr(0x20n, 0x2_0020n) },
    'cr4.pcide, cleared': { kind: 'mov-cr4', ...cr(0x2_0020n, 0x20n) },
    'cr4.pae': { kind: 'mov-cr4', ...cr(0n, 0x20n) },
    'cr4.pae, cleared': { kind: 'mov-cr4', ...cr(0x20n, 0n) },
    'cr4.pse': { kind: 'mov-cr4', ...cr(0x20n, 0x30n) },
    'cr0.pg': { kind: 'mov-cr0', ...cr(1n, 0x8000_0001n) },
    'cr0.pg, cleared': { kind: 'mov-cr0', ...cr(0x8000_0001n, 1n) },
    'cr0.wp': { kind: 'mov-cr0', ...cr(0x8000_0001n, 0x8001_0001n) },
    'cr0.wp, cleared': { kind: 'mov-cr0', ...cr(0x8001_0001n, 0x8000_0001n) },
    'efer.sce': { kind: 'wrmsr-efer', ...cr(0x500n, 0x501n) },
    'efer.nxe': { kind: 'wrmsr-efer', ...cr(0x500n, 0xd00n) },
    mtrr: { kind: 'wrmsr-mtrr', vpid },
    'page fault': { kind: 'page-fault', address, ...now },
    'task switch': { kind: 'task-switch', changesCr3: true, vpid },
    'task switch, same CR3': { kind: 'task-switch', changesCr3: false, vpid },
    'ept violation': { kind: 'ept-violation', ...EPT_VIOLATION_AT, address, ...now },
    'ept violation of a table': { kind: 'ept-violation', ...EPT_VIOLATION_AT, ...now },
  } as const satisfies Record<string, Invalidation>;
};

/** Those of Vol. 3C. SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
export const VMX_OPERATIONS = {
  'vm entry': { kind: 'vm-entry', enableVpid: false },
  'vm entry with VPID': { kind: 'vm-entry', enableVpid: true },
  'vm exit': { kind: 'vm-exit', enableVpid: false },
  'vm exit with VPID': { kind: 'vm-exit', enableVpid: true },
  'eptp switching': { kind: 'eptp-switching', enableVpid: false },
  'eptp switching with VPID': { kind: 'eptp-switching', enableVpid: true },
  'invept 1': { kind: 'invept', type: 1, eptp: EPTPS[1] },
  'invept 2': { kind: 'invept', type: 2 },
  'invvpid 0': { kind: 'invvpid', type: 0, vpid: 2, address },
  'invvpid 1': { kind: 'invvpid', type: 1, vpid: 2 },
  'invvpid 2': { kind: 'invvpid', type: 2 },
  'invvpid 3': { kind: 'invvpid', type: 3, vpid: 2 },
  'return from SMM': { kind: 'smm-return' },
  'MSR-load area that flushes': { kind: 'msr-load-flush' },
  reset: { kind: 'reset' },
  init: { kind: 'init' },
  'ept misconfiguration': { kind: 'ept-misconfiguration' },
  vmxon: { kind: 'vmxon' },
  vmxoff: { kind: 'vmxoff' },
  vmclear: { kind: 'vmclear' },
  vmptrld: { kind: 'vmptrld' },
  vmwrite: { kind: 'vmwrite' },
} as const satisfies Record<string, Invalidation>;

/** The names of those that must go: no more and no less. */
export const mustGo = (by: Invalidation): readonly string[] => {
  const goes = requiredDrops(by);
  return KNOWN.filter(({ tag, mapping }) => goes(tag, mapping)).map(({ name }) => name);
};
