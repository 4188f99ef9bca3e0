// npm run entry-opinion: random states at a VM entry, and what another implementation of the checks says of them. `states` writes them, one a line, for a
// program of your own that answers each with a line "NUMBER entered", "NUMBER VMfailValid ERROR WORDS" or "NUMBER exit REASON QUALIFICATION WORDS";
// `compare` reads its answers.
import { readFileSync } from 'node:fs';
import { compareVerdicts, verdictOf } from './entry-opinion/compare';
import { header, stateLine } from './entry-opinion/states';

const USAGE = `usage: npm run entry-opinion -- states COUNT [SEED] > states.txt
       npm run entry-opinion -- compare VERDICTS [SEED]\n`;

const DEFAULT_SEED = '1';
const SHOWN = 3;
const PIECE = 1000;

const writeStates = (count: number, seed: number): void => {
  process.stdout.write(header());
  for (let first = 0; first < count; first += PIECE) {
    const lines = Array.from({ length: Math.min(PIECE, count - first) }, (_, place) =>
      stateLine(seed, first + place),
    );
    process.stdout.write(lines.join(''));
  }
};

const compare = (file: string, seed: number): void => {
  const verdicts = readFileSync(file, 'utf8')
    .split('\n')
    .map(verdictOf)
    .filter((verdict) => verdict !== undefined);
  const { states, entered, confirmed, differences } = compareVerdicts(seed, verdicts);
  const different = differences.reduce((sum, one) => sum + one.states.length, 0);
  console.log(`${states} states, ${entered} enter there; ${different} differ in ${differences.length} ways`);
  console.log(`${confirmed.size} rules alone decided a state on which both agree`);
  for (const { ours, theirs, states: numbers } of differences)
    console.log(
      `\n${numbers.length} states, as ${numbers.slice(0, SHOWN).join(', ')}\n  here:  ${ours}\n  there: ${theirs}`,
    );
};

const [what, argument, seed = DEFAULT_SEED] = process.argv.slice(2);
if (what === 'states' && Number(argument) > 0) writeStates(Number(argument), Number(seed));
else if (what === 'compare' && argument !== undefined) compare(argument, Number(seed));
else {
  process.stderr.write(USAGE);
  process.exitCode = 2;
}
