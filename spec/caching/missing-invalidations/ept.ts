// Changes of EPT by a monitor. SDM Vol. 3C, 29.4.3.4 Guidelines for Use of the INVEPT Instruction
import { AT } from '../../cpu/engine/paged-guest';
import { words } from '../../vmx/dynamics/whole-machine';
import { access, fetch, read, type Store, store, write } from './code';
import { ALL, BIT, CR4, entry, L, LARGE, M, N, PAGE, reloadCr3, TABLE, to } from './paged';
import { EPT, EPT_LARGE, EPT_PAGE, EPT_TABLE, EPTP, host, invept, invvpid, VPID, vmwrite } from './virtual';
import { type VmmProgram, vmmCell } from './vmm';

const INVEPT = ['INVEPT single-context', invept(1, EPTP)] as const;
const ENOUGH = 'INVEPT single-context';

const LARGE_BYTES = 0x20_0000;
/** The EPT entry of a 4-KiB page of the guest's first 2 MiB, and of one of 2 MiB. */
const leafOf = (gpa: number): number => EPT.pt + (gpa / 4096) * 8;
const largeOf = (gpa: number): number => EPT.pd + (gpa / LARGE_BYTES) * 8;
const mapped = (gpa: number, flags = EPT_PAGE): bigint => BigInt(host(gpa)) | flags;

/** N, which was not touched yet, is in the same page of the guest's memory as L. */
const GLOBAL: Store = { address: entry(L, 1), value: to(PAGE.A, ALL | BIT.G) };
const ALIAS: Store = { address: entry(N, 2), value: to(TABLE.pt) };

type Change = Pick<VmmProgram, 'event' | 'before' | 'current'> &
  Partial<VmmProgram> & { readonly kind: VmmProgram['use'][0]; readonly to: bigint };

const CHANGES: readonly Change[] = [
  {
    event: 'EPT page moved to another frame',
    before: read(L),
    kind: 'read',
    to: mapped(PAGE.F),
    current: host(PAGE.F),
  },
  { event: 'EPT page made absent', before: read(L), kind: 'read', to: 0n, current: 'ept-violation' },
  {
    event: 'EPT write right lowered',
    before: write(L),
    kind: 'write',
    to: mapped(PAGE.A, 0x35n),
    current: 'ept-violation',
  },
  {
    event: 'EPT execute right lowered',
    before: fetch(L),
    kind: 'fetch',
    to: mapped(PAGE.A, 0x33n),
    current: 'ept-violation',
  },
  {
    event: 'EPT memory type changed',
    before: read(L),
    kind: 'read',
    to: mapped(PAGE.A, 0x07n),
    current: host(PAGE.A),
  },
  {
    event: 'EPT dirty flag cleared',
    fields: { eptPointer: EPTP | 0x40n },
    before: write(L),
    kind: 'write',
    to: mapped(PAGE.A, EPT_PAGE | 0x100n),
    current: host(PAGE.A),
  },
];

/** The entry of the page of L is changed; L is used again, or N, which only shares what came from EPT. */
const leafChanges = (['combined page', 'combined global page', 'guest-physical page'] as const).flatMap(
  (mapping) =>
    CHANGES.map(
      ({ to: value, kind, ...change }): VmmProgram => ({
        ...change,
        mapping,
        entries: mapping === 'combined global page' ? [GLOBAL] : [ALIAS],
        cr4: mapping === 'combined global page' ? CR4.PGE : 0n,
        change: { address: leafOf(PAGE.A), value },
        correctly: INVEPT,
        use: [kind, mapping === 'guest-physical page' ? N : L],
        cached: host(PAGE.A),
        level: 1,
        enough: ENOUGH,
      }),
    ),
);

/** Tables that the cells build; the first two map pages C and D, E and F. */
const FREE = {
  ptOfC: EPT.free,
  ptOfE: EPT.free + 0x1000,
  pd: EPT.free + 0x2000,
  otherPd: EPT.free + 0x3000,
  otherPdpt: EPT.free + 0x4000,
  pdOfOther: EPT.free + 0x5000,
  ptOfOther: EPT.free + 0x6000,
} as const;
const named = (table: number): bigint => BigInt(table) | EPT_TABLE;
const GIB = 0x4000_0000;
/** A guest-physical page by 4-KiB pages, one in the first GiB beyond memory, and one in the next. */
const SMALL = LARGE.B;
const MEMORY: VmmProgram['memory'] = {
  [largeOf(SMALL)]: words(named(FREE.ptOfC)),
  [FREE.ptOfC]: words(mapped(PAGE.C), mapped(PAGE.D)),
  [FREE.ptOfE]: words(mapped(PAGE.E), mapped(PAGE.F)),
  [EPT.pdpt + 8]: words(named(FREE.pd), named(FREE.pd)),
  [FREE.pd]: words(named(FREE.ptOfC), named(FREE.ptOfE)),
  [FREE.otherPd]: words(named(FREE.ptOfE), named(FREE.ptOfC)),
  [FREE.otherPdpt]: words(named(EPT.pd), named(FREE.otherPd), named(FREE.otherPd)),
};
/** Where L and M lead in the guest's memory. */
const leading = (first: number, second: number): readonly Store[] => [
  { address: entry(L, 1), value: to(first) },
  { address: entry(M, 1), value: to(second) },
  ALIAS,
];
const nextPage = (gpa: number): number => gpa + 0x1000;

