// SDM Vol. 3C, 29.3.5 Accessed and Dirty Flags for EPT; 29.3.6 Page-Modification Logging
import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import { ACCESSED_DIRTY, type Access, EptGuest, PAGE, PML, PT, type Setting, TABLES } from './guest';

const A = 0x100n;
const D = 0x200n;
const BOTH = A | D;

/** The flags of the entries for an address, from level 4 down to 1. */
const flags = (guest: EptGuest, address: number): readonly bigint[] =>
  [4, 3, 2, 1].map((level) => guest.entry(address, level) & BOTH);

const withFlags = (setting: Setting = {}): EptGuest => new EptGuest({ eptp: ACCESSED_DIRTY, ...setting });

describe('accessed and dirty flags', () => {
  it.each<[string, Access, bigint]>([
    ['ad.accessed', 'read', A],
    ['ad.accessed', 'fetch', A],
    ['ad.dirty', 'write', BOTH],
  ])('%s: a %s sets that of every entry on the way', (_, access, ofLeaf) => {
    const guest = withFlags();
    expect(flags(guest, PAGE)).toEqual([0n, 0n, 0n, 0n]);
    expect(guest.access(access)).toBe('done');
    expect(flags(guest, PAGE)).toEqual([A, A, A, ofLeaf]);
  });

  it('only where EPTP bit 6 is 1', () => {
    const guest = new EptGuest();
    guest.access('write');
    expect(flags(guest, PAGE)).toEqual([0n, 0n, 0n, 0n]);
  });

  it('of a large page the dirty flag is in the entry that maps it', () => {
    const guest = withFlags();
    guest.setEntry(0x40_0000, 0x40_0000 | 0xb7, 2);
    guest.put(PT + (PAGE / 4096) * 8, 0x40_0067);
    expect(guest.access('write')).toBe('done');
    expect(guest.entry(0x40_0000, 2) & BOTH).toBe(BOTH);
  });

  it('ad.paging-structures: a read makes the pages dirty that hold guest tables', () => {
    const guest = withFlags();
    guest.access('read');
    for (const table of [0, 1, 2, 3])
      expect(guest.entry(TABLES + 0x1000 * table) & BOTH, `table ${table}`).toBe(BOTH);
  });

  it('ad.pdpte-loads: the load of PDPTE registers is a read', () => {
    const guest = withFlags({
      values: {
        vmEntryControls: 0x11fbn,
        guestCsAccessRights: 0xc09bn,
        guestPdpte0: BigInt(TABLES + 0x2000) | 1n,
      },
    });
    guest.machine.cpu.R[SLOT.rbx] = BigInt(PAGE);
    expect(guest.machine.execute(0x0f, 0x22, 0xdb).exit).toBeUndefined();
    expect(flags(guest, PAGE)).toEqual([A, A, A, A]);
  });

  it('ad.sticky: they stay; software that clears them sees them again', () => {
    const guest = withFlags();
    guest.access('write');
    guest.access('read');
    expect(flags(guest, PAGE)).toEqual([A, A, A, BOTH]);
    guest.setEntry(PAGE, guest.entry(PAGE) & ~BOTH);
    guest.access('read');
    expect(flags(guest, PAGE)).toEqual([A, A, A, A]);
  });

  it('an access that violates sets none', () => {
    const guest = withFlags();
    guest.setEntry(PAGE, PAGE | 0x31);
    expect(guest.access('write')).toMatchObject({ exit: 48 });
    expect(flags(guest, PAGE)[3]).toBe(0n);
  });

  it('a page fault of the guest leaves the page itself alone', () => {
    const guest = withFlags({ flags: 0n });
    guest.access('read');
    expect(flags(guest, PAGE)[3]).toBe(0n);
    expect(guest.entry(PT) & BOTH).toBe(BOTH);
  });
});

const logging = (index: number, setting: Setting = {}): EptGuest =>
  withFlags({ controls: ['enablePml'], values: { pmlAddress: PML, pmlIndex: index }, ...setting });
/** What the log holds from the entry at `index` downwards. */
const log = (guest: EptGuest, index: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => Number(guest.get(PML + 8 * (index - i))));
/** The first pages that a guest makes dirty: those of its tables. */
const FIRST = [TABLES, TABLES + 0x1000, TABLES + 0x2000, PT];

describe('page-modification logging', () => {
  it('pml.write and pml.order: the page of each dirty flag set, downwards', () => {
    const guest = logging(511);
    guest.access('write', PAGE + 0x123);
    expect(log(guest, 511, 6)).toEqual([...FIRST, PAGE, 0]);
    expect(guest.field('pmlIndex')).toBe(506n);
  });

  it('a flag that is set already logs nothing', () => {
    const guest = logging(511);
    guest.access('write');
    guest.access('write', PAGE + 8);
    guest.access('read');
    expect(guest.field('pmlIndex')).toBe(506n);
  });

  it('an accessed flag logs nothing', () => {
    const guest = logging(511);
    guest.access('read');
    expect(log(guest, 511, 5)).toEqual([...FIRST, 0]);
  });

  it('bits 11:0 of an entry are 0, also of a large page, whose 4-KByte page it is', () => {
    const guest = logging(511);
    guest.setEntry(0x40_0000, 0x40_0000 | 0xb7, 2);
    guest.put(PT + (PAGE / 4096) * 8, 0x40_5067);
    guest.access('write', PAGE + 0x123);
    expect(log(guest, 507, 1)).toEqual([0x40_5000]);
  });

  it('the index wraps to FFFFH, and the next flag to set is an exit', () => {
    const guest = logging(3);
    expect(guest.access('write')).toMatchObject({ exit: 62, qualification: 0n });
    expect(guest.field('pmlIndex')).toBe(0xffffn);
    expect(log(guest, 3, 4)).toEqual(FIRST);
    expect(flags(guest, PAGE)[3]).toBe(0n);
  });

  it.each([
    ['one beyond the log', 512],
    ['FFFFH', 0xffff],
  ])('pml.when: with %s no flag is set, accessed ones too, and the access is not made', (_, index) => {
    const guest = logging(index);
    expect(guest.access('read')).toMatchObject({ exit: 62 });
    for (const table of FIRST) expect(flags(guest, table)[3]).toBe(0n);
    expect(guest.field('pmlIndex')).toBe(BigInt(index));
    expect(guest.field('guestRflags') & 0x1_0000n).toBe(0x1_0000n);
  });

  it('pml.when: no exit where nothing is to set', () => {
    const guest = logging(4);
    guest.access('write');
    expect(guest.field('pmlIndex')).toBe(0xffffn);
    expect(guest.access('write', PAGE + 8)).toBe('done');
    expect(guest.access('read')).toBe('done');
  });

  it('bit 12 of the qualification: NMI unblocking due to IRET', () => {
    const guest = logging(512);
    guest.machine.cpu.nmiUnblocked = true;
    expect(guest.access('read')).toMatchObject({ exit: 62, qualification: 0x1000n });
  });

  it('pml.needs-ad: without EPTP bit 6 there is no log', () => {
    const guest = logging(511, { eptp: 0n });
    guest.access('write');
    expect(guest.field('pmlIndex')).toBe(511n);
  });
});
