// Changes that another processor makes. SDM Vol. 3A, 4.10.5 Propagation of Paging-Structure Changes to Multiple Processors
import type { MachineState } from '../../../src/api/machine';
import { programAt } from '../../machine/several';
import type { Finding, MissingInvalidation } from './cell';
import {
  type Access,
  access,
  type Code,
  invlpg,
  read,
  STORE_OFFSET,
  type Store,
  store,
  waitFor,
} from './code';
import {
  ALL,
  BIT,
  becomeProcess,
  CR4,
  entry,
  FLAG,
  guest,
  invpcid,
  L,
  M,
  PAGE,
  reloadCr3,
  TABLE,
  to,
} from './paged';

const signal = (value: number): Code => store({ address: FLAG, value: BigInt(value) });

interface Shootdown {
  readonly event: string;
  readonly mapping: 'linear page' | 'linear global page' | 'linear table';
  readonly entries?: readonly Store[];
  readonly cr4?: bigint;
  readonly pcid?: number;
  readonly change: Store;
  /** What the processor that makes the change invalidates of its own. */
  readonly own: Code;
  /** What the other one does before it uses the address. */
  readonly correctly: readonly [says: string, code: Code];
  readonly instead: readonly [says: string, code: Code];
  readonly use: readonly [kind: Access, address: bigint];
  readonly cached: number;
  readonly current: number;
  readonly level: number;
  readonly enough?: Finding['enough'];
}

/** Processor 1 remembers, processor 0 makes the change. */
const shootdown = (one: Shootdown): MissingInvalidation => {
  const { event, mapping, entries, cr4, pcid = 0, change, own, use, level, cached, current } = one;
  const [correctly, right] = one.correctly;
  const [instead, wrong] = one.instead;
  const before = waitFor(FLAG, 1);
  const state = (between: Code): MachineState =>
    guest(
      [
        [...before, ...store(change), ...own, ...signal(2)],
        [...read(L), ...signal(1), ...waitFor(FLAG, 2), ...between, ...access(...use)],
      ],
      entries,
      cr4,
      BigInt(pcid),
    );
  return {
    event,
    mapping,
    instead,
    correctly,
    correct: () => state(right),
    seeded: () => state(wrong),
    finds: {
      processor: 1,
      address: use[1],
      access: use[0],
      pcid,
      cached,
      current,
      because: {
        table: 'guest',
        level,
        address: change.address,
        rip: programAt(0) + before.length + STORE_OFFSET,
      },
      enough: one.enough ?? 'INVLPG',
    },
  };
};

const MOVED = {
  event: 'page moved by another processor',
  mapping: 'linear page',
  change: { address: entry(L, 1), value: to(PAGE.C) },
  own: invlpg(L),
  correctly: ['INVLPG on both processors', invlpg(L)],
  instead: ['INVLPG on the other processor', []],
  use: ['read', L],
  cached: PAGE.A,
  current: PAGE.C,
  level: 1,
} as const satisfies Shootdown;

const PROGRAMS: readonly Shootdown[] = [
  MOVED,
  {
    ...MOVED,
    mapping: 'linear global page',
    entries: [{ address: entry(L, 1), value: to(PAGE.A, ALL | BIT.G) }],
    cr4: CR4.PGE,
    change: { address: entry(L, 1), value: to(PAGE.C, ALL | BIT.G) },
    instead: ['INVLPG on the other processor, MOV CR3 here', reloadCr3],
  },
  {
    ...MOVED,
    event: 'PDE moved by another processor',
    mapping: 'linear table',
    change: { address: entry(L, 2), value: to(TABLE.otherPt) },
    own: reloadCr3,
    correctly: ['MOV CR3 on both processors', reloadCr3],
    instead: ['MOV CR3 on the other processor', []],
    use: ['read', M],
    cached: PAGE.B,
    current: PAGE.E,
    level: 2,
  },
  {
    ...MOVED,
    event: 'process moved to another processor and back',
    cr4: CR4.PCIDE,
    pcid: 1,
    own: invpcid(0, 1, L),
    correctly: ['MOV CR3 when it comes back', becomeProcess(1)],
    instead: ['MOV CR3 with bit 63 of the source 1', becomeProcess(1, { keep: true })],
  },
];

export const PROCESSOR_CELLS = PROGRAMS.map(shootdown);
