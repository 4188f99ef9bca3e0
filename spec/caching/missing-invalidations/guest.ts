import type { MachineState } from '../../../src/api/machine';
import { AT } from '../../cpu/engine/paged-guest';
import type { Finding, MissingInvalidation, Seen } from './cell';
import { type Access, access, type Code, STORE_OFFSET, type Store, store, toUser } from './code';
import { guest, USER_STACK } from './paged';
import { host, VPID, virtual } from './virtual';

/** A program of an operating system, which runs on the bare machine and behind EPT. */
export interface GuestProgram {
  readonly event: string;
  readonly mapping: 'page' | 'global page' | 'table';
  /** Entries that differ from those of `TABLES`. */
  readonly entries?: readonly Store[];
  readonly cr4?: bigint;
  /** The PCID at the start. */
  readonly pcid?: number;
  /** What makes the mapping. */
  readonly before: Code;
  /** The store to a table; left out where another root is loaded. */
  readonly change?: Store;
  readonly correctly: readonly [says: string, code: Code];
  /** Left out: nothing. */
  readonly instead?: readonly [says: string, code: Code];
  readonly use: readonly [kind: Access, address: bigint];
  /** The last access is made at CPL 3. */
  readonly asUser?: boolean;
  readonly cached: Seen;
  readonly current: Seen;
  /** Of the entry that is changed. */
  readonly level?: number;
  /** Where nothing is changed: the root that is loaded. */
  readonly root?: number;
  /** INVLPG when left out. */
  readonly enough?: Finding['enough'];
}

/** The two cells of a program: of linear mappings, and of combined ones. */
export const guestCells = (program: GuestProgram): readonly MissingInvalidation[] => {
  const { event, mapping, entries = [], cr4 = 0n, pcid = 0, before, change, use } = program;
  const [correctly, right] = program.correctly;
  const [instead, wrong] = program.instead ?? ['nothing', []];
  const asUser = program.asUser === true ? toUser(USER_STACK) : [];
  const changing = change === undefined ? [] : store(change);
  const state = (between: Code): MachineState =>
    guest([[...before, ...changing, ...between, ...asUser, ...access(...use)]], entries, cr4, BigInt(pcid));
  const cell = (kind: 'linear' | 'combined'): MissingInvalidation => {
    const isLinear = kind === 'linear';
    const of = (one: MachineState): MachineState => (isLinear ? one : virtual(one));
    const placed = (one: number): number => (isLinear ? one : host(one));
    const seen = (one: Seen): Seen => (typeof one === 'number' ? placed(one) : one);
    return {
      event,
      mapping: `${kind} ${mapping}`,
      instead,
      correctly,
      correct: () => of(state(right)),
      seeded: () => of(state(wrong)),
      finds: {
        address: use[1],
        access: use[0],
        vpid: isLinear ? 0 : VPID,
        pcid,
        cached: seen(program.cached),
        current: seen(program.current),
        because:
          change === undefined
            ? { roots: { cached: AT.pml4, current: program.root! } }
            : {
                table: 'guest',
                level: program.level!,
                address: placed(change.address),
                rip: AT.code + before.length + STORE_OFFSET,
              },
        enough: program.enough ?? 'INVLPG',
      },
    };
  };
  return [cell('linear'), cell('combined')];
};
