import { innerStack, type NewStack, prepareFrame, stackPointer64 } from '../../events';
import type { ProcessorDraft } from '../../processor-draft';
import { accessed, nullSegment, SEGMENT, segmentRaw, selectorError, setSegmentRaw } from '../../segments';
import { SLOT } from '../../slots';
import { checkTarget, gateTarget, loadCode } from './code-segments';
import type { CallGate } from './far-destination';
import { peek } from './stack';

/** The stack that a CALL goes on with: the current one, or that of the inner level. SDM Vol. 3A, 5.8.5 Stack Switching; 5.8.5.1 Stack Switching in 64-bit Mode */
const stackAt = (cpu: ProcessorDraft, privilege: number): NewStack => {
  if (privilege !== cpu.cpl) {
    if (!cpu.longMode) return innerStack(cpu, privilege, 0);
    return { segment: nullSegment(privilege, privilege), pointer: stackPointer64(cpu, { privilege }, 0) };
  }
  const pointer = cpu.R[SLOT.rsp];
  return {
    segment: segmentRaw(cpu, SEGMENT.ss),
    pointer: cpu.longMode ? pointer : BigInt.asUintN(32, pointer),
  };
};

/** The parameters on the old stack, as they are pushed: the last first. */
const parametersOf = (cpu: ProcessorDraft, { bytes, parameters }: CallGate): readonly bigint[] =>
  Array.from({ length: parameters }, (_, index) => peek(cpu, (parameters - 1 - index) * bytes, bytes));

/** JMP through a call gate. SDM Vol. 3A, 5.8.4 Accessing a Code Segment Through a Call Gate; SDM Vol. 2, JMP */
export const jumpThroughGate = (cpu: ProcessorDraft, gate: CallGate): void => {
  const target = gateTarget(cpu, gate.selector, false);
  checkTarget(cpu, target, gate.offset);
  loadCode(cpu, target, accessed(cpu, target.descriptor));
  cpu.nextRip = gate.offset;
};

/** CALL through a call gate, to the same or an inner level. SDM Vol. 3A, 5.8.5 Stack Switching; SDM Vol. 2, CALL */
export const callThroughGate = (cpu: ProcessorDraft, gate: CallGate): void => {
  const target = gateTarget(cpu, gate.selector, true);
  const { privilege } = target;
  const changes = privilege !== cpu.cpl;
  const stack = stackAt(cpu, privilege);
  const frame = prepareFrame(cpu, {
    stack,
    values: [
      ...(changes ? [BigInt(cpu.W[2 * SLOT.ss] & 0xffff), cpu.R[SLOT.rsp], ...parametersOf(cpu, gate)] : []),
      BigInt(cpu.W[2 * SLOT.cs] & 0xffff),
      cpu.nextRip,
    ],
    bytes: gate.bytes,
    privilege,
    errorCode: changes ? selectorError(stack.segment.selector) : 0,
  });
  checkTarget(cpu, target, gate.offset);
  const code = accessed(cpu, target.descriptor);
  cpu.R[SLOT.rsp] = frame.push();
  if (changes) setSegmentRaw(cpu, SEGMENT.ss, stack.segment);
  loadCode(cpu, target, code);
  cpu.nextRip = gate.offset;
};
