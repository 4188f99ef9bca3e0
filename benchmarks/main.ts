// npm run bench [-- --smoke] [-- --markdown] [-- --runs N] [-- --thread-time] [-- ROW...]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { coldCode } from './cold';
import { computeGenerated, computeOnClosures } from './compute';
import { vmEntryChecks } from './entry-check';
import { type Effort, type Measure, type Row, useThreadTime } from './measure';
import { flatLoop, realModeLoop } from './narrow';
import { cachedTranslations, nestedWalks } from './nested-walk';
import { json, markdown, table, thisMachine } from './report';
import { snapshotAndFork } from './snapshot';
import { singleStep } from './step';
import { vmcallRoundTrip } from './vmcall';

/** In the order in which they run: what a row leaves in the process slows those after it, so that new rows come last. */
const ROWS: Readonly<Record<string, Row>> = {
  closures: computeOnClosures,
  generated: computeGenerated,
  step: singleStep,
  snapshot: snapshotAndFork,
  walk: nestedWalks,
  vmcall: vmcallRoundTrip,
  flat32: flatLoop,
  real16: realModeLoop,
  cold: coldCode,
  entrycheck: vmEntryChecks,
  cached: cachedTranslations,
};
const RESULTS = 'benchmarks/results.json';
const DOCUMENT = 'docs/performance.md';
const RUNS = 5;

const measured = async (names: readonly string[], effort: Effort): Promise<readonly Measure[]> => {
  const measures: Measure[] = [];
  for (const name of names) {
    const start = performance.now();
    measures.push(...(await ROWS[name](effort)));
    process.stderr.write(`${name}: measured in ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
  }
  return measures;
};

const main = async (): Promise<number> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      smoke: { type: 'boolean' },
      markdown: { type: 'boolean' },
      runs: { type: 'string' },
      'thread-time': { type: 'boolean' },
    },
  });
  const smoke = values.smoke === true;
  const runs = values.runs === undefined ? RUNS : Number(values.runs);
  const unknown = positionals.find((name) => !(name in ROWS));
  if (unknown !== undefined) throw new Error(`no row ${unknown}; there are ${Object.keys(ROWS).join(', ')}`);
  if (!Number.isInteger(runs) || runs < 1)
    throw new Error(`--runs ${values.runs}: give a number of runs, 1 or more`);
  if (values['thread-time'] === true && !useThreadTime())
    throw new Error('--thread-time: not on this system');
  const names = positionals.length > 0 ? positionals : Object.keys(ROWS);
  const measures = await measured(names, { smoke, runs: smoke ? 1 : runs });
  const machine = thisMachine(
    values['thread-time'] === true
      ? 'processor time of the main thread (other work ran beside it)'
      : 'wall clock',
  );
  process.stdout.write(`${table(measures, !smoke)}\n`);
  // A look that was too short to measure, or a part of the rows, is no record.
  if (smoke) return 0;
  writeFileSync(RESULTS, json(machine, measures));
  if (values.markdown === true && positionals.length === 0)
    writeFileSync(DOCUMENT, markdown(machine, measures));
  return 0;
};

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: Error) => {
    process.stderr.write(`bench: ${error.message}\n`);
    process.exitCode = 1;
  },
);