const COMMON = {
  memory: MEMORY,
  before: read(L),
  correctly: INVEPT,
  enough: ENOUGH,
} as const;
const SPLIT = {
  ...COMMON,
  event: 'EPT large page split into 4-KiB pages',
  entries: leading(LARGE.A, nextPage(LARGE.A)),
  change: { address: largeOf(LARGE.A), value: named(FREE.ptOfC) },
  level: 2,
} as const;
const JOINED = {
  ...COMMON,
  event: 'EPT 4-KiB pages replaced by a large page',
  entries: leading(SMALL, nextPage(SMALL)),
  change: { address: largeOf(SMALL), value: mapped(LARGE.A, EPT_LARGE) },
  level: 2,
} as const;
const PDE = { ...JOINED, mapping: 'guest-physical table', use: ['read', M], cached: host(PAGE.D) } as const;
const MOVED = {
  ...COMMON,
  event: 'EPT page moved to another frame',
  change: { address: leafOf(PAGE.A), value: mapped(PAGE.F) },
  use: ['read', L],
  cached: host(PAGE.A),
  current: host(PAGE.F),
  level: 1,
} as const;
/** The page of the guest's page table. */
const TABLE_PAGE = {
  ...COMMON,
  event: 'page of a page table moved by EPT',
  entries: [ALIAS],
  change: { address: leafOf(TABLE.pt), value: mapped(TABLE.otherPt) },
  level: 1,
} as const;

const FREED = 'EPT table freed and used for data';

const PROGRAMS: readonly VmmProgram[] = [
  {
    ...SPLIT,
    mapping: 'combined page',
    use: ['read', L],
    cached: host(LARGE.A),
    current: host(PAGE.C),
  },
  {
    ...SPLIT,
    mapping: 'guest-physical page',
    use: ['read', M],
    cached: host(nextPage(LARGE.A)),
    current: host(PAGE.D),
  },
  { ...JOINED, mapping: 'combined page', use: ['read', L], cached: host(PAGE.C), current: host(LARGE.A) },
  {
    ...JOINED,
    mapping: 'guest-physical page',
    use: ['read', N],
    cached: host(PAGE.C),
    current: host(LARGE.A),
  },
  { ...PDE, current: host(nextPage(LARGE.A)) },
  {
    ...PDE,
    event: 'EPT PDE moved to another table',
    change: { address: largeOf(SMALL), value: named(FREE.ptOfE) },
    current: host(PAGE.F),
  },
  {
    ...PDE,
    event: 'EPT PDE made absent',
    change: { address: largeOf(SMALL), value: 0n },
    current: 'ept-violation',
  },
  {
    ...PDE,
    event: 'write right of an EPT PDE lowered',
    change: { address: largeOf(SMALL), value: BigInt(FREE.ptOfC) | 5n },
    use: ['write', M],
    current: 'ept-violation',
  },
  {
    ...PDE,
    event: FREED,
    change: { address: largeOf(SMALL), value: 0n },
    besides: store({ address: FREE.ptOfC + 8, value: mapped(PAGE.F) }),
    cached: host(PAGE.F),
    current: 'ept-violation',
  },
  {
    ...COMMON,
    event: 'EPT PDPTE moved to another table',
    mapping: 'guest-physical table',
    entries: leading(GIB, GIB + LARGE_BYTES),
    change: { address: EPT.pdpt + 8, value: named(FREE.otherPd) },
    use: ['read', M],
    cached: host(PAGE.E),
    current: host(PAGE.C),
    level: 3,
  },
  {
    ...COMMON,
    event: 'EPT PML4E moved to another table',
    mapping: 'guest-physical table',
    entries: leading(GIB, 2 * GIB),
    change: { address: EPT.pml4, value: named(FREE.otherPdpt) },
    use: ['read', M],
    cached: host(PAGE.C),
    current: host(PAGE.E),
    level: 4,
  },
  {
    ...COMMON,
    event: 'EPT root page used for another virtual machine',
    mapping: 'guest-physical page',
    memory: {
      [FREE.otherPdpt]: words(named(FREE.pdOfOther)),
      [FREE.pdOfOther]: words(named(FREE.ptOfOther)),
      [FREE.ptOfOther]: words(
        ...Array.from({ length: 512 }, (_, n) => mapped(n * 4096 === PAGE.A ? PAGE.F : n * 4096)),
      ),
    },
    change: { address: EPT.pml4, value: named(FREE.otherPdpt) },
    besides: vmwrite('vpid', 2),
    use: ['read', L],
    cached: host(PAGE.A),
    current: host(PAGE.F),
    level: 4,
    vpid: 2,
  },
  {
    ...MOVED,
    mapping: 'combined page',
    instead: ['INVEPT single-context of another EPTP', invept(1, BigInt(FREE.otherPdpt) | 0x1en)],
  },
  {
    ...MOVED,
    mapping: 'guest-physical page',
    instead: ['INVVPID single-context', invvpid(1, VPID)],
  },
  {
    ...MOVED,
    mapping: 'guest-physical page',
    instead: ['INVVPID individual-address', invvpid(0, VPID, L)],
    correctly: ['INVEPT all-context', invept(2, 0)],
  },
  { ...TABLE_PAGE, mapping: 'combined page', use: ['read', L], cached: host(PAGE.A), current: host(PAGE.D) },
  { ...TABLE_PAGE, mapping: 'combined table', use: ['read', M], cached: host(PAGE.B), current: host(PAGE.E) },
  {
    ...TABLE_PAGE,
    mapping: 'guest-physical page',
    use: ['read', N],
    cached: host(PAGE.A),
    current: host(PAGE.D),
  },
  ...(
    [
      ['combined page', L, PAGE.A],
      ['combined table', M, PAGE.B],
      ['guest-physical page', N, PAGE.A],
    ] as const
  ).map(
    ([mapping, address, page]): VmmProgram => ({
      ...TABLE_PAGE,
      event: 'page of a page table made absent by EPT',
      mapping,
      change: { address: leafOf(TABLE.pt), value: 0n },
      use: ['read', address],
      cached: host(page),
      current: 'ept-violation',
    }),
  ),
];

