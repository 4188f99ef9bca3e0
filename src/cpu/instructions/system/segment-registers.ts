import type { Instruction, SegmentNumber } from '../../decode/instruction';
import type { ProcessorDraft } from '../../processor-draft';
import { checkedSegment, SEGMENT, setSegmentRaw } from '../../segments';
import { SLOT } from '../../slots';
import {
  memoryOf,
  numberOf,
  readMemory,
  readOperand,
  registerOf,
  setGeneral,
  writeOperand,
} from './operands';
import { peek, pushSelector, releaseStack } from './stack';
import { systemRow } from './system-row';

/** SDM Vol. 3A, 6.8.3: MOV SS and POP SS hold interrupts and debug traps until the next instruction has ended. */
const shadow = (cpu: ProcessorDraft, segment: SegmentNumber): void => {
  if (segment !== SEGMENT.ss) return;
  cpu.blockingByMovSs = true;
  cpu.boundaryWork = true;
};

const moveSegment = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const [destination, source] = instruction.operands;
  if (destination.kind !== 'segment') {
    writeOperand(cpu, destination, BigInt(cpu.W[2 * (SLOT.es + numberOf(source))] & 0xffff));
    return;
  }
  const segment = destination.number;
  if (segment === SEGMENT.cs) cpu.invalidOpcode();
  const selector = Number(readOperand(cpu, source, 16));
  setSegmentRaw(cpu, segment, checkedSegment(cpu, segment, selector));
  shadow(cpu, segment);
};

const pushSegment = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const selector = cpu.W[2 * (SLOT.es + numberOf(instruction.operands[0]))] & 0xffff;
  pushSelector(cpu, instruction.operandWidth / 8, selector);
};

const popSegment = (cpu: ProcessorDraft, instruction: Instruction): void => {
  const segment = numberOf(instruction.operands[0]) as SegmentNumber;
  const bytes = instruction.operandWidth / 8;
  const value = checkedSegment(cpu, segment, Number(peek(cpu, 0, bytes) & 0xffffn));
  // The width of the stack pointer is that before a new SS.
  releaseStack(cpu, bytes);
  setSegmentRaw(cpu, segment, value);
  shadow(cpu, segment);
};

// SDM Vol. 2, LDS/LES/LFS/LGS/LSS: the register follows only a segment that loaded
const loadFarPointer =
  (segment: SegmentNumber) =>
  (cpu: ProcessorDraft, instruction: Instruction): void => {
    const { number, width } = registerOf(instruction.operands[0]);
    const pointer = memoryOf(instruction.operands[1]);
    const bytes = width / 8;
    const offset = readMemory(cpu, pointer, bytes);
    const selector = Number(readMemory(cpu, pointer, 2, bytes));
    setSegmentRaw(cpu, segment, checkedSegment(cpu, segment, selector));
    setGeneral(cpu, number, width, offset);
  };

export const SEGMENT_ROWS = [
  systemRow('mov_sreg', moveSegment),
  systemRow('push_sreg', pushSegment),
  systemRow('pop_sreg', popSegment),
  systemRow('lds', loadFarPointer(SEGMENT.ds)),
  systemRow('les', loadFarPointer(SEGMENT.es)),
  systemRow('lss', loadFarPointer(SEGMENT.ss)),
  systemRow('lfs', loadFarPointer(SEGMENT.fs)),
  systemRow('lgs', loadFarPointer(SEGMENT.gs)),
];
