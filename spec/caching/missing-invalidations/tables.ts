// Changes of entries that name tables. SDM Vol. 3A, 4.10.3.1 Caches for Paging Structures, 4.10.4.2 Recommended Invalidation
import { access, read, togglePge } from './code';
import { type GuestProgram, guestCells } from './guest';
import { ALL, BIT, CR4, entry, indexOf, L, LARGE, M, N, O, PAGE, reloadCr3, TABLE, to } from './paged';

const JOINED = '4-KiB pages replaced by a large page';
const COMMON = {
  mapping: 'table',
  before: read(L),
  correctly: ['MOV CR3', reloadCr3],
  cached: PAGE.B,
  level: 2,
} as const;

/** The page table that L, which was read, and M have in common, is reached by a remembered entry. */
const PROGRAMS: readonly GuestProgram[] = [
  {
    ...COMMON,
    event: 'PDE moved to another table',
    change: { address: entry(L, 2), value: to(TABLE.otherPt) },
    use: ['read', M],
    current: PAGE.E,
  },
  {
    ...COMMON,
    event: 'PDE made absent',
    change: { address: entry(L, 2), value: 0n },
    use: ['read', M],
    current: 'page-fault',
  },
  {
    ...COMMON,
    event: 'write right of a PDE lowered',
    change: { address: entry(L, 2), value: to(TABLE.pt, BIT.P | BIT.U) },
    use: ['write', M],
    current: 'page-fault',
  },
  {
    ...COMMON,
    event: 'user right of a PDE lowered',
    change: { address: entry(L, 2), value: to(TABLE.pt, BIT.P | BIT.W) },
    use: ['read', M],
    asUser: true,
    current: 'page-fault',
  },
  {
    ...COMMON,
    event: 'execute right of a PDE lowered',
    change: { address: entry(L, 2), value: to(TABLE.pt, ALL | BIT.XD) },
    use: ['fetch', M],
    current: 'page-fault',
  },
  {
    ...COMMON,
    event: JOINED,
    change: { address: entry(L, 2), value: to(LARGE.A, ALL | BIT.LARGE) },
    use: ['read', M],
    current: LARGE.A + indexOf(M, 1) * 0x1000,
  },
  {
    ...COMMON,
    event: 'PDPTE moved to another table',
    change: { address: entry(L, 3), value: to(TABLE.otherPd) },
    use: ['read', N],
    cached: PAGE.C,
    current: PAGE.D,
    level: 3,
  },
  {
    ...COMMON,
    event: 'PDPTE made absent',
    change: { address: entry(L, 3), value: 0n },
    use: ['read', N],
    cached: PAGE.C,
    current: 'page-fault',
    level: 3,
  },
  {
    ...COMMON,
    event: 'PML4E moved to another table',
    change: { address: entry(L, 4), value: to(TABLE.otherPdpt) },
    use: ['read', O],
    cached: PAGE.A,
    current: PAGE.D,
    level: 4,
  },
  {
    ...COMMON,
    event: 'PML4E made absent',
    change: { address: entry(L, 4), value: 0n },
    use: ['read', O],
    cached: PAGE.A,
    current: 'page-fault',
    level: 4,
  },
];

/** The same changes, and the page of L itself is remembered. */
const ofPages = PROGRAMS.filter(({ event }) => event !== JOINED).flatMap(
  ({ use: [kind], current, ...program }) =>
    (['page', 'global page'] as const).map((mapping): GuestProgram => {
      const isGlobal = mapping === 'global page';
      return {
        ...program,
        mapping,
        before: access(kind, L),
        use: [kind, L],
        cached: PAGE.A,
        current: typeof current === 'number' ? PAGE.D : current,
        ...(isGlobal
          ? {
              cr4: CR4.PGE,
              entries: [{ address: entry(L, 1), value: to(PAGE.A, ALL | BIT.G) }],
              correctly: ['MOV CR4 that changes PGE, twice', togglePge],
            }
          : {}),
      };
    }),
);

export const TABLE_CELLS = [...PROGRAMS, ...ofPages].flatMap(guestCells);
