/** How the command ends. A guest's own status is (code << 1) | 1, so it is always odd. */
export const EXIT_STATUS = {
  success: 0,
  /** `check`: a criterion does not hold. */
  doesNotHold: 1,
  badInput: 2,
  /** `run`: the guest is stuck, in the shutdown state, or in an endless delivery. */
  guestStopped: 3,
  /** Something that the model lacks, or a bug of it. */
  notBuilt: 4,
  interrupted: 130,
} as const;

/** What the user gave cannot be used; `says` is one line that names it and the fix. Caught in `main`. */
export class BadInput extends Error {
  constructor(readonly says: string) {
    super(says);
  }
}
