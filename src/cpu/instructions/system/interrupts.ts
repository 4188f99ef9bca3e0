import type { Instruction } from '../../decode/instruction';
import { EVENT_TYPE, type EventType, VECTOR } from '../../event';
import { staysInVirtual8086 } from '../../events';
import type { ProcessorDraft } from '../../processor-draft';
import { overflowFlag } from '../../status-flags';
import { general, memoryOf, readMemory, registerOf } from './operands';
import { ioPrivilege } from './privilege';
import { systemRow, undefinedOpcode } from './system-row';

const raise = (cpu: ProcessorDraft, vector: number, type: EventType, instruction: Instruction): never =>
  cpu.interrupt({ vector, type, instructionLength: instruction.length });

// SDM Vol. 2, INT n/INTO/INT3/INT1
const interrupt = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const [operand] = instruction.operands;
  const vector = operand?.kind === 'immediate' ? Number(operand.value & 0xffn) : VECTOR.bp;
  // SDM Vol. 3B, 21.3.3 Class 3-Software Interrupt Handling in Virtual-8086 Mode
  if (cpu.virtual8086 && ioPrivilege(cpu) < 3 && !staysInVirtual8086(cpu, vector)) cpu.generalProtection();
  raise(cpu, vector, EVENT_TYPE.softwareInterrupt, instruction);
};

const onOverflow = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if (cpu.mode64) cpu.invalidOpcode();
  if (overflowFlag(cpu.W)) raise(cpu, VECTOR.of, EVENT_TYPE.softwareException, instruction);
};

// SDM Vol. 2, BOUND: the index and both bounds are signed
const bound = (cpu: ProcessorDraft, instruction: Instruction): void => {
  if (cpu.mode64) cpu.invalidOpcode();
  const { number, width } = registerOf(instruction.operands[0]);
  const bounds = memoryOf(instruction.operands[1]);
  const bytes = width / 8;
  const signed = (value: bigint): bigint => BigInt.asIntN(width, value);
  const index = signed(general(cpu, number, width));
  const lower = signed(readMemory(cpu, bounds, bytes));
  const upper = signed(readMemory(cpu, bounds, bytes, bytes));
  if (index < lower || index > upper) cpu.raise(VECTOR.br);
};

export const INTERRUPT_ROWS = [
  systemRow('int', interrupt),
  systemRow('int3', (cpu, instruction) => raise(cpu, VECTOR.bp, EVENT_TYPE.softwareException, instruction)),
  systemRow('int1', (cpu, instruction) =>
    raise(cpu, VECTOR.db, EVENT_TYPE.privilegedSoftwareException, instruction),
  ),
  systemRow('into', onOverflow),
  systemRow('bound', bound),
  systemRow('ud0', undefinedOpcode),
  systemRow('ud1', undefinedOpcode),
  systemRow('ud2', undefinedOpcode),
];