/** The same changes of tables, and the page of L is remembered; N only shares what came from EPT. */
const ofPages = PROGRAMS.filter(({ mapping }) => mapping === 'guest-physical table')
  .filter(({ event }) => ![JOINED.event, FREED].includes(event))
  .flatMap(({ use: [kind], current, ...program }) =>
    (['combined page', 'guest-physical page'] as const).map(
      (mapping): VmmProgram => ({
        ...program,
        mapping,
        before: access(kind, L),
        use: [kind, mapping === 'combined page' ? L : N],
        cached: host(PAGE.C),
        current: typeof current === 'number' ? host(PAGE.E) : current,
      }),
    ),
  );

/** What a guest may expect of a register that its monitor writes for it. SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction */
const STATE_EDITS: readonly VmmProgram[] = [
  {
    event: 'VPID used for another virtual processor',
    mapping: 'combined page',
    before: read(L),
    besides: vmwrite('guestCr3', TABLE.otherRoot),
    correctly: ['INVVPID single-context', invvpid(1, VPID)],
    use: ['read', L],
    cached: host(PAGE.A),
    current: host(PAGE.D),
    roots: { cached: AT.pml4, current: TABLE.otherRoot },
    enough: 'INVVPID single-context',
  },
  {
    event: 'VPID used for another virtual processor',
    mapping: 'combined global page',
    entries: [GLOBAL],
    cr4: CR4.PGE,
    before: read(L),
    besides: vmwrite('guestCr3', TABLE.otherRoot),
    instead: ['INVVPID single-context, retaining globals', invvpid(3, VPID)],
    correctly: ['INVVPID single-context', invvpid(1, VPID)],
    use: ['read', L],
    cached: host(PAGE.A),
    current: host(PAGE.D),
    roots: { cached: AT.pml4, current: TABLE.otherRoot },
    enough: 'INVLPG',
  },
  {
    event: 'VPID used for another virtual processor',
    mapping: 'combined table',
    before: read(L),
    besides: vmwrite('guestCr3', TABLE.otherRoot),
    correctly: ['INVVPID all-context', invvpid(2, 0)],
    use: ['read', M],
    cached: host(PAGE.B),
    current: host(PAGE.E),
    roots: { cached: AT.pml4, current: TABLE.otherRoot },
    enough: 'INVVPID single-context',
  },
  {
    event: 'CR4.PGE cleared by the monitor for its guest',
    mapping: 'combined global page',
    entries: [GLOBAL],
    cr4: CR4.PGE,
    before: read(L),
    besides: vmwrite('guestCr4', 0x2020n),
    later: { change: { address: entry(L, 1), value: to(PAGE.C, ALL | BIT.G) }, following: reloadCr3 },
    correctly: ['INVVPID single-context', invvpid(1, VPID)],
    use: ['read', L],
    cached: host(PAGE.A),
    current: host(PAGE.C),
    level: 1,
    enough: 'INVLPG',
  },
];

export const EPT_CELLS = [...leafChanges, ...PROGRAMS, ...ofPages, ...STATE_EDITS].map(vmmCell);
