// SDM Vol. 3C, 29.3 The Extended Page Table Mechanism (EPT)
import { describe, expect, it } from 'vitest';
import { EMPTY_MEMORY, gpa, gva, hpa } from '../../src/core';
import { EPT_RIGHTS, eptViolationQualification, walk } from '../../src/ept';
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
