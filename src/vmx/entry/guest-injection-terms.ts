import { lowHalf, type Term, term } from './guest-terms';

// SDM Vol. 3C, 25.8.3 VM-Entry Controls for Event Injection
const INFO = lowHalf('vmEntryInterruptionInfo');
const TYPE_AND_VECTOR = 0x7ff;

/** "Type 3, vector 18" as bits 10:0 of the interruption information. */
export const event = (type: number, vector: number): number => (type << 8) | vector;

/** Bits 10:0 of a valid injection, or -1 when nothing is injected. */
const injected = (halves: Int32Array): number => {
  const info = halves[INFO];
  return info < 0 ? info & TYPE_AND_VECTOR : -1;
};

/** Something is injected. */
export const injects: Term = term(
  'an event is injected',
  ['vmEntryInterruptionInfo'],
  ({ vmcs }) => vmcs.halves[INFO] < 0,
);

/** An event of one type is injected; 0 external interrupt, 2 NMI, 3 hardware exception, 7 other event. */
export const injectsType = (type: number): Term =>
  term(
    `an event of type ${type} is injected`,
    ['vmEntryInterruptionInfo'],
    ({ vmcs }) => injected(vmcs.halves) >> 8 === type,
  );

/** The injected event is of one of the types or one of the exact events. */
export const injectedIsOneOf = (says: string, types: readonly number[], events: readonly number[]): Term => {
  const allowed = new Set(events);
  return term(says, ['vmEntryInterruptionInfo'], ({ vmcs }) => {
    const key = injected(vmcs.halves);
    return types.includes(key >> 8) || allowed.has(key);
  });
};
