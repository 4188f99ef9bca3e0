// Changes by a monitor without EPT of the tables that it makes for its guest. SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction
import { AT } from '../../cpu/engine/paged-guest';
import { invlpg, read, write } from './code';
import { ALL, BIT, CR4, entry, L, M, PAGE, TABLE, to } from './paged';
import { EPTP, host, invept, invvpid, VPID, vmwrite } from './virtual';
import { type VmmProgram, vmmCell } from './vmm';

const GLOBAL_L = [{ address: entry(L, 1), value: to(PAGE.A, ALL | BIT.G) }];

const MOVED = {
  event: 'shadow page moved to another frame',
  mapping: 'linear page',
  ept: false,
  before: read(L),
  change: { address: host(entry(L, 1)), value: to(host(PAGE.C)) },
  correctly: ['INVVPID individual-address', invvpid(0, VPID, L)],
  use: ['read', L],
  cached: host(PAGE.A),
  current: host(PAGE.C),
  level: 1,
  enough: 'INVVPID individual-address',
} as const satisfies VmmProgram;

const PROGRAMS: readonly VmmProgram[] = [
  MOVED,
  {
    ...MOVED,
    event: 'shadow page made absent',
    change: { address: host(entry(L, 1)), value: 0n },
    current: 'page-fault',
  },
  {
    ...MOVED,
    event: 'write right of a shadow page lowered',
    before: write(L),
    change: { address: host(entry(L, 1)), value: to(host(PAGE.A), BIT.P | BIT.U) },
    use: ['write', L],
    current: 'page-fault',
  },
  { ...MOVED, instead: ['INVVPID individual-address of another VPID', invvpid(0, 2, L)] },
  { ...MOVED, instead: ['INVVPID individual-address of the next page', invvpid(0, VPID, M)] },
  { ...MOVED, instead: ['INVLPG by the monitor', invlpg(L)] },
  { ...MOVED, instead: ['INVEPT single-context', invept(1, EPTP)] },
  {
    ...MOVED,
    instead: ['INVEPT all-context', invept(2, 0)],
    correctly: ['INVVPID all-context', invvpid(2, 0)],
  },
  {
    ...MOVED,
    mapping: 'linear global page',
    entries: GLOBAL_L,
    cr4: CR4.PGE,
    change: { address: host(entry(L, 1)), value: to(host(PAGE.C), ALL | BIT.G) },
    instead: ['INVVPID single-context, retaining globals', invvpid(3, VPID)],
    correctly: ['INVVPID single-context', invvpid(1, VPID)],
  },
  {
    ...MOVED,
    event: 'shadow PDE moved to another table',
    mapping: 'linear table',
    change: { address: host(entry(L, 2)), value: to(host(TABLE.otherPt)) },
    correctly: ['INVVPID single-context, retaining globals', invvpid(3, VPID)],
    use: ['read', M],
    cached: host(PAGE.B),
    current: host(PAGE.E),
    level: 2,
  },
];

/** The VPID of a virtual processor is given to one with other tables. */
const REUSED = {
  event: 'VPID used for another virtual processor',
  ept: false,
  before: read(L),
  besides: vmwrite('guestCr3', host(TABLE.otherRoot)),
  correctly: ['INVVPID single-context', invvpid(1, VPID)],
  use: ['read', L],
  cached: host(PAGE.A),
  current: host(PAGE.D),
  roots: { cached: host(AT.pml4), current: host(TABLE.otherRoot) },
  enough: 'INVVPID single-context',
} as const satisfies Partial<VmmProgram>;
const REUSES: readonly VmmProgram[] = [
  { ...REUSED, mapping: 'linear page' },
  {
    ...REUSED,
    mapping: 'linear global page',
    entries: GLOBAL_L,
    cr4: CR4.PGE,
    instead: ['INVVPID single-context, retaining globals', invvpid(3, VPID)],
  },
  { ...REUSED, mapping: 'linear table', use: ['read', M], cached: host(PAGE.B), current: host(PAGE.E) },
];

export const SHADOW_CELLS = [...PROGRAMS, ...REUSES].map(vmmCell);
