import { hex, shiftRight } from '../../../core';
import { RIGHTS } from '../access-rights';
import type { Exit } from '../guest';
import { type PagingRegisters, readPagingRegisters } from '../paging/walk';
import { halt, type Program, tell, vmwrites } from '../program';
import {
  globalTable,
  implicitly,
  isNull,
  markDescriptor,
  readDescriptor,
  type SegmentValue,
  segmentFields,
  unusable,
} from './descriptors';
import type { TaskState } from './task-state';

const VIRTUAL_8086 = 1n << 17n;
const LDT_TYPE = 2n;
const SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'] as const;
type SegmentName = (typeof SEGMENTS)[number];

// SDM Vol. 3B, 21.2 Virtual-8086 Mode
const virtual8086 = (selector: bigint): SegmentValue => ({
  selector,
  base: selector << 4n,
  limit: 0xffffn,
  rights: 0xf3n,
});

const privilegeOf = (rights: bigint): bigint => shiftRight(rights, 5n) & 3n;

/** Whether a descriptor may go into a segment register of the new task. SDM Vol. 3A, Table 8-1 Exception Conditions Checked During a Task Switch */
const isAllowed = (name: SegmentName, rights: bigint, selector: bigint, cpl: bigint): boolean => {
  const requested = selector & 3n;
  const privilege = privilegeOf(rights);
  const code = (rights & RIGHTS.code) !== 0n;
  const conforming = code && (rights & RIGHTS.conforming) !== 0n;
  if ((rights & RIGHTS.ordinary) === 0n || (rights & RIGHTS.present) === 0n) return false;
  switch (name) {
    case 'Cs':
      return code && (conforming ? privilege <= requested : privilege === requested);
    case 'Ss':
      return !code && (rights & RIGHTS.writable) !== 0n && privilege === cpl && requested === cpl;
    default:
      if (code && (rights & RIGHTS.readable) === 0n) return false;
      return conforming || (privilege >= cpl && privilege >= requested);
  }
};

const refuse = (name: string, selector: bigint): Program<never> =>
  halt(`a task switch that cannot load ${name.toUpperCase()} with ${hex(selector)}`);

function* loadLdtr(exit: Exit, paging: PagingRegisters, { ldtr }: TaskState): Program<SegmentValue> {
  if (isNull(ldtr)) return unusable(ldtr);
  const global = yield* globalTable();
  const found = yield* readDescriptor(exit, paging, ldtr, { global, local: undefined });
  const type = (found?.rights ?? 0n) & (RIGHTS.ordinary | 0xfn);
  const isLdt = (ldtr & 4n) === 0n && type === LDT_TYPE && ((found?.rights ?? 0n) & RIGHTS.present) !== 0n;
  return isLdt ? found! : yield* refuse('ldtr', ldtr);
}

function* loadSegment(
  exit: Exit,
  paging: PagingRegisters,
  name: SegmentName,
  selector: bigint,
  ldt: SegmentValue,
  cpl: bigint,
): Program<SegmentValue> {
  if (isNull(selector) && name !== 'Cs' && name !== 'Ss') return unusable(selector);
  const global = yield* globalTable();
  const local = isNull(ldt.selector) ? undefined : ldt;
  const found = yield* readDescriptor(exit, paging, selector, { global, local });
  if (isNull(selector) || found === undefined || !isAllowed(name, found.rights, selector, cpl))
    return yield* refuse(name, selector);
  const rights = found.rights | RIGHTS.accessed;
  if (rights !== found.rights) yield* markDescriptor(exit, paging, found.linear, rights);
  return { ...found, rights };
}

/** The segment registers and LDTR of the new task, whose CR3 and RFLAGS are loaded. SDM Vol. 3A, 8.3 Task Switching */
export function* loadSegments(exit: Exit, task: TaskState): Program<void> {
  const paging = implicitly(yield* readPagingRegisters());
  const ldt = yield* loadLdtr(exit, paging, task);
  yield* tell(vmwrites(segmentFields('Ldtr', ldt)));
  const cpl = task.selectors[1] & 3n;
  for (const [index, name] of SEGMENTS.entries()) {
    const selector = task.selectors[index];
    const segment =
      (task.rflags & VIRTUAL_8086) !== 0n
        ? virtual8086(selector)
        : yield* loadSegment(exit, paging, name, selector, ldt, cpl);
    yield* tell(vmwrites(segmentFields(name, segment)));
  }
}
