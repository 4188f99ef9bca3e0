// SDM Vol. 3C, 29.3.3.1 EPT Misconfigurations
import { describe, expect, it } from 'vitest';
import { ENTRY, gpa, gva, type PagingFormat } from '../../src/core';
import { COMMON_EPT, EPTP, eptPaging, eptpError, walk } from '../../src/ept';
import { eptTables, GUEST_BASE, GUEST_CR3, guestTables, LINEAR } from './tables';

const format = eptPaging(COMMON_EPT);
const kind = (entry: bigint, level: number, by: PagingFormat = format) =>
  by.classify(Number(BigInt.asIntN(32, entry)), Number(BigInt.asIntN(32, entry >> 32n)), level);
const WRITE_BACK = 0x30n;

describe('29.3.3.1 EPT Misconfigurations', () => {
  it.each([
    ['write without read', 0b010n],
    ['write and execute without read', 0b110n],
    ['bit 39 with 39-bit addresses', 7n | (1n << 39n)],
    ['bit 51', 7n | (1n << 51n)],
  ])('%s, at every level', (_, entry) => {
    for (const level of [4, 3, 2, 1]) expect(kind(entry, level)).toBe(ENTRY.reserved);
  });

  it('bits 63:52 are ignored', () => {
    for (const level of [4, 3, 2]) expect(kind(7n | (0xfffn << 52n), level)).toBe(ENTRY.table);
    expect(kind(7n | WRITE_BACK | (0xfffn << 52n), 1)).toBe(ENTRY.leaf);
  });

  it('a PML4 entry keeps bits 7:3 clear, other tables bits 6:3', () => {
    for (let bit = 3n; bit <= 7n; bit++) expect(kind(7n | (1n << bit), 4)).toBe(ENTRY.reserved);
    for (let bit = 3n; bit <= 6n; bit++)
      for (const level of [3, 2]) expect(kind(7n | (1n << bit), level)).toBe(ENTRY.reserved);
    for (let bit = 8n; bit <= 11n; bit++) expect(kind(7n | (1n << bit), 4)).toBe(ENTRY.table);
  });

  it('address bits of a large page below its size are reserved', () => {
    for (let bit = 12n; bit < 21n; bit++) expect(kind(0xb7n | (1n << bit), 2)).toBe(ENTRY.reserved);
    for (let bit = 12n; bit < 30n; bit++) expect(kind(0xb7n | (1n << bit), 3)).toBe(ENTRY.reserved);
    expect(kind(0xb7n | (1n << 21n), 2)).toBe(ENTRY.leaf);
    expect(kind(0xb7n | (1n << 30n), 3)).toBe(ENTRY.leaf);
  });

  it('memory types 2, 3 and 7 are reserved', () => {
    const kinds = [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((type) => kind(7n | (type << 3n), 1));
    expect(kinds.flatMap((each, type) => (each === ENTRY.reserved ? [type] : []))).toEqual([2, 3, 7]);
  });

  it('what the processor lacks is reserved', () => {
    const bare = eptPaging({ ...COMMON_EPT, executeOnly: false, page2m: false, page1g: false });
    expect(kind(0b100n | WRITE_BACK, 1)).toBe(ENTRY.leaf);
    expect(kind(0b100n | WRITE_BACK, 1, bare)).toBe(ENTRY.reserved);
    expect(kind(0xb7n, 2, bare)).toBe(ENTRY.reserved);
    expect(kind(0xb7n, 3, bare)).toBe(ENTRY.reserved);
  });

  it('an entry without rights is not present, whatever else it holds', () => {
    for (const level of [4, 3, 2, 1]) expect(kind(~7n, level)).toBe(ENTRY.absent);
  });

  it('wins over the rights of upper entries', () => {
    const tables = eptTables();
    tables.write(tables.entryAddress(gpa(0), 3), 0x10_2000 + 5);
    tables.write(tables.entryAddress(gpa(0x5000), 1), (GUEST_BASE + 0x5000) | 0x1f);
    const memory = guestTables(tables.publish());
    const { outcome } = walk({
      memory,
      address: gva(LINEAR),
      access: 'write',
      cr3: GUEST_CR3,
      eptp: tables.eptp,
    });
    expect(outcome).toEqual({ ok: false, fault: { kind: 'ept-misconfiguration', gpa: 0x5678 } });
  });
});

describe('25.6.11 Extended-Page-Table Pointer', () => {
  const valid = 0x1000n | 0x1en;
  it('accepts four levels and write-back or uncacheable tables', () => {
    expect(eptpError(valid, COMMON_EPT)).toBeUndefined();
    expect(eptpError(EPTP.set(valid, 'memoryType', 0n), COMMON_EPT)).toBeUndefined();
  });
  it.each([
    ['memory-type', EPTP.set(valid, 'memoryType', 4n)],
    ['walk-length', EPTP.set(valid, 'walkLengthMinus1', 2n)],
    ['walk-length', EPTP.set(valid, 'walkLengthMinus1', 4n)],
    ['accessed-dirty', valid | 64n],
    ['shadow-stack', valid | 128n],
    ['reserved', valid | 0x100n],
    ['reserved', valid | (1n << 39n)],
  ])('%s', (error, eptp) => {
    expect(eptpError(eptp, COMMON_EPT)).toBe(error);
  });
});
