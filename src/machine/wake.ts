import type { ProcessorDraft } from '../cpu/processor-draft';
import { SEGMENT, setSegmentRaw } from '../cpu/segments';
import {
  type Board,
  deviceState,
  type ResetCause,
  type RtcState,
  realTimeClock,
  shutdownStatus,
  WAKING_VECTOR_ADDRESS,
} from '../platform';

/** An address in real mode. */
export interface RealModeAddress {
  readonly segment: number;
  readonly offset: number;
}

/** Shutdown status bytes with which firmware jumps through the far pointer at 40:67. IBM PC/AT Technical Reference, CMOS RAM */
const JUMPS: readonly number[] = [0x05, 0x0a];
const RESUME_POINTER = 0x467;

/**
 * Where a machine without firmware goes on after a reset, in firmware's place: at the waking vector of the FACS after S3, through 40:67 where the
 * shutdown status byte says so; undefined: it stays in reset. ACPI Specification 6.0, 5.2.10 Firmware ACPI Control Structure
 */
export const startWithoutFirmware = (
  cause: ResetCause,
  board: Board,
  readPhysical: (address: number, bytes: number) => bigint,
): RealModeAddress | undefined => {
  if (cause === 'wake') {
    const vector = Number(readPhysical(WAKING_VECTOR_ADDRESS, 4));
    return vector === 0 ? undefined : { segment: vector >>> 4, offset: vector & 15 };
  }
  const clock = deviceState(board, realTimeClock.name) as RtcState | undefined;
  if (clock === undefined || !JUMPS.includes(shutdownStatus(clock))) return undefined;
  const pointer = Number(readPhysical(RESUME_POINTER, 4));
  return { segment: pointer >>> 16, offset: pointer & 0xffff };
};

const REAL_MODE_CODE = 0x9b;

/** A processor after reset goes on there. */
export const startInRealMode = (cpu: ProcessorDraft, { segment, offset }: RealModeAddress): void => {
  setSegmentRaw(cpu, SEGMENT.cs, {
    selector: segment & 0xffff,
    base: BigInt(segment * 16),
    limit: 0xffff,
    rights: REAL_MODE_CODE,
  });
  cpu.rip = BigInt(offset);
};
