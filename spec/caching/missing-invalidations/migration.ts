// A virtual processor that moves to another processor and back. SDM Vol. 3C, 29.4.3.3 Guidelines for Use of the INVVPID Instruction, 29.4.3.4 Guidelines for Use of the INVEPT Instruction
import { createMachine, type MachineState } from '../../../src/api/machine';
import type { VmxState } from '../../../src/api/vmx';
import { AT as GUEST_AT, little } from '../../cpu/engine/paged-guest';
import { AT, CODE } from '../../vmx/dynamics/guest';
import type { Because, Finding, MappingKind, MissingInvalidation } from './cell';
import { type Code, HLT, invlpg, read, STORE_OFFSET, type Store, store, VMCALL, waitFor } from './code';
import { entry, guest, L, PAGE, to } from './paged';
import { EPT, EPT_PAGE, EPTP, host, invept, invvpid, LAST_TURN, VPID, virtual, vmwrite } from './virtual';

/** What processor 1 runs at first, and after the guest's exit. */
const OTHER_HOST = 0x1_4000;
const OTHER_TURN = 0x1_5000;
const FLAG = AT.operand + 0x100;
const signal = (value: number): Code => store({ address: FLAG, value: BigInt(value) });

/** An instruction whose operand at [RAX] is the address of the VMCS. */
const onVmcs = (instruction: Code): Code => [
  ...store({ address: AT.operand, value: BigInt(AT.vmcs) }),
  ...[0x48, 0xb8, ...little(AT.operand, 8)],
  ...instruction,
];
const launchAt = (guestRip: number, hostRip: number): Code => [
  ...onVmcs(CODE.vmptrld),
  ...vmwrite('guestRip', guestRip),
  ...vmwrite('hostRip', hostRip),
  ...CODE.vmlaunch,
];

interface Migration {
  readonly event: string;
  readonly mapping: MappingKind;
  readonly ept?: boolean;
  /** What the guest changes, and its monitor, while on processor 1; both invalidate there. */
  readonly byGuest?: Store;
  readonly byMonitor?: Store;
  readonly there: Code;
  readonly correctly: readonly [says: string, code: Code];
  readonly instead: string;
  readonly current: number;
  readonly enough: Finding['enough'];
}

const migrationCell = (one: Migration): MissingInvalidation => {
  const { event, mapping, ept = true, byGuest, byMonitor, there, instead, current, enough } = one;
  const [correctly, right] = one.correctly;
  const first = [...read(L), ...VMCALL];
  const second = [...(byGuest === undefined ? [] : [...store(byGuest), ...there]), ...VMCALL];
  const secondRip = GUEST_AT.code + first.length;
  const waiting = waitFor(FLAG, 1);
  const state = (between: Code): MachineState => {
    const alone = virtual(guest([[...first, ...second, ...read(L)]]), {
      ept,
      turn: [
        ...onVmcs(CODE.vmclear),
        ...signal(1),
        ...waitFor(FLAG, 2),
        ...between,
        ...launchAt(secondRip + second.length, LAST_TURN),
      ],
      memory: {
        [OTHER_HOST]: [
          ...waiting,
          ...(byMonitor === undefined ? [] : [...store(byMonitor), ...there]),
          ...launchAt(secondRip, OTHER_TURN),
        ],
        [OTHER_TURN]: [...onVmcs(CODE.vmclear), ...signal(2), HLT],
      },
    });
    const machine = createMachine({ ...alone.config, board: { processors: 2 } });
    const [cpu] = alone.processors;
    const vmx = cpu.virtualization as VmxState;
    const other = { ...vmx, vmxonPointer: AT.otherVmcs, currentVmcs: undefined, active: [] };
    return {
      ...machine,
      memory: alone.memory,
      processors: [cpu, { ...cpu, rip: BigInt(OTHER_HOST), virtualization: other }],
    };
  };
  const because: Because =
    byGuest === undefined
      ? {
          table: ept ? 'ept' : 'guest',
          level: 1,
          address: byMonitor!.address,
          rip: OTHER_HOST + waiting.length + STORE_OFFSET,
          processor: 1,
        }
      : {
          table: 'guest',
          level: 1,
          address: host(byGuest.address),
          rip: secondRip + STORE_OFFSET,
          processor: 1,
        };
  return {
    event,
    mapping,
    instead,
    correctly,
    correct: () => state(right),
    seeded: () => state([]),
    finds: { address: L, access: 'read', vpid: VPID, cached: host(PAGE.A), current, because, enough },
  };
};

const LEAF = EPT.pt + (PAGE.A / 4096) * 8;

export const MIGRATION_CELLS = (
  [
    {
      event: 'page moved by a guest on another processor, which comes back',
      mapping: 'combined page',
      byGuest: { address: entry(L, 1), value: to(PAGE.C) },
      there: invlpg(L),
      correctly: ['INVVPID single-context when it comes back', invvpid(1, VPID)],
      instead: 'INVLPG on the other processor',
      current: host(PAGE.C),
      enough: 'INVLPG',
    },
    {
      event: 'EPT page moved while the guest was on another processor',
      mapping: 'combined page',
      byMonitor: { address: LEAF, value: BigInt(host(PAGE.F)) | EPT_PAGE },
      there: invept(1, EPTP),
      correctly: ['INVEPT single-context on both processors', invept(1, EPTP)],
      instead: 'INVEPT single-context on the other processor',
      current: host(PAGE.F),
      enough: 'INVEPT single-context',
    },
    {
      event: 'shadow page moved while the guest was on another processor',
      mapping: 'linear page',
      ept: false,
      byMonitor: { address: host(entry(L, 1)), value: to(host(PAGE.C)) },
      there: invvpid(1, VPID),
      correctly: ['INVVPID individual-address on both processors', invvpid(0, VPID, L)],
      instead: 'INVVPID single-context on the other processor',
      current: host(PAGE.C),
      enough: 'INVVPID individual-address',
    },
  ] satisfies readonly Migration[]
).map(migrationCell);
