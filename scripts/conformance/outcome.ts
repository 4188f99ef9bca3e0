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
  /** Uses of translations that memory contradicted, as text; undefined where nothing is remembered. */
  readonly stale?: readonly string[] | undefined;
  /** Tests that the guest's own summary line counts and no line reports: passes that print nothing. 0 where there is no summary. */
  readonly silent: number;
}

/** What was expected and what came. */
export interface Outcome {
  readonly expectation: Expectation;
  readonly result: Result;
  /** Empty when all is as expected. */
  readonly differences: readonly string[];
}

type Tally = Pick<Result, 'passed' | 'failed' | 'skipped' | 'silent'>;

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
  const silent = stated === undefined ? 0 : Number(stated) - counted;
  return { passed, failed, skipped, silent };
};

/** Lines that no reason fits, and reasons that fit no line. */
const unexplained = (
  word: string,
  lines: readonly string[],
  reasons: readonly Explained[],
  fits = (line: string, says: string): boolean => line.startsWith(says),
): readonly string[] => [
  ...lines
    .filter((line) => !reasons.some(({ says }) => fits(line, says)))
    .map((line) => `${word} unexpectedly: ${line}`),
  ...reasons
    .filter(({ says }) => !lines.some((line) => fits(line, says)))
    .map(({ says }) => `not ${word}: ${says}`),
];

/** What is not as expected, in words. */
export const differences = (expectation: Expectation, result: Result): readonly string[] => {
  const found: string[] = [
    ...unexplained('failed', result.failed, expectation.failed),
    ...unexplained('skipped', result.skipped, expectation.skipped),
  ];
  if (result.stale !== undefined)
    found.push(...unexplained('stale', result.stale, expectation.stale, (line, says) => line.includes(says)));
  if (result.passed !== expectation.passed)
    found.push(`passed ${result.passed} instead of ${expectation.passed}`);
  if (result.ended !== expectation.status)
    found.push(`ended with ${result.ended} instead of ${expectation.status}`);
  if (result.silent !== expectation.silent)
    found.push(`the summary counts ${result.silent} tests that no line reports, not ${expectation.silent}`);
  return [...found, ...result.broken];
};
