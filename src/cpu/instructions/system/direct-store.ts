import type { Instruction } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { SEGMENT } from '../../segments';
import { MemoryArea } from '../memory-area';
import { memoryOf, registerOf } from './operands';
import { requireFeature } from './privilege';
import { systemRow } from './system-row';

const BYTES = 64;

// SDM Vol. 2, MOVDIR64B
const moveDirect = (cpu: ProcessorDraft, instruction: Instruction): void => {
  requireFeature(cpu, 'movdir64b');
  const [destination, operand] = instruction.operands;
  const source = memoryOf(operand);
  const target = {
    ...source,
    segment: SEGMENT.es,
    base: registerOf(destination).number,
    index: -1,
    displacement: 0n,
  };
  const bytes = new MemoryArea(cpu, source, BYTES, false).read(0, BYTES);
  new MemoryArea(cpu, target, BYTES, true, BYTES).write(0, bytes);
};

export const DIRECT_STORE_ROWS = [systemRow('movdir64b', moveDirect)];
