// Invalidations that are too small: of another address space, or of pages that are not global. SDM Vol. 3A, 4.10.4.1 Operations that Invalidate TLBs
import { invlpg, read, togglePge } from './code';
import { type GuestProgram, guestCells } from './guest';
import { ALL, BIT, becomeProcess, CR4, entry, invpcid, L, M, PAGE, reloadCr3, TABLE, to } from './paged';

const EVENT = 'page moved to another frame';
const MOVED = {
  event: EVENT,
  mapping: 'page',
  before: read(L),
  change: { address: entry(L, 1), value: to(PAGE.C) },
  use: ['read', L],
  cached: PAGE.A,
  current: PAGE.C,
  level: 1,
} as const satisfies Partial<GuestProgram>;
const GLOBAL = {
  ...MOVED,
  mapping: 'global page',
  entries: [{ address: entry(L, 1), value: to(PAGE.A, ALL | BIT.G) }],
  cr4: CR4.PGE,
  change: { address: entry(L, 1), value: to(PAGE.C, ALL | BIT.G) },
} as const;
const TAGGED = { cr4: CR4.PCIDE, pcid: 1 } as const;
/** The page is remembered in PCID 1 and changed in PCID 2. */
const AWAY = { ...MOVED, ...TAGGED, before: [...read(L), ...becomeProcess(2, { keep: true })] } as const;
const BACK = becomeProcess(1, { keep: true });
const KEEPING = 'MOV CR3 with bit 63 of the source 1';

/** Another process gets the PCID of the one that is gone. */
const REUSED = {
  ...TAGGED,
  event: 'PCID used for another process',
  before: read(L),
  correctly: ['MOV CR3', becomeProcess(1, { root: TABLE.otherRoot })],
  instead: [KEEPING, becomeProcess(1, { root: TABLE.otherRoot, keep: true })],
  use: ['read', L],
  cached: PAGE.A,
  current: PAGE.D,
  root: TABLE.otherRoot,
  enough: 'MOV to CR3',
} as const satisfies Partial<GuestProgram>;

const PROGRAMS: readonly GuestProgram[] = [
  { ...MOVED, instead: ['INVLPG of the next page', invlpg(M)], correctly: ['INVLPG', invlpg(L)] },
  { ...MOVED, ...TAGGED, instead: [KEEPING, BACK], correctly: ['MOV CR3', becomeProcess(1)] },
  {
    ...AWAY,
    instead: ['INVLPG in another PCID', [...invlpg(L), ...BACK]],
    correctly: ['INVPCID individual-address', [...invpcid(0, 1, L), ...BACK]],
    enough: 'INVPCID individual-address',
  },
  {
    ...AWAY,
    instead: ['INVPCID individual-address of another PCID', [...invpcid(0, 3, L), ...BACK]],
    correctly: ['INVPCID single-context', [...invpcid(1, 1), ...BACK]],
    enough: 'INVPCID individual-address',
  },
  {
    ...AWAY,
    instead: ['INVPCID single-context of another PCID', [...invpcid(1, 2), ...BACK]],
    correctly: ['INVPCID all-context, retaining globals', [...invpcid(3, 0), ...BACK]],
    enough: 'INVPCID individual-address',
  },
  {
    ...AWAY,
    mapping: 'table',
    change: { address: entry(L, 2), value: to(TABLE.otherPt) },
    instead: ['INVLPG in another PCID', [...invlpg(L), ...BACK]],
    correctly: ['INVPCID single-context', [...invpcid(1, 1), ...BACK]],
    use: ['read', M],
    cached: PAGE.B,
    current: PAGE.E,
    level: 2,
    enough: 'INVPCID individual-address',
  },
  { ...REUSED, mapping: 'page' },
  {
    ...REUSED,
    mapping: 'global page',
    entries: GLOBAL.entries,
    cr4: CR4.PGE | CR4.PCIDE,
    instead: ['MOV CR3', becomeProcess(1, { root: TABLE.otherRoot })],
    correctly: [
      'MOV CR4 that changes PGE, twice',
      [...becomeProcess(1, { root: TABLE.otherRoot }), ...togglePge],
    ],
    enough: 'INVLPG',
  },
  { ...REUSED, mapping: 'table', use: ['read', M], cached: PAGE.B, current: PAGE.E },
  { ...GLOBAL, instead: ['MOV CR3', reloadCr3], correctly: ['MOV CR4 that changes PGE, twice', togglePge] },
  ...(
    [
      ['INVPCID individual-address', invpcid(0, 0, L)],
      ['INVPCID single-context', invpcid(1, 0)],
      ['INVPCID all-context, retaining globals', invpcid(3, 0)],
    ] as const
  ).map(
    (instead): GuestProgram => ({ ...GLOBAL, instead, correctly: ['INVPCID all-context', invpcid(2, 0)] }),
  ),
];

export const CONTEXT_CELLS = PROGRAMS.flatMap(guestCells);
