import { FIRST_SCRATCH_SLOT, SLOT } from '../slots';

/** Halves of slots that the engine and emitted code share: a value read from memory, the context of the fast arrays, the epoch of links. */
export const VALUE_AT: number = 2 * SLOT.value;
export const VALUE_HIGH_AT: number = VALUE_AT + 1;
export const CONTEXT_AT: number = 2 * SLOT.engine;
export const EPOCH_AT: number = CONTEXT_AT + 1;
export const KIND_AT: number = 2 * SLOT.flagKind;

/** Scratch slots: operands and results of pure operations, then the index of the instruction in a generated block. */
export const PURE_SLOT = FIRST_SCRATCH_SLOT;
export const PURE_SLOTS = 6;
export const INDEX_AT: number = 2 * (FIRST_SCRATCH_SLOT + PURE_SLOTS);
/** Instructions that may still retire before `execute` returns. */
export const LEFT_AT: number = INDEX_AT + 1;
