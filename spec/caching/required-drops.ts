import type { Invalidation, Mapping, MappingTag } from '../../src/api/caches';

/** What of a mapping an operation looks at. */
export type Place = Pick<Mapping, 'kind' | 'shift' | 'number' | 'pageShift'>;

/** Whether a mapping goes. */
export type Goes = (tag: MappingTag, place: Place) => boolean;

interface Where {
  readonly vpid?: number;
  readonly pcid?: number;
}

const WIDTH = 2n ** 48n;
/** Of an address as mappings count it. */
const numberOf = (address: bigint): number => Number(BigInt.asUintN(64, address) % WIDTH);
const isOf = ({ number, shift }: Place, address: number): boolean =>
  Math.floor(address / 2 ** shift) === number;
/** Of the page that the tables define, also where it is remembered in fractions. */
const isFractionOf = ({ number, shift, pageShift }: Place, address: number): boolean =>
  Math.floor(address / 2 ** pageShift) === Math.floor(number / 2 ** (pageShift - shift));

const both =
  (...all: readonly Goes[]): Goes =>
  (tag, place) =>
    all.every((one) => one(tag, place));
const either =
  (...all: readonly Goes[]): Goes =>
  (tag, place) =>
    all.some((one) => one(tag, place));
const not =
  (one: Goes): Goes =>
  (tag, place) =>
    !one(tag, place);
const when = (condition: boolean, one: Goes): Goes => (condition ? one : nothing);

const nothing: Goes = () => false;
const everything: Goes = () => true;
const linear: Goes = ({ kind }) => kind === 'linear';
const combined: Goes = ({ kind }) => kind === 'combined';
const guestPhysical: Goes = ({ kind }) => kind === 'guest-physical';
const ofVpid =
  (vpid = 0): Goes =>
  (tag) =>
    tag.kind !== 'guest-physical' && tag.vpid === vpid;
const ofPcid =
  ({ vpid = 0, pcid = 0 }: Where): Goes =>
  (tag) =>
    tag.kind !== 'guest-physical' && tag.vpid === vpid && tag.pcid === pcid;
const ofEptp =
  (eptp: bigint): Goes =>
  (tag) =>
    tag.kind !== 'linear' && tag.ep4ta === Number(eptp & ~0xfffn);
const global: Goes = (tag) => tag.kind !== 'guest-physical' && tag.pcid === 'global';
const table: Goes = (_, { kind }) => kind === 'table';
const page: Goes = not(table);
/** A page or a table that translates an address. */
const translating =
  (address: bigint): Goes =>
  (_, place) =>
    isOf(place, numberOf(address));
/** The page of an address with all its fractions. */
const wholePage =
  (address: bigint): Goes =>
  (_, place) =>
    place.kind === 'page' && isFractionOf(place, numberOf(address));
const currentOrGlobal = (where: Where): Goes => either(ofPcid(where), both(ofVpid(where.vpid), global));

const changed = ({ before, after }: { before: bigint; after: bigint }, bit: bigint): boolean =>
  ((before ^ after) & bit) !== 0n;
const clears = ({ before, after }: { before: bigint; after: bigint }, bit: bigint): boolean =>
  (before & ~after & bit) !== 0n;
const sets = ({ before, after }: { before: bigint; after: bigint }, bit: bigint): boolean =>
  (after & ~before & bit) !== 0n;
const CR0_PG = 0x8000_0000n;
const CR4 = { pae: 0x20n, pge: 0x80n, pcide: 0x2_0000n, smep: 0x10_0000n } as const;
const EFER_NXE = 0x800n;

/** The mappings that an operation must drop, one by one. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs; SDM Vol. 3C, 29.4.3.1 Operations that Invalidate Cached Mappings */
export const requiredDrops = (by: Invalidation): Goes => {
  switch (by.kind) {
    case 'invlpg':
      return either(both(currentOrGlobal(by), wholePage(by.address)), both(ofPcid(by), table));
    case 'page-fault':
      return either(
        both(currentOrGlobal(by), wholePage(by.address)),
        both(ofPcid(by), table, translating(by.address)),
      );
    case 'invpcid':
      if (by.type === 0)
        return both(ofPcid(by), either(wholePage(by.address), both(table, translating(by.address))));
      if (by.type === 1) return ofPcid(by);
      return both(ofVpid(by.vpid), by.type === 2 ? everything : not(global));
    case 'mov-cr3':
      return when(by.keeps !== true, ofPcid(by));
    case 'mov-cr0':
      return when(clears(by, CR0_PG), ofVpid(by.vpid));
    case 'mov-cr4':
      if (changed(by, CR4.pge) || clears(by, CR4.pcide)) return ofVpid(by.vpid);
      return when(changed(by, CR4.pae) || sets(by, CR4.smep), ofPcid(by));
    case 'wrmsr-efer':
      return when(changed(by, EFER_NXE), ofVpid(by.vpid));
    case 'wrmsr-mtrr':
      return both(ofVpid(by.vpid), page);
    case 'task-switch':
      return when(by.changesCr3, ofPcid({ vpid: by.vpid ?? 0, pcid: 0 }));
    case 'ept-violation':
      return both(
        ofEptp(by.eptp),
        either(
          both(guestPhysical, translating(BigInt(by.gpa))),
          by.address === undefined ? nothing : both(combined, currentOrGlobal(by), translating(by.address)),
        ),
      );
    case 'vm-entry':
    case 'vm-exit':
      return when(!by.enableVpid, ofVpid(0));
    case 'eptp-switching':
      return when(!by.enableVpid, both(combined, ofVpid(0)));
    case 'invept':
      return by.type === 1 ? ofEptp(by.eptp) : not(linear);
    case 'invvpid':
      if (by.type === 0)
        return both(ofVpid(by.vpid), either(wholePage(by.address), both(table, translating(by.address))));
      if (by.type === 2) return both(not(guestPhysical), not(ofVpid(0)));
      return both(ofVpid(by.vpid), by.type === 1 ? everything : not(global));
    case 'smm-return':
    case 'msr-load-flush':
      return not(guestPhysical);
    case 'reset':
      return everything;
    case 'ept-misconfiguration':
    case 'vmxon':
    case 'vmxoff':
    case 'vmclear':
    case 'vmptrld':
    case 'vmwrite':
    case 'init':
      return nothing;
  }
};
