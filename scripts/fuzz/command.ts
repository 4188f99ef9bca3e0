import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { pageTables } from './page-tables';
import { addTo, type Part, type Tally, Wrong } from './part';
import { streams } from './streams';
import { vmcss } from './vmcss';

const PARTS: readonly Part[] = [streams, pageTables, vmcss];

export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

const USAGE = `npm run fuzz -- [--seed N] [--scale X] [--case PART:INDEX]

Random cases from a seed: ${PARTS.map(({ name, cases }) => `${cases.toLocaleString('en-US')} ${name}`).join(', ')}.
What the model does not have is counted by its name; anything else that it throws, an answer that is not the manual's, and a case without an
end fail.

  --seed N           32-bit seed of all cases (default 1)
  --scale X          this many times the cases (default 1)
  --case PART:INDEX  one case alone; PART is ${PARTS.map((_, part) => part).join(', ')} in the order above
  --help             this text

Exit status: 0 nothing failed, 1 something did, 2 bad input.
`;
const STATUS = { sound: 0, failed: 1, badInput: 2 } as const;

class BadInput extends Error {}

const optionsOf = (argv: readonly string[]) => {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        seed: { type: 'string', default: '1' },
        scale: { type: 'string', default: '1' },
        case: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    const seed = Number(values.seed);
    if (!/^\d+$/.test(values.seed) || seed > 0xffff_ffff)
      throw new BadInput(`--seed ${values.seed}: give an integer of at most 32 bits`);
    const scale = Number(values.scale);
    if (!(scale > 0 && scale <= 1000))
      throw new BadInput(`--scale ${values.scale}: give a number above 0, at most 1000`);
    const only = values.case === undefined ? undefined : /^(\d):(\d+)$/.exec(values.case);
    if (only === null || (only !== undefined && PARTS[Number(only[1])] === undefined))
      throw new BadInput(`--case ${values.case}: give PART:INDEX, such as 0:1234`);
    return { seed, scale, help: values.help, only: only?.slice(1).map(Number) };
  } catch (error) {
    if (error instanceof BadInput) throw error;
    throw new BadInput((error as Error).message.split(/\.\s/)[0]);
  }
};

/** A stretch of cases for a worker. */
interface Stretch {
  readonly part: number;
  readonly from: number;
  readonly to: number;
}

interface Failure {
  readonly part: number;
  readonly index: number;
  readonly says: string;
  readonly reproduction: string;
}

interface Finding {
  readonly tally: Tally;
  readonly failures: readonly Failure[];
}

interface Task {
  readonly seed: number;
  /** The part and case under way, for the thread that watches. */
  readonly place: Int32Array;
}

const PLACES = { part: 0, index: 1, started: 2 } as const;

const attemptOne = (
  seed: number,
  part: number,
  index: number,
  found: { tally: Tally; failures: Failure[] },
): void => {
  try {
    for (const name of PARTS[part].attempt(seed, index)) addTo(found.tally, name);
  } catch (error) {
    const reproduction = error instanceof Wrong ? error.reproduction : '';
    const says = error instanceof Wrong ? error.message : ((error as Error).stack ?? String(error));
    found.failures.push({ part, index, says, reproduction });
  }
};

/** What a worker does: a stretch for each message. */
const work = ({ seed, place }: Task): void => {
  parentPort!.on('message', ({ part, from, to }: Stretch) => {
    const found = { tally: {} as Tally, failures: [] as Failure[] };
    for (let index = from; index < to; index++) {
      Atomics.store(place, PLACES.part, part);
      Atomics.store(place, PLACES.index, index);
      Atomics.add(place, PLACES.started, 1);
      attemptOne(seed, part, index, found);
    }
    parentPort!.postMessage(found satisfies Finding);
  });
};

const STRETCH = 500;
/** A case that takes longer hangs: the longest take some milliseconds. */
const MOST_MILLISECONDS = 30_000;

const stretches = (scale: number): Stretch[] =>
  PARTS.flatMap(({ cases }, part) => {
    const count = Math.max(1, Math.round(cases * scale));
    return Array.from({ length: Math.ceil(count / STRETCH) }, (_, i) => ({
      part,
      from: i * STRETCH,
      to: Math.min(count, (i + 1) * STRETCH),
    }));
  });

