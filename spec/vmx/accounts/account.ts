/** A test of a spec, a property test or a table of examples under `spec/` or `property-tests/`. */
export interface Shown {
  readonly file: string;
  /** Part of the title of a test, as the file writes it in one literal. */
  readonly test: string;
}

/** Tests of a file. */
export const from =
  (file: string) =>
  (...tests: readonly string[]): readonly Shown[] =>
    tests.map((test) => ({ file, test }));

/** One rule of the manual about VMX, and where the model shows it. */
export interface Account {
  /** Unique in its table. */
  readonly id: string;
  readonly rule: string;
  /** Like `SDM Vol. 3C, 27.6.1`; src/core/manual.ts has the title. */
  readonly section: string;
  readonly shown:
    | Shown
    | readonly Shown[]
    /** Not built: a name in docs/unbuilt.txt. */
    | { readonly unbuilt: string }
    /** Why no test of the model can show it. */
    | { readonly reason: string };
}

export interface AccountTable {
  readonly name: string;
  /** How many rules it accounts for when it is complete. */
  readonly expected: number;
  /** While false, `accounts` has fewer than `expected`. */
  readonly complete: boolean;
  readonly accounts: readonly Account[];
}

/** The tests that an account names; none where it has a reason. */
export const testsOf = ({ shown }: Account): readonly Shown[] => {
  if ('unbuilt' in shown || 'reason' in shown) return [];
  return 'file' in shown ? [shown] : shown;
};
