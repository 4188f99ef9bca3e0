import type { Expectation, Explained } from './expectations';

/** What an image did. */
export interface Result {
  readonly passed: number;
  /** What the lines say that begin with FAIL and SKIP. */
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
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

type Tally = Pick<Result, 'passed' | 'failed' | 'skipped' | 'disagreement'>;

const SUMMARY = /^SUMMARY: (\d+) tests/m;

/**
 * Counts the reports of a guest, lines that begin with PASS, FAIL or SKIP, and compares them with its summary. A failure that the suite itself expects
 * (XFAIL, KFAIL) counts as passed, a success that it does not expect (XPASS) as failed.
 */
export const tally = (output: string): Tally => {
  const lines = (words: string): readonly string[] =>
    [...output.matchAll(new RegExp(`^(?:${words}): (.*)`, 'gm'))].map(([, says]) => says.trim());
  const passed = lines('PASS|XFAIL|KFAIL').length;
  const failed = lines('FAIL|XPASS');
  const skipped = lines('SKIP');
  const stated = SUMMARY.exec(output)?.[1];
  const counted = passed + failed.length + skipped.length;
  const disagreement =
    stated === undefined || Number(stated) === counted
      ? ''
      : `the summary counts ${stated} tests, the lines ${counted}`;
  return { passed, failed, skipped, disagreement };
};

/** Lines that no reason fits, and reasons that fit no line. */
const unexplained = (
  word: string,
  lines: readonly string[],
  reasons: readonly Explained[],
): readonly string[] => [
  ...lines
    .filter((line) => !reasons.some(({ says }) => line.startsWith(says)))
    .map((line) => `${word} unexpectedly: ${line}`),
  ...reasons
    .filter(({ says }) => !lines.some((line) => line.startsWith(says)))
    .map(({ says }) => `not ${word}: ${says}`),
];

/** What is not as expected, in words. */
export const differences = (expectation: Expectation, result: Result): readonly string[] => {
  const found: string[] = [
    ...unexplained('failed', result.failed, expectation.failed),
    ...unexplained('skipped', result.skipped, expectation.skipped),
  ];
  if (result.passed !== expectation.passed)
    found.push(`passed ${result.passed} instead of ${expectation.passed}`);
  if (result.ended !== expectation.status)
    found.push(`ended with ${result.ended} instead of ${expectation.status}`);
  if (result.disagreement !== '') found.push(result.disagreement);
  return [...found, ...result.broken];
};
