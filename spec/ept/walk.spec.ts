// SDM Vol. 3C, 29.3 The Extended Page Table Mechanism (EPT)
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, gva, hpa } from '../../src/core';
import { COMMON_EPT, EPT_RIGHTS, eptViolationQualification, walk } from '../../src/ept';
import { eptTables, GUEST_BASE, GUEST_CR3, guestTables, LINEAR, put64 } from './tables';

const tables = eptTables();
const memory = guestTables(tables.publish());
const request = { memory, address: gva(LINEAR), cr3: GUEST_CR3, eptp: tables.eptp };

describe('29.3.1 EPT Overview: a two-dimensional walk', () => {
  const { references, outcome } = walk(request);

  it('reads 24 entries for four guest levels and four EPT levels', () => {
    expect(references).toHaveLength(24);
    const once = ['ept4', 'ept3', 'ept2', 'ept1'];
    expect(references.map(({ table, level }) => `${table}${level}`)).toEqual([
      ...[4, 3, 2, 1].flatMap((level) => [...once, `guest${level}`]),
      ...once,
    ]);
  });

  it('gives the host-physical address', () => {
    expect(outcome).toEqual({ ok: true, value: GUEST_BASE + 0x5678 });
  });

  it('names where each guest entry is, on both sides', () => {
    const guest = references.filter(({ table }) => table === 'guest');
    expect(guest.map((reference) => reference.address - reference.gpa)).toEqual(Array(4).fill(GUEST_BASE));
    expect(guest.map((reference) => Math.floor(reference.gpa / 4096))).toEqual([1, 2, 3, 4]);
  });

  it('names the guest-physical address that EPT entries translate', () => {
    expect(references.slice(20).every((reference) => reference.gpa === 0x5678)).toBe(true);
    expect(references[0].gpa).toBe(references[4].gpa);
  });

  it('decodes the entries', () => {
    expect(references[3].bits).toMatchObject({ read: 1n, write: 1n, execute: 1n, memoryType: 6n });
    expect(references[4].bits).toMatchObject({ present: 1n, write: 1n, user: 1n });
    expect(references[3].kind).toBe('leaf');
    expect(references[2].kind).toBe('table');
  });

  it('without EPT reads guest entries alone, and stops at the one that is not present', () => {
    const flat = walk({ memory, address: gva(LINEAR), cr3: BigInt(GUEST_BASE) + GUEST_CR3 });
    expect(flat.references.map(({ level }) => level)).toEqual([4, 3]);
    expect(flat.outcome).toMatchObject({ ok: false, fault: { kind: 'page-fault', errorCode: 0 } });
  });

  it('without guest paging translates the guest-physical address alone', () => {
    const { references: four, outcome: host } = walk({ memory, address: gva(0x5008n), eptp: tables.eptp });
    expect(four.map(({ level }) => level)).toEqual([4, 3, 2, 1]);
    expect(host).toEqual({ ok: true, value: GUEST_BASE + 0x5008 });
  });

  it('with 2-MiB pages of EPT reads 19 entries', () => {
    const large = eptTables(EMPTY_MEMORY);
    const wide = large.write(large.entryAddress(gpa(0), 2), GUEST_BASE + 0xb7);
    const result = walk({ ...request, memory: guestTables(wide.publish()) });
    expect(result.references).toHaveLength(19);
    expect(result.outcome).toEqual(outcome);
  });
});

