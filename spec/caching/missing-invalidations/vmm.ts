import type { MachineState } from '../../../src/api/machine';
import { AT } from '../../cpu/engine/paged-guest';
import type { Values } from '../../vmx/dynamics/whole-machine';
import type { Because, Finding, MappingKind, MissingInvalidation, Seen } from './cell';
import { type Access, access, type Code, HLT, STORE_OFFSET, type Store, store, VMCALL } from './code';
import { guest } from './paged';
import { HOST_TURN, host, resumeAt, type VirtualSetting, VPID, virtual } from './virtual';

/** A program of a monitor: the guest calls it, it changes a table, and the guest goes on. */
export interface VmmProgram {
  readonly event: string;
  readonly mapping: MappingKind;
  /** Off: the monitor makes shadow tables. */
  readonly ept?: boolean;
  /** Entries of the guest's tables. */
  readonly entries?: readonly Store[];
  readonly cr4?: bigint;
  /** Bytes in the host's memory. */
  readonly memory?: VirtualSetting['memory'];
  readonly fields?: Values;
  /** What the guest does first: it makes the mapping. */
  readonly before: Code;
  /** The store of the monitor; addresses are host-physical. Left out where it loads another root, or the guest makes the store. */
  readonly change?: Store;
  /** What the guest does before it uses the address: a store, by its own addresses, and what follows. */
  readonly later?: { readonly change: Store; readonly following: Code };
  /** What the monitor does besides, in both versions. */
  readonly besides?: Code;
  readonly correctly: readonly [says: string, code: Code];
  /** Left out: nothing. */
  readonly instead?: readonly [says: string, code: Code];
  readonly use: readonly [kind: Access, address: bigint];
  /** Byte addresses in the host's memory. */
  readonly cached: Seen;
  readonly current: Seen;
  /** Of the entry that is changed. */
  readonly level?: number;
  /** Where no entry is changed. */
  readonly roots?: { readonly cached: number; readonly current: number };
  readonly enough: Finding['enough'];
  /** 1 when left out. */
  readonly vpid?: number;
}

export const vmmCell = (program: VmmProgram): MissingInvalidation => {
  const {
    event,
    mapping,
    ept = true,
    entries = [],
    cr4 = 0n,
    memory,
    fields,
    before,
    change,
    besides = [],
  } = program;
  const [correctly, right] = program.correctly;
  const [instead, wrong] = program.instead ?? ['nothing', []];
  const { use, cached, current, level, enough, vpid = VPID } = program;
  const { later } = program;
  const afterwards = later === undefined ? [] : [...store(later.change), ...later.following];
  const changing = change === undefined ? [] : store(change);
  const resumed = AT.code + before.length + VMCALL.length;
  const state = (between: Code): MachineState =>
    virtual(guest([[...before, ...VMCALL, ...afterwards, ...access(...use)]], entries, cr4), {
      ept,
      turn: [...changing, ...besides, ...between, ...resumeAt(resumed), HLT],
      ...(fields === undefined ? {} : { fields }),
      ...(memory === undefined ? {} : { memory }),
    });
  const because = (): Because => {
    if (program.roots !== undefined) return { roots: program.roots };
    if (later !== undefined)
      return {
        table: 'guest',
        level: level!,
        address: host(later.change.address),
        rip: resumed + STORE_OFFSET,
      };
    return {
      table: ept ? 'ept' : 'guest',
      level: level!,
      address: change!.address,
      rip: HOST_TURN + STORE_OFFSET,
    };
  };
  return {
    event,
    mapping,
    instead,
    correctly,
    correct: () => state(right),
    seeded: () => state(wrong),
    finds: {
      address: use[1],
      access: use[0],
      vpid,
      cached,
      current,
      because: because(),
      enough,
    },
  };
};