/** Everything that one worker takes from the list; ends early when a case does not end. */
const takeFrom = (
  list: Stretch[],
  seed: number,
  self: URL,
  note: (stretch: Stretch, finding: Finding) => void,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const place = new Int32Array(new SharedArrayBuffer(12));
    const worker = new Worker(self, { workerData: { seed, place } satisfies Task });
    let current: Stretch | undefined;
    let seen = -1;
    const finish = (): void => {
      clearInterval(watch);
      void worker.terminate();
      resolve();
    };
    const next = (): void => {
      current = list.shift();
      if (current === undefined) finish();
      else worker.postMessage(current);
    };
    const watch = setInterval(() => {
      const started = Atomics.load(place, PLACES.started);
      if (started !== seen) {
        seen = started;
        return;
      }
      const part = Atomics.load(place, PLACES.part);
      const index = Atomics.load(place, PLACES.index);
      const says = `no end after ${MOST_MILLISECONDS / 1000} s`;
      if (current !== undefined)
        note(current, { tally: {}, failures: [{ part, index, says, reproduction: '' }] });
      finish();
    }, MOST_MILLISECONDS);
    worker.on('message', (finding: Finding) => {
      note(current!, finding);
      next();
    });
    worker.on('error', reject);
    next();
  });

const failureText = (seed: number, { part, index, says, reproduction }: Failure): string =>
  `FAILED ${PARTS[part].name}, seed ${seed}, index ${index}: ${says}\n  ${reproduction}\n  alone: npm run fuzz -- --seed ${seed} --case ${part}:${index}\n`;

const MOST_SHOWN = 10;

const UNBUILT = 'not built: ';

const byCount = ([a, left]: [string, number], [b, right]: [string, number]): number =>
  right - left || (a < b ? -1 : 1);

/** One line an outcome; what is not built by its name in one line. */
const tallyText = (tally: Tally): string => {
  const all = Object.entries(tally).sort(byCount);
  const unbuilt = all.filter(([name]) => name.startsWith(UNBUILT));
  const count = unbuilt.reduce((sum, [, one]) => sum + one, 0);
  const lines = all.filter(([name]) => !name.startsWith(UNBUILT));
  if (count > 0)
    lines.push([
      `not built: ${unbuilt.map(([name, one]) => `${name.slice(UNBUILT.length)} ${one}`).join(', ')}`,
      count,
    ]);
  return lines.map(([name, one]) => `  ${String(one).padStart(8)}  ${name}\n`).join('');
};

const run = async (argv: readonly string[], self: URL, { out }: Output): Promise<number> => {
  const { seed, scale, help, only } = optionsOf(argv);
  if (help) {
    out(USAGE);
    return STATUS.sound;
  }
  const tallies: Tally[] = PARTS.map(() => ({}));
  const failures: Failure[] = [];
  const counts = PARTS.map(() => 0);
  const began = performance.now();
  const note = ({ part, from, to }: Stretch, finding: Finding): void => {
    counts[part] += to - from;
    for (const [name, count] of Object.entries(finding.tally)) addTo(tallies[part], name, count);
    failures.push(...finding.failures);
  };
  if (only !== undefined) {
    const [part, index] = only;
    const found = { tally: {} as Tally, failures: [] as Failure[] };
    attemptOne(seed, part, index, found);
    note({ part, from: index, to: index + 1 }, found);
  } else {
    const list = stretches(scale);
    const workers = Math.min(availableParallelism(), list.length);
    await Promise.all(Array.from({ length: workers }, () => takeFrom(list, seed, self, note)));
  }
  PARTS.forEach(({ name }, part) => {
    if (counts[part] > 0) out(`${counts[part].toLocaleString('en-US')} ${name}\n${tallyText(tallies[part])}`);
  });
  for (const failure of failures.slice(0, MOST_SHOWN)) out(failureText(seed, failure));
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const cases = counts.reduce((sum, count) => sum + count, 0).toLocaleString('en-US');
  out(`seed ${seed}: ${cases} cases, ${failures.length} failed, ${seconds} s\n`);
  return failures.length === 0 ? STATUS.sound : STATUS.failed;
};

/**
 * Fuzzes the product; `self` is the program to start workers from. Gives the exit status: 0 nothing failed, 1 something did, 2 bad input. In a
 * worker it does the worker's part.
 */
export const fuzz = async (
  argv: readonly string[],
  self: URL,
  output: Output,
  isMain = isMainThread,
): Promise<number> => {
  if (!isMain) {
    work(workerData as Task);
    return STATUS.sound;
  }
  try {
    return await run(argv, self, output);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    output.error(`fuzz: ${error.message}\n`);
    return STATUS.badInput;
  }
};