describe('29.3.3.2 EPT Violations', () => {
  const withRights = (frame: number, rights: number) => {
    const own = eptTables();
    own.map({ gpa: gpa(frame * 4096), hpa: hpa(GUEST_BASE + frame * 4096), rights });
    return { ...request, memory: guestTables(own.publish()) };
  };
  const violationOf = (result: ReturnType<typeof walk>) => {
    if (result.outcome.ok || result.outcome.fault.kind !== 'ept-violation') throw new Error('no violation');
    return result.outcome.fault;
  };

  it('a write to a page without the write right: bits 1, 3, 5, 7 and 8', () => {
    const violation = violationOf(walk({ ...withRights(5, 5), access: 'write' }));
    expect(violation).toMatchObject({ gpa: 0x5678, linear: LINEAR, pagingStructure: false });
    expect(eptViolationQualification(violation)).toBe(0b1_1010_1010);
  });

  it('a fetch from a page without the execute right', () => {
    const violation = violationOf(walk({ ...withRights(5, 3), access: 'fetch' }));
    expect(eptViolationQualification(violation)).toBe(0b1_1001_1100);
  });

  it('a read of an execute-only page', () => {
    const violation = violationOf(walk(withRights(5, EPT_RIGHTS.execute)));
    expect(eptViolationQualification(violation)).toBe(0b1_1010_0001);
    expect(walk({ ...withRights(5, EPT_RIGHTS.execute), access: 'fetch' }).outcome.ok).toBe(true);
  });

  it('a guest table that EPT does not let read: bit 8 is 0, the access a read, whatever the instruction does', () => {
    const result = walk({ ...withRights(3, 0), access: 'write' });
    const violation = violationOf(result);
    expect(violation).toMatchObject({ pagingStructure: true, rights: 0 });
    expect(eptViolationQualification(violation)).toBe(0b1000_0001);
    expect(result.references).toHaveLength(5 + 5 + 4);
  });

  it('an entry that is not present gives no rights at all', () => {
    const result = walk({ memory, address: gva(0x4000_0000n), eptp: tables.eptp });
    expect(eptViolationQualification(violationOf(result))).toBe(0b1_1000_0001);
  });

  it('a guest-physical address beyond 48 bits is not present', () => {
    const result = walk({ memory, address: gva(1n << 48n), eptp: tables.eptp });
    expect(violationOf(result).rights).toBe(0);
    expect(result.references).toEqual([]);
  });

  it('the guest page fault comes before the final EPT translation', () => {
    const readOnly = guestTables(withRights(5, 0).memory, 0x65n);
    const result = walk({ ...request, memory: readOnly, access: 'write' });
    expect(result.outcome).toMatchObject({ ok: false, fault: { kind: 'page-fault', errorCode: 3 } });
    expect(result.references).toHaveLength(20);
  });

  it('a reserved bit in a guest entry is the guest its own fault', () => {
    const broken = put64(memory, GUEST_BASE + 0x1000 + 8 * 255, (1n << 45n) | 0x2067n);
    expect(walk({ ...request, memory: broken }).outcome).toMatchObject({
      ok: false,
      fault: { kind: 'page-fault', errorCode: 9 },
    });
  });
});

describe('what else the EPTP and the controls say', () => {
  const CAPABLE = { ...COMMON_EPT, walkLength5: true, accessedDirty: true, advancedInformation: true };
  const PML5 = 0x20_0000;
  const fiveLevels = put64(memory, PML5, BigInt(tables.root) | 7n);
  const withLeaf = (entry: bigint): typeof request => {
    const own = eptTables();
    own.write(own.entryAddress(gpa(0x5000), 1), entry);
    return { ...request, memory: guestTables(own.publish()) };
  };
  const qualification = (result: ReturnType<typeof walk>): number => {
    if (result.outcome.ok || result.outcome.fault.kind !== 'ept-violation') throw new Error('no violation');
    return eptViolationQualification(result.outcome.fault);
  };

  it('5 levels of EPT under 4 of the guest: 29 references', () => {
    const eptp = BigInt(PML5) | 0x26n;
    const { references, outcome } = walk({ ...request, memory: fiveLevels, eptp, ept: CAPABLE });
    expect(references.map(({ table, level }) => `${table}${level}`).slice(0, 6)).toEqual([
      'ept5',
      'ept4',
      'ept3',
      'ept2',
      'ept1',
      'guest4',
    ]);
    expect(references).toHaveLength(29);
    expect(outcome).toEqual({ ok: true, value: GUEST_BASE + 0x5678 });
  });

  it('with accessed and dirty flags guest tables must be writable, and the qualification says both', () => {
    const own = eptTables();
    own.map({ gpa: gpa(0x3000), hpa: hpa(GUEST_BASE + 0x3000), rights: EPT_RIGHTS.read });
    const readOnly = { ...request, memory: guestTables(own.publish()) };
    expect(walk(readOnly).outcome.ok).toBe(true);
    const result = walk({ ...readOnly, eptp: tables.eptp | 0x40n, ept: CAPABLE });
    expect(qualification(result)).toBe(0b1000_1011);
    expect(result.references).toHaveLength(5 + 5 + 4);
  });

  it('mode-based execute control: bit 10 is for user-mode linear addresses', () => {
    const frame = BigInt(GUEST_BASE + 0x5000) | 0x31n;
    const fetch = { ...withLeaf(frame | 0x400n), access: 'fetch', ept: CAPABLE } as const;
    expect(qualification(walk(fetch))).toBe(0x78c);
    // Bit 10 of the tables is 0.
    expect(qualification(walk({ ...fetch, modeBasedExecute: true }))).toBe(0x78c);
    const supervisor = guestTables(withLeaf(frame | 4n).memory, 0x63n);
    expect(walk({ ...fetch, memory: supervisor, modeBasedExecute: true }).outcome.ok).toBe(true);
  });

  it('advanced information says what the guest gives the linear address', () => {
    const absent = withLeaf(0n);
    expect(qualification(walk(absent))).toBe(0x181);
    expect(qualification(walk({ ...absent, ept: CAPABLE }))).toBe(0x781);
    const readOnly = guestTables(absent.memory, 0x61n);
    expect(qualification(walk({ ...absent, memory: readOnly, ept: CAPABLE }))).toBe(0x181);
  });

  it('an EPTP that VM entry refuses is no request', () => {
    expect(() => walk({ ...request, eptp: tables.eptp | 0x40n })).toThrow('accessed-dirty');
  });
});
