import { u64 } from '../../core';
import type { InterruptionEvent } from '../event';
import type { ProcessorDraft } from '../processor-draft';
import { paragraphSegment, SEGMENT, segmentRaw, setSegmentRaw } from '../segments';
import { FLAG, SLOT } from '../slots';
import { prepareFrame } from './stack';

const VECTOR_BYTES = 4;

/** Pushes flags, CS and IP as words on the current stack and goes to an entry of an interrupt vector table. Whole or not at all. */
export const enterThroughVector = (
  cpu: ProcessorDraft,
  event: InterruptionEvent,
  flags: bigint,
  entry: number,
): void => {
  const frame = prepareFrame(cpu, {
    stack: { segment: segmentRaw(cpu, SEGMENT.ss), pointer: cpu.R[SLOT.rsp] },
    values: [flags, BigInt(cpu.W[2 * SLOT.cs] & 0xffff), u64(cpu.rip + BigInt(event.instructionLength ?? 0))],
    bytes: 2,
    privilege: cpu.cpl,
    errorCode: 0,
  });
  cpu.R[SLOT.rsp] = frame.push();
  setSegmentRaw(cpu, SEGMENT.cs, paragraphSegment(cpu, SEGMENT.cs, entry >>> 16));
  cpu.rip = BigInt(entry & 0xffff);
  cpu.mmu.contextChanged();
};

/**
 * Enters the handler of an event through the interrupt vector table, which IDTR locates; no error code is pushed. Leaves with #GP when the table does
 * not hold the vector. SDM Vol. 3B, 21.1.4 Interrupt and Exception Handling
 */
export const enterRealModeHandler = (cpu: ProcessorDraft, event: InterruptionEvent): void => {
  const at = event.vector * VECTOR_BYTES;
  if (at + VECTOR_BYTES - 1 > cpu.W[2 * SLOT.idtrLimit] >>> 0) cpu.generalProtection();
  const linear = BigInt.asUintN(32, cpu.R[SLOT.idtrBase] + BigInt(at));
  const entry = Number(cpu.mmu.read(linear, VECTOR_BYTES, { implicit: true }));
  enterThroughVector(cpu, event, cpu.rflags, entry);
  cpu.W[2 * SLOT.rflags] &= ~(FLAG.tf | FLAG.if | FLAG.ac | FLAG.rf);
};
