import { VECTOR } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { segmentRaw, selectorError } from '../segments';
import { LINK, layoutOf } from './task-layout';
import { TaskMemory } from './task-state';

/** The selector in the previous-task link of the current TSS; #TS(TR) when its limit does not hold it. SDM Vol. 3A, 8.4 Task Linking */
export const previousTask = (cpu: ProcessorDraft): number => {
  const { base, limit, rights, selector } = segmentRaw(cpu, 'tr');
  if (limit < LINK + 1) cpu.raise(VECTOR.ts, selectorError(selector));
  return Number(new TaskMemory(cpu, base, layoutOf(rights)).read(LINK, 2));
};
