import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cachePolicy } from '../../src/cli';
import type { CachePolicy } from '../../src/cpu/caching';
import { BadInput, type Expectation, parseExpectations } from './expectations';
import { differences, type Outcome } from './outcome';
import { markdown, table } from './report';
import { runImage } from './run-image';
import { type Budgets, compareTiers, tierTable } from './tiers';

/** Where text goes. */
export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** A line that the next one replaces; absent where nobody looks. */
  readonly progress?: (text: string) => void;
}

const USAGE =
  'npm run conformance -- DIR [--expectations FILE] [--document FILE] [--only IMAGE]... [--without IMAGE]... [--caches POLICY] [--output DIR] [--tiers [--most N] [--oracle N]]';
const STATUS = { asExpected: 0, otherwise: 1, badInput: 2 } as const;

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new BadInput(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
};

/** Every image is looked for before the first one runs. */
const requireImages = (folder: string, images: readonly Expectation[]): void => {
  if (!existsSync(folder))
    throw new BadInput(`${folder}: no such folder; give the one that holds the built images`);
  if (!statSync(folder).isDirectory()) throw new BadInput(`${folder}: not a folder`);
  const missing = [...new Set(images.map(({ image }) => image))].filter(
    (image) => !existsSync(join(folder, image)),
  );
  if (missing.length > 0)
    throw new BadInput(
      `${folder}: without ${missing.join(', ')}; build the suite, or name the folder of its images`,
    );
};

/** SHA-256 over the names and contents of all files below a folder. */
export const folderHash = (folder: string): string => {
  const hash = createHash('sha256');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();
  for (const name of files)
    hash
      .update(name)
      .update('\0')
      .update(readFileSync(join(folder, name)))
      .update('\0');
  return hash.digest('hex');
};

const instructions = (name: string, text: string): number => {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new BadInput(`--${name} ${text}: not a number of instructions`);
  return count;
};

/** Undefined where nothing is remembered. */
const policyOf = (text: string): CachePolicy | undefined => {
  try {
    const policy = cachePolicy('--caches', text);
    return policy.kind === 'none' ? undefined : policy;
  } catch (error) {
    throw new BadInput((error as Error).message);
  }
};

const readArguments = (argv: readonly string[]) => {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        expectations: { type: 'string', default: 'conformance/expectations.json' },
        document: { type: 'string', default: 'docs/conformance.md' },
        only: { type: 'string', multiple: true },
        without: { type: 'string', multiple: true },
        // What processors remember of their walks; every stale translation must be explained then.
        caches: { type: 'string' },
        // What the guests print goes into files here.
        output: { type: 'string' },
        // The tiers against each other, in place of the expectations: images of at most so many instructions, and how far the oracle follows.
        tiers: { type: 'boolean', default: false },
        most: { type: 'string', default: '30e6' },
        oracle: { type: 'string', default: '1e6' },
      },
    });
    if (positionals.length !== 1) throw new BadInput(`give one folder of images: ${USAGE}`);
    const { most, oracle, caches, ...others } = values;
    const policy = caches === undefined ? undefined : policyOf(caches);
    const budgets: Budgets = { most: instructions('most', most), oracle: instructions('oracle', oracle) };
    return { folder: positionals[0], ...others, policy, budgets };
  } catch (error) {
    if (error instanceof BadInput) throw error;
    throw new BadInput(`${(error as Error).message.split('. ')[0]}: ${USAGE}`);
  }
};

/** Keeps what a guest printed. */
type Keep = (name: string, text: string) => void;

const outcomesOf = async (
  folder: string,
  images: readonly Expectation[],
  { error, progress }: Output,
  keep: Keep,
  caches: CachePolicy | undefined,
): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const expectation of images) {
    const name = `${expectation.command} ${expectation.image}`;
    const result = await runImage(
      join(folder, expectation.image),
      expectation,
      (instructions) => progress?.(`${name}: ${instructions.toLocaleString('en-US')} instructions`),
      (text) => keep(name, text),
      caches,
    );
    progress?.('');
    outcomes.push({ expectation, result, differences: differences(expectation, result) });
    error(`${name}: ${result.seconds.toFixed(1)} s\n`);
  }
  return outcomes;
};

/** Each image that runs on the bare machine, short enough, in all tiers. */
const holdTiers = (
  folder: string,
  images: readonly Expectation[],
  budgets: Budgets,
  { out, error }: Output,
): number => {
  const short = images.filter(
    ({ command, maxInstructions }) => command === 'run' && maxInstructions <= budgets.most,
  );
  const outcomes = short.map((expectation) => {
    const outcome = compareTiers(join(folder, expectation.image), expectation, budgets);
    error(`${expectation.image}: ${outcome.seconds.toFixed(1)} s\n`);
    return outcome;
  });
  out(`${tierTable(outcomes)}\n`);
  const equal = outcomes.every(({ comparisons }) =>
    comparisons.every(({ differences }) => differences.length === 0),
  );
  return equal ? STATUS.asExpected : STATUS.otherwise;
};

const run = async (
  argv: readonly string[],
  directory: string,
  output: Output,
  sources: string,
): Promise<number> => {
  const {
    folder,
    expectations,
    document,
    only,
    without,
    output: kept,
    tiers,
    policy,
    budgets,
  } = readArguments(argv);
  const { suite, images } = parseExpectations(expectations, readText(resolve(expectations)));
  for (const [option, names] of [
    ['only', only],
    ['without', without],
  ] as const) {
    const unknown = names?.find((one) => !images.some(({ image }) => image === one));
    if (unknown !== undefined)
      throw new BadInput(`--${option} ${unknown}: ${expectations} has no such image`);
  }
  const chosen = images.filter(
    ({ image }) => (only === undefined || only.includes(image)) && without?.includes(image) !== true,
  );
  const place = resolve(directory, folder);
  requireImages(place, chosen);
  if (tiers) return holdTiers(place, chosen, budgets, output);
  const sourceHash = folderHash(sources);
  const texts = kept === undefined ? undefined : resolve(directory, kept);
  if (texts !== undefined) mkdirSync(texts, { recursive: true });
  const keep: Keep = (name, text) => {
    if (texts !== undefined) writeFileSync(join(texts, `${name.replaceAll(/[^\w.-]+/g, '-')}.txt`), text);
  };
  const outcomes = await outcomesOf(place, chosen, output, keep, policy);
  output.out(`${table(outcomes)}\n`);
  // A part is no record, nor is a run under another policy, nor one of code that is not there any more.
  const isRecord = only === undefined && without === undefined && policy === undefined;
  if (isRecord && folderHash(sources) !== sourceHash)
    output.error(`conformance: ${sources}/ changed during the run; ${document} was not written\n`);
  else if (isRecord) writeFileSync(resolve(document), markdown(suite, sourceHash, outcomes));
  return outcomes.every((outcome) => outcome.differences.length === 0) ? STATUS.asExpected : STATUS.otherwise;
};

/**
 * Runs the images of a folder against the expectations, or with `--tiers` the tiers against each other; `directory` is where the user's paths begin, `sources` the folder whose hash is
 * recorded. With `--caches` uses of stale translations count as differences unless they are explained. Gives the exit status: 0 all as expected, 1 not, 2 bad input.
 */
export const conformance = async (
  argv: readonly string[],
  directory: string,
  output: Output,
  sources = 'src',
): Promise<number> => {
  try {
    return await run(argv, directory, output, sources);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    output.error(`conformance: ${error.message}\n`);
    return STATUS.badInput;
  }
};
