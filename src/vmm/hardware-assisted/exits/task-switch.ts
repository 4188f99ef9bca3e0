import { bitfield } from '../../../core';
import { LINK, LOADED_FLAGS, layoutOf } from '../../../cpu/tasks/task-layout';
import { EXIT_REASONS } from '../../../vmx/exit/exit-reasons';
import { RIGHTS } from '../access-rights';
import { ACTIVITY, BLOCKING, RFLAGS } from '../completion';
import { type Exit, RSP } from '../guest';
import { CR0, CR0_MODE, CR4 } from '../initial-vmcs';
import { eventOf, type InjectedEvent, inject, TYPE, VECTOR } from '../injection';
import { loadPdptes } from '../paging/pdptes';
import { writePieces } from '../paging/physical';
import { linearAddress, readCodeSegment } from '../paging/segment';
import { locate, type PagingRegisters, readPagingRegisters } from '../paging/walk';
import { halt, type Program, tell, value, vmread, vmwrites } from '../program';
import {
  globalTable,
  implicitly,
  markDescriptor,
  readDescriptor,
  segmentFields,
  writeLinear,
} from '../tasks/descriptors';
import { loadSegments } from '../tasks/segments';
import { loadedRegisters, readTaskState, type TaskState, writeTaskState } from '../tasks/task-state';
import { flushTranslations } from './control-registers';

const QUALIFICATION = bitfield(EXIT_REASONS.taskSwitch.qualification);
/** What asked for the switch. SDM Vol. 3C, Table 28-2 Exit Qualification for Task Switches */
const SOURCE = { call: 0n, iret: 1n, jmp: 2n, idtGate: 3n } as const;
const NESTED = 1n << 14n;
const ALWAYS_ONE = 2n;
/** Local enables of DR7, L0 to L3 and LE. SDM Vol. 3B, 18.2.4 Debug Control Register (DR7) */
const LOCAL_ENABLES = 0x155n;
const TASK_TRAP = 1n << 15n;
const STACK = 2;

/** RFLAGS as saved for the task that is left. SDM Vol. 3B, 18.3.1.1 Instruction-Breakpoint Exception Condition */
const savedFlags = (rflags: bigint, source: bigint, event: InjectedEvent | undefined): bigint => {
  if (source === SOURCE.iret) return rflags & ~NESTED;
  const isFault = event?.type === TYPE.hardwareException && event.vector !== VECTOR.df;
  return isFault ? rflags | RFLAGS.rf : rflags;
};

/** The instruction is behind the saved RIP, except of a fault, an interrupt or an NMI. */
const isBehind = (source: bigint, event: InjectedEvent | undefined): boolean =>
  source !== SOURCE.idtGate || event?.instructionLength !== undefined;

/** CR3 of the new task, with the PDPTEs of PAE paging. */
function* loadCr3(exit: Exit, paging: PagingRegisters, { cr3 }: TaskState): Program<void> {
  if (cr3 === undefined || (paging.cr0 & CR0_MODE.pg) === 0n) return;
  if ((paging.cr4 & CR4.pae) !== 0n && !(yield* loadPdptes(exit, cr3)))
    return yield* halt('a task switch to page-directory pointers with reserved bits');
  yield* tell(vmwrites({ guestCr3: cr3 }));
  yield* flushTranslations(exit);
}

/** An error code goes onto the stack of the new task. SDM Vol. 3A, 6.13 Error Code */
function* pushErrorCode(exit: Exit, errorCode: bigint, bytes: 2 | 4): Program<void> {
  const [rsp, rights] = yield* vmread('guestRsp', 'guestSsAccessRights');
  const width = (rights & RIGHTS.big) !== 0n ? 32 : 16;
  const top = BigInt.asUintN(width, rsp - BigInt(bytes));
  const linear = yield* linearAddress(yield* readCodeSegment(), STACK, top, bytes, true);
  const paging = yield* readPagingRegisters();
  const place = linear.ok ? yield* locate(exit, paging, linear.value, bytes, 'write') : linear;
  if (!place.ok) return yield* halt('a task switch whose error code cannot be pushed');
  yield* writePieces(exit, place.value, errorCode);
  yield* tell(vmwrites({ guestRsp: (rsp & ~((1n << BigInt(width)) - 1n)) | top }));
}

