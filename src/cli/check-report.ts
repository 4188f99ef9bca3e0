import type { CriteriaReport } from '../criteria';
import type { CommandIo } from './io';
import { paint } from './paint';
import { table } from './table';

/** What came of one guest: a report, or the error of the model that ended the check. */
export interface CheckedGuest {
  readonly name: string;
  readonly seconds: number;
  readonly report: CriteriaReport | undefined;
  readonly failure: Error | undefined;
}

const figure = (value: number): string => value.toLocaleString('en-US');
const percent = (share: number): string => `${(Math.floor(share * 10_000) / 100).toFixed(2)}%`;
const times = (count: number): string => (count === 1 ? 'once' : `${figure(count)} times`);

const indented = (text: string, by = '  '): string =>
  text
    .split('\n')
    .map((line) => (line === '' ? line : by + line))
    .join('\n');

type Colours = ReturnType<typeof paint>;

const HEAD = [
  ...['guest', 'equivalence', 'resource control', 'efficiency'],
  ...['observations', 'instructions', 'direct', 'VM exits', 'end'],
];
const RIGHT = [4, 5, 6, 7];

const endText = ({ end }: CriteriaReport): string =>
  end.kind === 'exit' ? `exit code ${end.code}` : end.kind.replaceAll('-', ' ');

const row = ({ name, report }: CheckedGuest, { green, red }: Colours): readonly string[] => {
  if (report === undefined) return [name, red('not checked'), ...HEAD.slice(2).map(() => '')];
  const verdict = (holds: boolean): string => (holds ? green('holds') : red('FAILS'));
  const { equivalence, resourceControl, efficiency, instructions } = report;
  const exits = Object.values(efficiency.exits).reduce((sum, count) => sum + count, 0);
  return [
    name,
    verdict(equivalence.holds),
    verdict(resourceControl.holds),
    verdict(efficiency.holds),
    figure(equivalence.observations),
    figure(instructions),
    percent(efficiency.share),
    figure(exits),
    endText(report),
  ];
};

/** Differences shown of one divergence. */
const SHOWN = 24;

const divergenceText = (report: CriteriaReport, { bold, red }: Colours): string => {
  const { divergence } = report.equivalence;
  if (divergence === undefined) return '';
  const { index, instruction, differences, monitored } = divergence;
  const more = differences.length - SHOWN;
  return [
    red(
      `not equivalent: the first differing observation is number ${figure(index)}, at guest instruction ${figure(monitored.position)}`,
    ),
    `the runs part with  ${bold(`${instruction.address}  ${instruction.text}`)}`,
    table([
      ['', bold('bare'), bold('monitored')],
      ...differences
        .slice(0, SHOWN)
        .map(({ what, bare, monitored: other }) => [what, bare || '(nothing)', other || '(nothing)']),
    ]).trimEnd(),
    ...(more > 0 ? [`and ${more} more; all of them with --json`] : []),
  ].join('\n');
};

const resourceText = ({ resourceControl }: CriteriaReport, { red }: Colours): string =>
  resourceControl.violations
    .map(({ kind, says, count, instruction }) => {
      const where = instruction === undefined ? '' : ` at ${instruction.address}  ${instruction.text}`;
      return red(`resource control: ${kind}: ${says}, ${times(count)}${where}`);
    })
    .join('\n');

const efficiencyText = ({ efficiency }: CriteriaReport, { red }: Colours): string =>
  efficiency.needless
    .map(({ reason, instruction, count }) =>
      red(
        `efficiency: innocuous, but it exits (${reason}, ${times(count)}): ${instruction.address}  ${instruction.text}`,
      ),
    )
    .join('\n');

const staleText = ({ staleTranslations }: CriteriaReport, { red }: Colours): string =>
  staleTranslations.map((says) => red(`stale translation: ${says}`)).join('\n');

const failureText = (guest: CheckedGuest, colours: Colours): string => {
  const { name, report, failure } = guest;
  if (failure !== undefined) {
    const where = failure.message.startsWith('not built: ') ? `; vtmodel run with ${name} says where` : '';
    return `${colours.bold(name)}\n${indented(colours.red(`${failure.message}${where}`))}\n`;
  }
  if (report === undefined || report.holds) return '';
  const parts = [divergenceText, resourceText, efficiencyText, staleText]
    .map((part) => part(report, colours))
    .filter((text) => text !== '');
  return `${colours.bold(name)}\n${indented(parts.join('\n'))}\n`;
};

/** What a reader should know although all holds: exits by reason, what is excepted, remarks. */
const noteText = ({ name, report }: CheckedGuest): string => {
  if (report === undefined) return '';
  const exits = Object.entries(report.efficiency.exits)
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${reason} ${figure(count)}`)
    .join(', ');
  const time = report.equivalence.timeReads.map(
    ({ instruction, count, addresses }) =>
      `time is excepted: ${instruction} ${times(count)} at ${addresses.slice(0, 4).join(' ')}${addresses.length > 4 ? ' ...' : ''}`,
  );
  const { remark } = report.resourceControl;
  const lines = [`exits: ${exits || 'none'}`, ...time, ...(remark === '' ? [] : [remark])];
  return `${name}\n${indented(lines.join('\n'))}\n`;
};

const criteriaHold = ({ equivalence, resourceControl, efficiency }: CriteriaReport): boolean =>
  equivalence.holds && resourceControl.holds && efficiency.holds;

/** Stale translations are no matter of the criteria: a line of their own. */
const summary = (results: readonly CheckedGuest[], { green, red }: Colours): string => {
  const of = (holds: (report: CriteriaReport) => boolean): number =>
    results.filter(({ report }) => report !== undefined && holds(report)).length;
  const good = of(criteriaHold);
  const stale = of(({ staleTranslations }) => staleTranslations.length > 0);
  const text = `${good} of ${results.length} guests: all three criteria hold`;
  const lines = [good === results.length ? green(text) : red(text)];
  if (stale > 0)
    lines.push(
      red(`${stale} of ${results.length} guests: the check fails, for a stale translation was used`),
    );
  return `${lines.join('\n')}\n`;
};

/** The table for people, with what failed and why below it. */
export const checkText = (io: CommandIo, results: readonly CheckedGuest[]): string => {
  const colours = paint(io, io.stdout);
  const head = HEAD.map((one) => colours.bold(one));
  return [
    table([head, ...results.map((one) => row(one, colours))], RIGHT),
    results.map(noteText).join(''),
    ...results.map((one) => failureText(one, colours)),
    summary(results, colours),
  ]
    .filter((text) => text !== '')
    .join('\n');
};

/** One JSON document: `holds`, and a report or an error for each guest. */
export const checkJson = (results: readonly CheckedGuest[]): string => {
  const guests = results.map(({ name, seconds, report, failure }) => ({
    guest: name,
    seconds: Math.round(seconds * 1000) / 1000,
    ...(report ?? { error: failure?.message ?? 'not checked' }),
  }));
  const holds = results.length > 0 && results.every(({ report }) => report?.holds === true);
  return `${JSON.stringify({ holds, guests }, null, 2)}\n`;
};
