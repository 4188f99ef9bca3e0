import { produce } from 'immer';
import { isSoftwareEnabled, type LocalApicState, LVT_MASKED, type LvtEntry, type VectorSet } from './state';

/** Bits of the error status register. SDM Vol. 3A, 11.5.3 Error Handling */
export const APIC_ERRORS = {
  sendIllegalVector: 1 << 5,
  receiveIllegalVector: 1 << 6,
  illegalRegisterAddress: 1 << 7,
} as const;

/** The highest vector of a set, -1 when it is empty. */
export const highest = (set: VectorSet): number => {
  for (let word = 7; word >= 0; word--) if (set[word] !== 0) return word * 32 + 31 - Math.clz32(set[word]);
  return -1;
};

export const contains = (set: VectorSet, vector: number): boolean =>
  ((set[vector >>> 5] >>> (vector & 31)) & 1) === 1;

const put = (set: number[], vector: number, value: boolean): void => {
  const word = vector >>> 5;
  const bit = 1 << (vector & 31);
  set[word] = (value ? set[word] | bit : set[word] & ~bit) >>> 0;
};

/**
 * PPR, 8 bits.
 * SDM Vol. 3A, 11.8.3.1 Task and Processor Priorities
 */
export const processorPriority = (state: LocalApicState): number => {
  const servedClass = Math.max(highest(state.inService), 0) & 0xf0;
  // With equal classes the low bits are model-specific: TPR's here.
  return (state.taskPriority & 0xf0) >= servedClass ? state.taskPriority : servedClass;
};

/**
 * The vector that the APIC would deliver now, -1 for none: disabled, nothing requested, or nothing above the processor priority.
 * SDM Vol. 3A, 11.8.4 Interrupt Acceptance for Fixed Interrupts
 */
export const pendingVector = (state: LocalApicState): number => {
  const vector = highest(state.requested);
  if (vector < 0 || !state.enabled || !isSoftwareEnabled(state)) return -1;
  return (vector & 0xf0) > (processorPriority(state) & 0xf0) ? vector : -1;
};

/**
 * The processor takes the pending interrupt: it moves from IRR to ISR. With none pending the spurious vector comes back and the state
 * stays. SDM Vol. 3A, 11.9 Spurious Interrupt
 */
export const acknowledge = (
  state: LocalApicState,
): { readonly state: LocalApicState; readonly vector: number } => {
  const vector = pendingVector(state);
  if (vector < 0) return { state, vector: state.spurious & 0xff };
  const next = produce(state, (draft) => {
    put(draft.requested, vector, false);
    put(draft.inService, vector, true);
  });
  return { state: next, vector };
};

/** Which interrupt an EOI ends (-1 for none in service) and whether it was level-triggered. */
export const endOfInterrupt = (
  state: LocalApicState,
): { readonly state: LocalApicState; readonly vector: number; readonly level: boolean } => {
  const vector = highest(state.inService);
  if (vector < 0) return { state, vector, level: false };
  const next = produce(state, (draft) => {
    put(draft.inService, vector, false);
  });
  return { state: next, vector, level: contains(state.triggerMode, vector) };
};

const request = (state: LocalApicState, vector: number, trigger: 'edge' | 'level'): LocalApicState => {
  const level = trigger === 'level';
  if (contains(state.requested, vector) && contains(state.triggerMode, vector) === level) return state;
  return produce(state, (draft) => {
    put(draft.requested, vector, true);
    put(draft.triggerMode, vector, level);
  });
};

/**
 * Errors (bits of ESR) that the APIC detects: kept until the next write to ESR; the first one raises the LVT error interrupt.
 * SDM Vol. 3A, 11.5.3 Error Handling
 */
export const detectErrors = (state: LocalApicState, bits: number): LocalApicState => {
  const entry = state.lvt.error;
  const raises = state.pendingErrors === 0 && (entry & LVT_MASKED) === 0 && isSoftwareEnabled(state);
  const vector = entry & 0xff;
  const illegal = raises && vector < 16 ? APIC_ERRORS.receiveIllegalVector : 0;
  const errors = state.pendingErrors | bits | illegal;
  const noted =
    errors === state.pendingErrors
      ? state
      : produce(state, (draft) => {
          draft.pendingErrors = errors;
        });
  return raises && illegal === 0 ? request(noted, vector, 'edge') : noted;
};

/**
 * A fixed interrupt arrives: its IRR bit is set. A disabled APIC does not take it; vectors 0 to 15 are an error instead.
 * SDM Vol. 3A, 11.5.2 Valid Interrupt Vectors
 */
export const acceptInterrupt = (
  state: LocalApicState,
  vector: number,
  trigger: 'edge' | 'level' = 'edge',
): LocalApicState => {
  if (!state.enabled || !isSoftwareEnabled(state)) return state;
  return vector < 16
    ? detectErrors(state, APIC_ERRORS.receiveIllegalVector)
    : request(state, vector, trigger);
};

/** A local source with fixed delivery fires: nothing while its entry of the local vector table is masked. */
export const raiseLocal = (state: LocalApicState, source: LvtEntry): LocalApicState =>
  (state.lvt[source] & LVT_MASKED) !== 0 ? state : acceptInterrupt(state, state.lvt[source] & 0xff);

const EXTERNAL = 7;

/**
 * Whether an interrupt of an external controller passes: LINT0 is set to ExtINT, or is the INTR pin while the APIC is disabled.
 * SDM Vol. 3A, 11.5.1 Local Vector Table; 11.4.3 Enabling or Disabling the Local APIC
 */
export const takesExternal = ({ enabled, lvt }: LocalApicState): boolean =>
  !enabled || ((lvt.lint0 & LVT_MASKED) === 0 && ((lvt.lint0 >>> 8) & 7) === EXTERNAL);

/** CR8, 4 bits: the task-priority class. SDM Vol. 3A, 11.8.6 Task Priority in IA-32e Mode */
export const cr8Of = (state: LocalApicState): number => state.taskPriority >>> 4;

/** MOV to CR8: bits 7:4 of the TPR, and zero below. SDM Vol. 3A, 11.8.6.1 Interaction of Task Priorities between CR8 and APIC */
export const withCr8 = (state: LocalApicState, cr8: number): LocalApicState =>
  withTaskPriority(state, (cr8 & 0xf) << 4);

export const withTaskPriority = (state: LocalApicState, priority: number): LocalApicState =>
  state.taskPriority === priority
    ? state
    : produce(state, (draft) => {
        draft.taskPriority = priority;
      });
