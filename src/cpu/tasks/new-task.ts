import type { SegmentNumber } from '../decode/instruction';
import { VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import {
  accessed,
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isNull,
  isOrdinary,
  isPresent,
  isReadable,
  isVisible,
  isWritableData,
  nullSegment,
  readDescriptor,
  SEGMENT,
  SYSTEM_TYPE,
  selectorError,
  setSegmentRaw,
  typeOf,
} from '../segments';
import type { TaskImage } from './task-state';

/** What a selector of the new task names. */
interface Named {
  readonly selector: number;
  /** Of a selector that is not null. */
  readonly descriptor: Descriptor | undefined;
  readonly rights: number;
}

interface Check {
  readonly says: string;
  readonly vector: number;
  readonly holds: (named: Named, cpl: number) => boolean;
}

const ts = (says: string, holds: Check['holds']): Check => ({ says, vector: VECTOR.ts, holds });
const present = (vector: number): Check => ({
  says: 'is present',
  vector,
  holds: ({ descriptor, rights }) => descriptor === undefined || isPresent(rights),
});

/**
 * The checks of the new task's segments, in the order in which they are made: each register is loaded when its own have passed. The manual leaves the
 * order to the processor family. A fault has the selector as its error code. SDM Vol. 3A, Table 8-1 Exception Conditions Checked During a Task Switch
 */
export const NEW_TASK_CHECKS = {
  ldtr: [
    ts(
      'names an LDT of the GDT',
      ({ selector, descriptor, rights }) =>
        descriptor === undefined ||
        ((selector & 4) === 0 && !isOrdinary(rights) && typeOf(rights) === SYSTEM_TYPE.ldt),
    ),
    present(VECTOR.ts),
  ],
  stack: [
    ts('is not null', ({ descriptor }) => descriptor !== undefined),
    ts('is writable data', ({ rights }) => isWritableData(rights)),
    present(VECTOR.ss),
    ts('has the CPL as DPL', ({ rights }, cpl) => dplOf(rights) === cpl),
    ts('has the CPL as RPL', ({ selector }, cpl) => (selector & 3) === cpl),
  ],
  code: [
    ts('is not null', ({ descriptor }) => descriptor !== undefined),
    ts('is code', ({ rights }) => isCode(rights)),
    ts('has the RPL as DPL, or a lower one if conforming', ({ rights }, cpl) =>
      isConforming(rights) ? dplOf(rights) <= cpl : dplOf(rights) === cpl,
    ),
    present(VECTOR.np),
  ],
  data: [
    ts('is readable', ({ descriptor, rights }) => descriptor === undefined || isReadable(rights)),
    ts(
      'is visible at this CPL and RPL',
      ({ selector, descriptor, rights }, cpl) =>
        descriptor === undefined || isVisible(rights, cpl, selector & 3),
    ),
    present(VECTOR.np),
  ],
} as const satisfies Record<string, readonly Check[]>;

const DATA: readonly SegmentNumber[] = [SEGMENT.es, SEGMENT.ds, SEGMENT.fs, SEGMENT.gs];

/** Reads what a selector names; #TS(selector) when its table does not hold it. */
const named = (cpu: ProcessorDraft, selector: number, external: number): Named => {
  if (isNull(selector)) return { selector, descriptor: undefined, rights: 0 };
  const descriptor = readDescriptor(cpu, selector, { vector: VECTOR.ts, external });
  return { selector, descriptor, rights: descriptor.rights };
};

/** All checks of one register. Leaves with the first that fails. */
const checked = (
  cpu: ProcessorDraft,
  checks: readonly Check[],
  selector: number,
  cpl: number,
  external: number,
): Named => {
  const found = named(cpu, selector, external);
  for (const { holds, vector } of checks)
    if (!holds(found, cpl)) cpu.raise(vector, selectorError(selector, external));
  return found;
};

/** Every selector in its register, nothing usable yet; the CPL is that of CS. What a fault finds when a segment of the new task is refused. */
export const loadSelectors = (cpu: ProcessorDraft, { selectors, localTable }: TaskImage): void => {
  const cpl = selectors[SEGMENT.cs] & 3;
  selectors.forEach((selector, number) => {
    setSegmentRaw(cpu, number as SegmentNumber, nullSegment(selector, number === SEGMENT.ss ? cpl : 0));
  });
  setSegmentRaw(cpu, 'ldtr', nullSegment(localTable));
  cpu.mmu.contextChanged();
};

/** LDTR of the new task. */
export const loadTaskTable = (cpu: ProcessorDraft, { localTable }: TaskImage, external: number): void => {
  // A selector of the LDT is refused before that table is looked at.
  if (!isNull(localTable) && (localTable & 4) !== 0)
    cpu.raise(VECTOR.ts, selectorError(localTable, external));
  const { descriptor } = checked(cpu, NEW_TASK_CHECKS.ldtr, localTable, 0, external);
  if (descriptor !== undefined) setSegmentRaw(cpu, 'ldtr', descriptor);
};

/** Checks and loads the segments of a task outside virtual-8086 mode. Leaves with the first fault, with what was loaded before it. */
export const loadTaskSegments = (cpu: ProcessorDraft, { selectors }: TaskImage, external: number): void => {
  const cpl = selectors[SEGMENT.cs] & 3;
  const load = (number: SegmentNumber, checks: readonly Check[]): void => {
    const { descriptor } = checked(cpu, checks, selectors[number], cpl, external);
    if (descriptor !== undefined) setSegmentRaw(cpu, number, accessed(cpu, descriptor));
  };
  load(SEGMENT.ss, NEW_TASK_CHECKS.stack);
  load(SEGMENT.cs, NEW_TASK_CHECKS.code);
  for (const number of DATA) load(number, NEW_TASK_CHECKS.data);
  cpu.mmu.contextChanged();
};
