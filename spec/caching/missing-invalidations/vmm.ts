import type { MachineState } from '../../../src/api/machine';
import { AT } from '../../cpu/engine/paged-guest';
import type { Values } from '../../vmx/dynamics/whole-machine';
import type { Finding, MappingKind, MissingInvalidation, Seen } from './cell';
import { type Access, access, type Code, HLT, STORE_OFFSET, type Store, store, VMCALL } from './code';
import { guest } from './paged';
import { HOST_TURN, resumeAt, type VirtualSetting, VPID, virtual } from './virtual';

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
  /** The store of the monitor; addresses are host-physical. */
  readonly change: Store;
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
  readonly level: number;
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
  const resumed = AT.code + before.length + VMCALL.length;
  const state = (between: Code): MachineState =>
    virtual(guest([...before, ...VMCALL, ...access(...use)], entries, cr4, 0n), {
      ept,
      turn: [...store(change), ...besides, ...between, ...resumeAt(resumed), HLT],
      ...(fields === undefined ? {} : { fields }),
      ...(memory === undefined ? {} : { memory }),
    });
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
      entry: {
        table: ept ? 'ept' : 'guest',
        level,
        address: change.address,
        rip: HOST_TURN + STORE_OFFSET,
      },
      enough,
    },
  };
};
