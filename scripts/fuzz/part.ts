import { ModelError, Unbuilt } from '../../src/api';

/** One kind of case. */
export interface Part {
  readonly name: string;
  /** Cases at scale 1. */
  readonly cases: number;
  /** Runs one case and says what came of it, by name. Throws `Wrong` when that must not be. */
  readonly attempt: (seed: number, index: number) => readonly string[];
}

/** The product did what it must not; `reproduction` is the case in hexadecimal. */
export class Wrong extends Error {
  override readonly name = 'Wrong';

  constructor(
    says: string,
    readonly reproduction: string,
  ) {
    super(says);
  }
}

export const hexBytes = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Counts by name. */
export type Tally = Record<string, number>;

export const addTo = (tally: Tally, name: string, count = 1): void => {
  tally[name] = (tally[name] ?? 0) + count;
};

/**
 * Does something with the product. What it does not have comes back by name, if it is on the list of what is not built; everything else that it
 * throws is `Wrong`.
 */
export const attempted = <A>(
  action: () => A,
  isListed: (what: string) => boolean,
  reproduction: () => string,
): { readonly value: A } | { readonly unbuilt: string } => {
  try {
    return { value: action() };
  } catch (error) {
    if (error instanceof Wrong) throw error;
    if (error instanceof Unbuilt && isListed(error.what)) return { unbuilt: `not built: ${error.what}` };
    const what = error instanceof ModelError ? error.message : ((error as Error).stack ?? String(error));
    throw new Wrong(`${(error as Error).name}: ${what}`, reproduction());
  }
};
