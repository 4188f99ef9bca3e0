/** Architectural results are values; only a bug of the model, or a part that is not built, throws. */

/** A value, or the architectural fault that came instead. */
export type Outcome<A, F> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly fault: F };

export const ok = <A>(value: A): { readonly ok: true; readonly value: A } => ({ ok: true, value });

export const fault = <F>(reason: F): { readonly ok: false; readonly fault: F } => ({
  ok: false,
  fault: reason,
});

/** A bug of the model, or a part of the architecture that the model does not have yet; the message names it. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}

/** What is decoded or reachable but not built: `what` is the entry that `vtmodel unbuilt` lists. */
export class Unbuilt extends ModelError {
  constructor(readonly what: string) {
    super(`not built: ${what}`);
  }
}
