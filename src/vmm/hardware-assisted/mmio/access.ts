import { fault, type Outcome, ok } from '../../../core';
import type { Instruction, SegmentNumber } from '../../../cpu/decode';
import type { Exit } from '../guest';
import { injectFault } from '../injection';
import { PAGE } from '../memory-plan';
import { pageFault } from '../page-fault';
import type { Piece } from '../paging/physical';
import { type CodeSegment, linearAddress } from '../paging/segment';
import { locate, type PagingRegisters } from '../paging/walk';
import type { Program } from '../program';

/** An instruction whose memory access the processor could not make. */
export interface Interrupted {
  readonly exit: Exit;
  readonly instruction: Instruction;
  readonly code: CodeSegment;
  readonly paging: PagingRegisters;
  /** What the exit tells of the access. */
  readonly linear: bigint;
  readonly gpa: number;
  /** The access would have written. */
  readonly writes: boolean;
}

/** Memory that the instruction may access: its address and the pieces where it lies. */
export interface Place {
  readonly linear: bigint;
  readonly bytes: number;
  readonly pieces: readonly Piece[];
}

/**
 * Where an operand lies; when the guest may not access it so, the fault is injected and the exit it leaves is given. What the processor translated
 * just now is not translated again.
 */
export function* placeAt(
  at: Interrupted,
  segment: SegmentNumber,
  offset: bigint,
  bytes: number,
  writes: boolean,
): Program<Outcome<Place, Exit>> {
  const linear = yield* linearAddress(at.code, segment, offset, bytes, writes);
  if (!linear.ok) return fault(yield* injectFault(at.exit, linear.fault.vector, 0n));
  const place = { linear: linear.value, bytes };
  if (linear.value === at.linear && (at.writes || !writes) && (at.gpa % PAGE) + bytes <= PAGE)
    return ok({ ...place, pieces: [{ gpa: at.gpa, bytes }] });
  const pieces = yield* locate(at.exit, at.paging, linear.value, bytes, writes ? 'write' : 'read');
  if (!pieces.ok) return fault(yield* pageFault(at.exit, pieces.fault));
  return ok({ ...place, pieces: pieces.value });
}