/** #DB by the T flag of the new TSS: DR6.BT. SDM Vol. 3B, 18.3.1.5 Task-Switch Exception Condition */
function* trap(): Program<void> {
  const dr6 = yield* value({ op: 'mov-from-dr', debug: 6 });
  yield* tell([{ op: 'mov-to-dr', debug: 6, value: dr6 | TASK_TRAP }]);
  yield* inject({ vector: VECTOR.db, type: TYPE.hardwareException });
}

/**
 * Task switches always exit: the monitor makes them. The gate, the new TSS descriptor and its type were checked before the exit; a fault in the new task
 * ends the guest. SDM Vol. 3C, 26.4.2 Treatment of Task Switches; SDM Vol. 3A, 8.3 Task Switching
 */
export function* taskSwitch(exit: Exit): Program<Exit> {
  const [qualification, information, errorCode, length] = yield* vmread(
    'exitQualification',
    'idtVectoringInfo',
    'idtVectoringErrorCode',
    'vmExitInstructionLength',
  );
  const { tssSelector: selector, source } = QUALIFICATION.decode(qualification);
  const event = source === SOURCE.idtGate ? eventOf(information, errorCode, length) : undefined;
  const nests = source === SOURCE.call || source === SOURCE.idtGate;

  const registers = yield* readPagingRegisters();
  const paging = implicitly(registers);
  const [rip, oldSelector, oldBase, oldRights, dr7, blocking] = yield* vmread(
    'guestRip',
    'guestTrSelector',
    'guestTrBase',
    'guestTrAccessRights',
    'guestDr7',
    'guestInterruptibilityState',
  );
  const tables = { global: yield* globalTable(), local: undefined };
  const old = yield* readDescriptor(exit, paging, oldSelector, tables);
  const next = yield* readDescriptor(exit, paging, selector, tables);
  if (old === undefined || next === undefined) return yield* halt('a TSS descriptor is outside the GDT');

  const oldLayout = layoutOf(Number(oldRights));
  yield* writeTaskState(
    exit,
    paging,
    { base: oldBase, layout: oldLayout },
    {
      rip: isBehind(source, event) ? rip + length : rip,
      rflags: savedFlags(registers.rflags, source, event),
    },
  );
  if (!nests) yield* markDescriptor(exit, paging, old.linear, old.rights & ~RIGHTS.busy);
  const layout = layoutOf(Number(next.rights));
  const task = yield* readTaskState(exit, paging, next.base, layout);
  if (nests) yield* writeLinear(exit, paging, next.base + BigInt(LINK), 2, oldSelector);
  const after = loadedRegisters(exit.registers, task, layout);
  const busy = next.rights | RIGHTS.busy;
  if (source !== SOURCE.iret) yield* markDescriptor(exit, paging, next.linear, busy);

  const ended = BLOCKING.bySti | BLOCKING.byMovSs | (source === SOURCE.iret ? BLOCKING.byNmi : 0n);
  const begun = event?.type === TYPE.nmi ? BLOCKING.byNmi : 0n;
  yield* tell(
    vmwrites({
      ...segmentFields('Tr', { ...next, rights: busy }),
      guestCr0: registers.cr0 | CR0.ts,
      guestDr7: dr7 & ~LOCAL_ENABLES,
      guestRip: task.rip,
      guestRsp: after[RSP],
      guestRflags: (task.rflags & LOADED_FLAGS) | (nests ? NESTED : 0n) | ALWAYS_ONE,
      guestInterruptibilityState: (blocking & ~ended) | begun,
      guestActivityState: ACTIVITY.active,
    }),
  );
  yield* loadCr3(exit, registers, task);
  yield* loadSegments(exit, task);
  if (event?.errorCode !== undefined) yield* pushErrorCode(exit, event.errorCode, layout.bytes);
  if (task.traps) yield* trap();
  return { ...exit, registers: after };
}
