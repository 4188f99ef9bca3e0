// Changes of entries that map pages. SDM Vol. 3A, 4.10.4.2 Recommended Invalidation
import { AT } from '../../cpu/engine/paged-guest';
import { fetch, invlpg, read, type Store, write, wrpkru } from './code';
import { type GuestProgram, guestCells } from './guest';
import { ALL, BIT, CR4, entry, key, L, LARGE, M, PAGE, TABLE, to } from './paged';

const pageOf = (flags: bigint): Store => ({ address: entry(L, 1), value: to(PAGE.A, flags) });

/** What the program itself is made of belongs to the supervisor. */
const SUPERVISOR: Store = { address: AT.directory, value: to(AT.table, BIT.P | BIT.W) };
const ACCESS_DISABLE_1 = 4;

type Change = Pick<GuestProgram, 'event' | 'before' | 'use' | 'current'> &
  Partial<GuestProgram> & { readonly to: bigint };

const READ = { before: read(L), use: ['read', L] } as const;
const WRITE = { before: write(L), use: ['write', L] } as const;
const FETCH = { before: fetch(L), use: ['fetch', L] } as const;

/** What becomes of the entry of L. */
const CHANGES: readonly Change[] = [
  { event: 'page moved to another frame', ...READ, to: to(PAGE.C), current: PAGE.C },
  { event: 'page made absent', ...READ, to: 0n, current: 'page-fault' },
  { event: 'write right lowered', ...WRITE, to: to(PAGE.A, BIT.P | BIT.U), current: 'page-fault' },
  {
    event: 'user right lowered',
    ...READ,
    to: to(PAGE.A, BIT.P | BIT.W),
    asUser: true,
    current: 'page-fault',
  },
  { event: 'execute right lowered', ...FETCH, to: to(PAGE.A, ALL | BIT.XD), current: 'page-fault' },
  {
    event: 'user right raised, which SMAP takes from the supervisor',
    ...READ,
    entries: [pageOf(BIT.P | BIT.W), SUPERVISOR],
    cr4: CR4.SMAP,
    to: to(PAGE.A),
    current: 'page-fault',
  },
  {
    event: 'user right raised, which SMEP takes from the supervisor',
    ...FETCH,
    entries: [pageOf(BIT.P | BIT.W), SUPERVISOR],
    cr4: CR4.SMEP,
    to: to(PAGE.A),
    current: 'page-fault',
  },
  { event: 'dirty flag cleared', ...WRITE, to: to(PAGE.A), current: PAGE.A },
  { event: 'memory type changed', ...READ, to: to(PAGE.A, ALL | BIT.PCD), current: PAGE.A },
  {
    event: 'protection key changed',
    before: [...wrpkru(ACCESS_DISABLE_1), ...read(L)],
    use: ['read', L],
    cr4: CR4.PKE,
    to: to(PAGE.A, ALL | key(1n)),
    current: 'page-fault',
  },
];

const leafChanges = (['page', 'global page'] as const).flatMap((mapping) =>
  CHANGES.map(({ to: value, entries = [pageOf(ALL)], cr4 = 0n, ...program }): GuestProgram => {
    const G = mapping === 'page' ? 0n : BIT.G;
    return {
      ...program,
      mapping,
      entries: entries.map((one) => (one === SUPERVISOR ? one : { ...one, value: one.value | G })),
      cr4: cr4 | (mapping === 'page' ? 0n : CR4.PGE),
      change: { address: entry(L, 1), value: value === 0n ? 0n : value | G },
      correctly: ['INVLPG', invlpg(L)],
      cached: PAGE.A,
      level: 1,
    };
  }),
);

const SECOND_PAGE = 0x1000;
/** Changes of the size of a page; L and M are in 2 MiB that the entry of level 2 selects. */
const sizeChanges: readonly GuestProgram[] = [
  {
    event: 'large page split into 4-KiB pages',
    mapping: 'page',
    entries: [{ address: entry(L, 2), value: to(LARGE.A, ALL | BIT.LARGE) }],
    before: read(L),
    change: { address: entry(L, 2), value: to(TABLE.otherPt) },
    correctly: ['INVLPG', invlpg(L)],
    use: ['read', M],
    cached: LARGE.A + 2 * SECOND_PAGE,
    current: PAGE.E,
    level: 2,
  },
  {
    event: 'large page split into 4-KiB pages',
    mapping: 'global page',
    entries: [{ address: entry(L, 2), value: to(LARGE.A, ALL | BIT.LARGE | BIT.G) }],
    cr4: CR4.PGE,
    before: read(L),
    change: { address: entry(L, 2), value: to(TABLE.otherPt) },
    correctly: ['INVLPG', invlpg(L)],
    use: ['read', M],
    cached: LARGE.A + 2 * SECOND_PAGE,
    current: PAGE.E,
    level: 2,
  },
  {
    event: '4-KiB pages replaced by a large page',
    mapping: 'page',
    before: read(L),
    change: { address: entry(L, 2), value: to(LARGE.A, ALL | BIT.LARGE) },
    correctly: ['INVLPG of each page', invlpg(L, M)],
    use: ['read', L],
    cached: PAGE.A,
    current: LARGE.A + SECOND_PAGE,
    level: 2,
  },
  {
    event: '4-KiB pages replaced by a large page',
    mapping: 'global page',
    entries: [{ address: entry(L, 1), value: to(PAGE.A, ALL | BIT.G) }],
    cr4: CR4.PGE,
    before: read(L),
    change: { address: entry(L, 2), value: to(LARGE.A, ALL | BIT.LARGE | BIT.G) },
    correctly: ['INVLPG of each page', invlpg(L, M)],
    use: ['read', L],
    cached: PAGE.A,
    current: LARGE.A + SECOND_PAGE,
    level: 2,
  },
];

export const PAGE_CELLS = [...leafChanges, ...sizeChanges].flatMap(guestCells);
