import type { MachineBus } from '../machine/machine-bus';
import { localApicOf, type VectorSet } from '../platform';
import type { DeliveredEvent } from './observation';

/** The local APIC at the end of a run; vectors ascend. */
export interface InterruptState {
  /** Requested, or acknowledged by a monitor that had no occasion yet to deliver it. */
  readonly requested: readonly number[];
  readonly inService: readonly number[];
  /** Acknowledged, and never delivered although the guest ran where it could have taken it. */
  readonly lost: readonly number[];
  /** TPR, 8 bits. */
  readonly taskPriority: number;
}

/** An interrupt that left the local APIC and whose handler has not been entered. */
export interface HeldInterrupt {
  readonly vector: number;
  /** Since then the guest ran where it could have taken it. */
  readonly passed: boolean;
}

const vectorsOf = (set: VectorSet): number[] =>
  set.flatMap((word, at) =>
    Array.from({ length: 32 }, (_, bit) => bit)
      .filter((bit) => ((word >>> bit) & 1) === 1)
      .map((bit) => 32 * at + bit),
  );

const ascending = (vectors: Iterable<number>): readonly number[] =>
  [...new Set(vectors)].sort((a, b) => a - b);

/** The local APIC with `held` put back: an interrupt on its way to the guest counts as requested still, unless it is lost. */
export const interruptState = (
  { board }: MachineBus,
  held: readonly HeldInterrupt[] = [],
): InterruptState | undefined => {
  const apic = localApicOf(board);
  if (apic === undefined) return undefined;
  const underway = held.filter(({ passed }) => !passed).map(({ vector }) => vector);
  const lost = held.filter(({ passed }) => passed).map(({ vector }) => vector);
  return {
    requested: ascending([...vectorsOf(apic.requested), ...underway]),
    inService: vectorsOf(apic.inService).filter((vector) => !underway.includes(vector)),
    lost: ascending(lost),
    taskPriority: apic.taskPriority,
  };
};

/** An interrupt that is not held came from nowhere; other events are as they were. */
export const withSource = (event: DeliveredEvent, held: readonly HeldInterrupt[]): DeliveredEvent =>
  event.kind === 'interrupt' && !held.some(({ vector }) => vector === event.vector)
    ? { ...event, kind: 'invented interrupt' }
    : event;

/** Without the interrupt whose handler is entered. */
export const withoutDelivered = (
  held: readonly HeldInterrupt[],
  vector: number,
): readonly HeldInterrupt[] => {
  const at = held.findIndex((one) => one.vector === vector);
  return at < 0 ? held : held.toSpliced(at, 1);
};

/** After the guest ran where it could have taken interrupts. */
export const passedBy = (held: readonly HeldInterrupt[]): readonly HeldInterrupt[] =>
  held.map(({ vector }) => ({ vector, passed: true }));
