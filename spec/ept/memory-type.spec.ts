// SDM Vol. 3C, 29.3.7.1 Memory Type Used for Accessing EPT Paging Structures, 29.3.7.2 Memory Type Used for Translated Guest-Physical Addresses
import { describe, expect, it } from 'vitest';
import { gpa, gva, hpa, type MemoryRoot } from '../../src/core';
import { eptStructureMemoryType, guestMemoryType, MEMORY_TYPE, type MemoryTyping, walk } from '../../src/ept';
import { eptTables, GUEST_BASE, GUEST_CR3, guestTables, LINEAR, put64 } from './tables';

const { uncacheable, writeCombining, writeThrough, writeProtected, writeBack, uncachedMinus } = MEMORY_TYPE;
type Ept = Exclude<(typeof MEMORY_TYPE)[keyof typeof MEMORY_TYPE], typeof uncachedMinus>;

/** IA32_PAT with each type at the place of its number; UC at those of the reserved 2 and 3. */
const PAT = 0x0706_0504_0000_0100n;
const PWT = 8n;
const PCD = 16n;
const PAT_BIT = 128n;
/** Flags of a guest entry that select a PAT entry. */
const selecting = (index: number): bigint =>
  ((index & 1) === 0 ? 0n : PWT) | ((index & 2) === 0 ? 0n : PCD) | ((index & 4) === 0 ? 0n : PAT_BIT);

interface Page {
  readonly type?: Ept;
  readonly ignorePat?: boolean;
  /** Of the guest's leaf. */
  readonly flags?: bigint;
}

/** The last guest entry: that of the 4-KiB page. */
const GUEST_LEAF = GUEST_BASE + 0x4000 + 8 * Number((LINEAR >> 12n) & 511n);
const tablesWith = ({ type = writeBack, ignorePat = false, flags = 0n }: Page) => {
  const tables = eptTables();
  tables.map({ gpa: gpa(0x5000), hpa: hpa(GUEST_BASE + 0x5000), memoryType: type, ignorePat });
  const memory: MemoryRoot = put64(guestTables(tables.publish()), GUEST_LEAF, 0x5067n | flags);
  return { memory, eptp: tables.eptp };
};
const typeOf = (page: Page, typing: MemoryTyping = { pat: PAT }) =>
  guestMemoryType(walk({ ...tablesWith(page), address: gva(LINEAR), cr3: GUEST_CR3 }).references, typing);

describe('memtype.combine: by the ordinary table, EPT in place of the MTRRs', () => {
  const table: Readonly<Record<Ept, readonly number[]>> = {
    // PAT:               UC  UC- WC  WT  WB  WP
    [uncacheable]: [0, 0, 1, 0, 0, 0],
    [writeCombining]: [0, 1, 1, 0, 1, 0],
    [writeThrough]: [0, 0, 1, 4, 4, 5],
    [writeBack]: [0, 0, 1, 4, 6, 5],
    [writeProtected]: [0, 1, 1, 4, 5, 5],
  };
  const columns = [uncacheable, uncachedMinus, writeCombining, writeThrough, writeBack, writeProtected];
  const rows = Object.entries(table).flatMap(([type, row]) =>
    row.map((expected, column) => [Number(type) as Ept, columns[column], expected] as const),
  );
  it.each(rows)('EPT %i and PAT %i', (type, pat, expected) => {
    expect(typeOf({ type, flags: selecting(pat) })).toBe(expected);
  });
});

describe('memtype.pat-type', () => {
  it('of a guest without paging is WB', () => {
    const page = tablesWith({ type: writeThrough });
    expect(guestMemoryType(walk({ ...page, address: gva(0x5008n) }).references)).toBe(writeThrough);
  });

  it('of an access to a guest paging structure has no PAT bit', () => {
    const { memory, eptp } = tablesWith({});
    const at = walk({ memory, eptp, address: gva(LINEAR), cr3: GUEST_CR3 }).references;
    // The PDPTE names the table at 3000H: bit 12 is part of an address.
    const directory = at.slice(0, 14);
    expect(directory.map(({ table, kind }) => `${table} ${kind}`).at(-1)).toBe('ept leaf');
    expect(guestMemoryType(directory, { pat: PAT })).toBe(uncacheable);
    expect(guestMemoryType(directory)).toBe(writeBack);
  });

  it('of a 2-MiB page selects by bit 12', () => {
    const tables = eptTables();
    const large = (bits: bigint) =>
      put64(
        guestTables(tables.publish()),
        GUEST_LEAF - (GUEST_LEAF % 4096) - 4096 + 8 * Number((LINEAR >> 21n) & 511n),
        0xe7n | bits,
      );
    const of = (bits: bigint) =>
      guestMemoryType(
        walk({ memory: large(bits), eptp: tables.eptp, address: gva(LINEAR & ~0x1f_ffffn), cr3: GUEST_CR3 })
          .references,
        { pat: PAT },
      );
    expect([of(0n), of(0x1000n)]).toEqual([uncacheable, writeThrough]);
  });
});

describe('what takes precedence', () => {
  it('memtype.ignore-pat: bit 6 leaves the type of EPT alone', () => {
    expect(typeOf({ type: writeBack, ignorePat: true, flags: selecting(uncacheable) })).toBe(writeBack);
    expect(typeOf({ type: uncacheable, ignorePat: true, flags: selecting(writeCombining) })).toBe(
      uncacheable,
    );
  });

  it('memtype.cd: CR0.CD = 1 makes all of it UC', () => {
    const typing = { cacheDisable: true, pat: PAT };
    expect(typeOf({ type: writeBack, ignorePat: true }, typing)).toBe(uncacheable);
  });

  it('memtype.structures: EPT structures have the type of the EPTP, UC with CR0.CD', () => {
    const { eptp } = eptTables();
    expect(eptStructureMemoryType(eptp)).toBe(writeBack);
    expect(eptStructureMemoryType(eptp & ~7n)).toBe(uncacheable);
    expect(eptStructureMemoryType(eptp, { cacheDisable: true })).toBe(uncacheable);
  });

  it('a walk that reached no page has none', () => {
    const { memory, eptp } = tablesWith({});
    expect(guestMemoryType(walk({ memory, eptp, address: gva(0x4000_0000n) }).references)).toBeUndefined();
    expect(guestMemoryType([])).toBeUndefined();
  });
});
