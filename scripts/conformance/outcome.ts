import type { Expectation } from './expectations';

/** What an image did. */
export interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The exit status, or why there is none. */
  readonly ended: number | string;
  readonly instructions: number;
  readonly seconds: number;
  /** Under `check`: the criteria that do not hold. */
  readonly broken: readonly string[];
  /** What the guest's own summary line counts otherwise; empty when they agree or there is none. */
  readonly disagreement: string;
}

/** What was expected and what came. */
export interface Outcome {
  readonly expectation: Expectation;
  readonly result: Result;
  /** Empty when all is as expected. */
  readonly differences: readonly string[];
}

interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly disagreement: string;
}

const SUMMARY = /^SUMMARY: (\d+) tests/m;

/**
 * Counts the reports of a guest, lines that begin with PASS, FAIL or SKIP, and compares them with its summary. A failure that the suite itself expects
 * (XFAIL, KFAIL) counts as passed, a success that it does not expect (XPASS) as failed.
 */
export const tally = (output: string): Tally => {
  const count = (words: string): number => output.match(new RegExp(`^(?:${words}): `, 'gm'))?.length ?? 0;
  const passed = count('PASS|XFAIL|KFAIL');
  const failed = count('FAIL|XPASS');
  const skipped = count('SKIP');
  const stated = SUMMARY.exec(output)?.[1];
  const counted = passed + failed + skipped;
  const disagreement =
    stated === undefined || Number(stated) === counted
      ? ''
      : `the summary counts ${stated} tests, the lines ${counted}`;
  return { passed, failed, skipped, disagreement };
};

const FIGURES = ['passed', 'failed', 'skipped'] as const;

/** What is not as expected, in words. */
export const differences = (expectation: Expectation, result: Result): readonly string[] => {
  const found: string[] = FIGURES.filter((name) => result[name] !== expectation[name]).map(
    (name) => `${name} ${result[name]} instead of ${expectation[name]}`,
  );
  if (result.ended !== expectation.status)
    found.push(`ended with ${result.ended} instead of ${expectation.status}`);
  if (result.disagreement !== '') found.push(result.disagreement);
  return [...found, ...result.broken];
};
