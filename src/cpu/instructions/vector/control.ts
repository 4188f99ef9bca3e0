import type { Instruction } from '../../decode/instruction';
import { MXCSR_MASK } from '../../extended-state';
import type { ProcessorDraft } from '../../processor-draft';
import { bytesOf, MemoryArea, wordOf } from '../memory-area';
import { memoryOf } from '../system/operands';
import { begin, bothForms, SINGLE } from './rows';

const BYTES = 4;

// SDM Vol. 2, LDMXCSR
const load = (cpu: ProcessorDraft, instruction: Instruction, vex: boolean): void => {
  begin(cpu, instruction, SINGLE, vex, 'xmm');
  const area = new MemoryArea(cpu, memoryOf(instruction.operands[0]), BYTES, false);
  const mxcsr = Number(wordOf(area.read(0, BYTES)));
  if ((mxcsr & ~MXCSR_MASK) !== 0) cpu.generalProtection();
  cpu.extended = Object.freeze({ ...cpu.extended, mxcsr });
};

// SDM Vol. 2, STMXCSR
const store = (cpu: ProcessorDraft, instruction: Instruction, vex: boolean): void => {
  begin(cpu, instruction, SINGLE, vex, 'xmm');
  const area = new MemoryArea(cpu, memoryOf(instruction.operands[0]), BYTES, true);
  area.write(0, bytesOf(BigInt(cpu.extended.mxcsr), BYTES));
};

export const CONTROL_ROWS = [...bothForms('ldmxcsr', load), ...bothForms('stmxcsr', store)];
