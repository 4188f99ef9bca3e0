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
export interface Known extends Fill {
  readonly role: Role;
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
    return mapping === undefined || globalTable ? [] : [{ tag, mapping, role, name: `${tag.key} ${role}` }];
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
type Goes = (known: Known) => boolean;

const linearOf = ({ tag }: Known) => (tag.kind === 'guest-physical' ? undefined : tag);
const ofVpid =
  (vpid: number): Goes =>
  (known) =>
    linearOf(known)?.vpid === vpid;
const ofPcid =
  ({ vpid, pcid }: Where): Goes =>
  (known) =>
    linearOf(known)?.vpid === vpid && linearOf(known)?.pcid === pcid;
const isGlobal: Goes = (known) => linearOf(known)?.pcid === 'global';
const isOne =
  (...roles: readonly Role[]): Goes =>
  ({ role }) =>
    roles.includes(role);
const both =
  (...all: readonly Goes[]): Goes =>
  (known) =>
    all.every((one) => one(known));
const either =
  (...all: readonly Goes[]): Goes =>
  (known) =>
    all.some((one) => one(known));
const not =
  (one: Goes): Goes =>
  (known) =>
    !one(known);
const nothing: Goes = () => false;
const ofEp4ta =
  (ep4ta: number): Goes =>
  ({ tag }) =>
    tag.kind !== 'linear' && tag.ep4ta === ep4ta;
const isTableRole = isOne('path', 'other path');

/** The page under the current PCID or global, as INVLPG and page faults drop it. */
const thePage = (where: Where): Goes =>
  both(either(ofPcid(where), both(ofVpid(where.vpid), isGlobal)), isOne('page', 'fraction'));

const address = gva(LINEAR);
const EPT_VIOLATION_AT = { eptp: EPTPS[0], gpa: gpa(GUEST_PHYSICAL) } as const;

/** What the operations of Vol. 3A drop, in the address space that is in use. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs */
export const cpuDrops = (now: Where) => {
  const { vpid } = now;
  const cr = (before: bigint, after: bigint) => ({ before, after, ...now });
  const all = ofVpid(vpid);
  return {
    invlpg: [{ kind: 'invlpg', address, ...now }, either(thePage(now), both(ofPcid(now), isTableRole))],
    'invpcid 0': [
      { kind: 'invpcid', type: 0, vpid, pcid: 6, address },
      both(ofPcid({ vpid, pcid: 6 }), isOne('page', 'fraction', 'path')),
    ],
    'invpcid 1': [{ kind: 'invpcid', type: 1, vpid, pcid: 6 }, ofPcid({ vpid, pcid: 6 })],
    'invpcid 2': [{ kind: 'invpcid', type: 2, vpid }, all],
    'invpcid 3': [{ kind: 'invpcid', type: 3, vpid }, both(all, not(isGlobal))],
    'mov cr3': [{ kind: 'mov-cr3', vpid, pcid: 6 }, ofPcid({ vpid, pcid: 6 })],
    'mov cr3, same value': [{ kind: 'mov-cr3', ...now }, ofPcid(now)],
    'mov cr3, bit 63': [{ kind: 'mov-cr3', vpid, pcid: 6, keeps: true }, nothing],
    'cr4.pge': [{ kind: 'mov-cr4', ...cr(0x20n, 0xa0n) }, all],
    'cr4.pge, cleared': [{ kind: 'mov-cr4', ...cr(0xa0n, 0x20n) }, all],
    'cr4.smep': [{ kind: 'mov-cr4', ...cr(0x20n, 0x10_0020n) }, ofPcid(now)],
    'cr4.smep, cleared': [{ kind: 'mov-cr4', ...cr(0x10_0020n, 0x20n) }, nothing],
    'cr4.smap': [{ kind: 'mov-cr4', ...cr(0x20n, 0x20_0020n) }, nothing],
    'cr4.pcide': [{ kind: 'mov-cr4', ...cr(0x20n, 0x2_0020n) }, nothing],
    'cr4.pcide, cleared': [{ kind: 'mov-cr4', ...cr(0x2_0020n, 0x20n) }, all],
    'cr4.pae': [{ kind: 'mov-cr4', ...cr(0n, 0x20n) }, ofPcid(now)],
    'cr4.pae, cleared': [{ kind: 'mov-cr4', ...cr(0x20n, 0n) }, ofPcid(now)],
    'cr4.pse': [{ kind: 'mov-cr4', ...cr(0x20n, 0x30n) }, nothing],
    'cr0.pg': [{ kind: 'mov-cr0', ...cr(1n, 0x8000_0001n) }, nothing],
    'cr0.pg, cleared': [{ kind: 'mov-cr0', ...cr(0x8000_0001n, 1n) }, all],
    'cr0.wp': [{ kind: 'mov-cr0', ...cr(0x8000_0001n, 0x8001_0001n) }, nothing],
    'cr0.wp, cleared': [{ kind: 'mov-cr0', ...cr(0x8001_0001n, 0x8000_0001n) }, nothing],
    'efer.sce': [{ kind: 'wrmsr-efer', ...cr(0x500n, 0x501n) }, nothing],
    'efer.nxe': [{ kind: 'wrmsr-efer', ...cr(0x500n, 0xd00n) }, all],
    mtrr: [{ kind: 'wrmsr-mtrr', vpid }, both(all, not(isTableRole))],
    'page fault': [
      { kind: 'page-fault', address, ...now },
      either(thePage(now), both(ofPcid(now), isOne('path'))),
    ],
    'task switch': [{ kind: 'task-switch', changesCr3: true, vpid }, ofPcid({ vpid, pcid: 0 })],
    'task switch, same CR3': [{ kind: 'task-switch', changesCr3: false, vpid }, nothing],
    'ept violation': [
      { kind: 'ept-violation', ...EPT_VIOLATION_AT, address, ...now },
      both(
        ofEp4ta(EP4TAS[0]),
        either(
          both(({ tag }) => tag.kind === 'guest-physical', isOne('page', 'path')),
          both(either(ofPcid(now), both(ofVpid(vpid), isGlobal)), isOne('page', 'path')),
        ),
      ),
    ],
    'ept violation of a table': [
      { kind: 'ept-violation', ...EPT_VIOLATION_AT, ...now },
      both(ofEp4ta(EP4TAS[0]), ({ tag }) => tag.kind === 'guest-physical', isOne('page', 'path')),
    ],
  } as const satisfies Record<string, readonly [Invalidation, Goes]>;
};

/** What those of Vol. 3C drop. SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
export const VMX_DROPS = {
  'vm entry': [{ kind: 'vm-entry', enableVpid: false }, ofVpid(0)],
  'vm entry with VPID': [{ kind: 'vm-entry', enableVpid: true }, nothing],
  'vm exit': [{ kind: 'vm-exit', enableVpid: false }, ofVpid(0)],
  'vm exit with VPID': [{ kind: 'vm-exit', enableVpid: true }, nothing],
  'eptp switching': [
    { kind: 'eptp-switching', enableVpid: false },
    both(ofVpid(0), ({ tag }) => tag.kind === 'combined'),
  ],
  'eptp switching with VPID': [{ kind: 'eptp-switching', enableVpid: true }, nothing],
  'invept 1': [{ kind: 'invept', type: 1, eptp: EPTPS[1] }, ofEp4ta(EP4TAS[1])],
  'invept 2': [{ kind: 'invept', type: 2 }, ({ tag }) => tag.kind !== 'linear'],
  'invvpid 0': [
    { kind: 'invvpid', type: 0, vpid: 2, address },
    both(ofVpid(2), isOne('page', 'fraction', 'path')),
  ],
  'invvpid 1': [{ kind: 'invvpid', type: 1, vpid: 2 }, ofVpid(2)],
  'invvpid 2': [{ kind: 'invvpid', type: 2 }, either(ofVpid(1), ofVpid(2))],
  'invvpid 3': [{ kind: 'invvpid', type: 3, vpid: 2 }, both(ofVpid(2), not(isGlobal))],
  'return from SMM': [{ kind: 'smm-return' }, ({ tag }) => tag.kind !== 'guest-physical'],
  'MSR-load area that flushes': [{ kind: 'msr-load-flush' }, ({ tag }) => tag.kind !== 'guest-physical'],
  reset: [{ kind: 'reset' }, () => true],
  init: [{ kind: 'init' }, nothing],
  'ept misconfiguration': [{ kind: 'ept-misconfiguration' }, nothing],
  vmxon: [{ kind: 'vmxon' }, nothing],
  vmxoff: [{ kind: 'vmxoff' }, nothing],
  vmclear: [{ kind: 'vmclear' }, nothing],
  vmptrld: [{ kind: 'vmptrld' }, nothing],
  vmwrite: [{ kind: 'vmwrite' }, nothing],
} as const satisfies Record<string, readonly [Invalidation, Goes]>;

/** The names of those that go. */
export const whatGoes = (goes: Goes): readonly string[] => KNOWN.filter(goes).map(({ name }) => name);
