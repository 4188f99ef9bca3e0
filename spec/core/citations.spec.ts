import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { SECTIONS } from '../../src/core';

type Volume = keyof typeof SECTIONS;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['src', 'spec', 'property-tests', 'benchmarks', 'scripts'];

/** Every numbered citation follows "Vol. N, " or, in the same list, "; " or ", ". */
const NUMBER = String.raw`(?:Table )?\d{1,2}(?:\.\d{1,2})+|Table [\dA]+-\d+|[A-C]\.\d+(?:\.\d+)?|Appendix [A-C]`;
const VOLUME = /Vol\. ([1-4][A-D]?), /g;
const FIRST = new RegExp(`^(${NUMBER}|\\d{1,2}(?= [A-Z]))`);
const NEXT = new RegExp(`^(?:; |, | and | to )(${NUMBER}|\\d{1,2}(?= VM))`);
const LATER = new RegExp(`; (${NUMBER})`);

interface Citation {
  readonly volume: string;
  readonly number: string;
  readonly title: string | undefined;
  readonly wrong: boolean;
}

const titleOf = (volume: string, number: string): string | undefined =>
  (SECTIONS[volume as Volume] as Readonly<Record<string, string>> | undefined)?.[number];

/** The citations of one volume in what follows "Vol. N, ". */
const citationsOf = (volume: string, text: string): readonly Citation[] => {
  const found: Citation[] = [];
  let rest = text;
  for (let match = FIRST.exec(rest); match !== null; ) {
    const number = match[1];
    const title = titleOf(volume, number);
    rest = rest.slice(match.index + match[0].length);
    const titled =
      title !== undefined && rest.startsWith(` ${title}`) && !/^\w/.test(rest.slice(title.length + 1));
    // A title begins with a capital letter, a digit or #; a number may stand without one.
    const wrong = title === undefined || (!titled && /^ (?:[A-Z#]|\d+-)/.test(rest));
    found.push({ volume, number, title: titled ? title : undefined, wrong });
    if (titled) rest = rest.slice(title.length + 1);
    match = NEXT.exec(rest) ?? LATER.exec(rest);
  }
  return found;
};

/** A line of a comment, or of a message. */
const inLine = (line: string): readonly Citation[] =>
  [...line.matchAll(VOLUME)].flatMap(({ 0: head, 1: volume, index }) =>
    citationsOf(volume, line.slice(index + head.length).split('Vol. ')[0]),
  );

/** The name of a test that begins with a section of the volume that the file cites first; its words may be its own. */
const inTestName = (line: string, volume: string): readonly Citation[] => {
  const name = /(?:describe|it)\('((?:\d+|[A-C])\.\d.*)'/.exec(line)?.[1];
  if (name === undefined) return [];
  return citationsOf(volume, name).map((one) => ({
    ...one,
    wrong: titleOf(volume, one.number) === undefined,
  }));
};

const inFile = (path: string): readonly (Citation & { readonly at: string })[] => {
  const text = readFileSync(`${ROOT}/${path}`, 'utf8');
  const volume = /SDM Vol\. ([1-4][A-D]?), /.exec(text)?.[1] ?? '';
  return text.split('\n').flatMap((line, index) =>
    (line.includes('SDM Vol.') ? inLine(line) : inTestName(line, volume)).map((citation) => ({
      ...citation,
      at: `${path}:${index + 1}: Vol. ${citation.volume}, ${citation.number}`,
    })),
  );
};

const allCitations = FOLDERS.flatMap((folder) =>
  readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs)$/.test(name))
    .flatMap((name) => inFile(`${folder}/${name}`)),
);

describe('citations of the manual', () => {
  it('one number has one title, that of the table in core/manual.ts', () => {
    const wrong = allCitations.filter((one) => one.wrong).map(({ at }) => at);
    expect(wrong.join('\n'), 'not as in the table; a section cited first is added there').toBe('');
  });

  it('finds them all over the tree', () => {
    expect(allCitations.length).toBeGreaterThan(350);
  });

  it('every section of the table is cited', () => {
    const cited = new Set(allCitations.map(({ volume, number }) => `${volume} ${number}`));
    const unused = Object.entries(SECTIONS).flatMap(([volume, sections]) =>
      Object.keys(sections)
        .map((number) => `${volume} ${number}`)
        .filter((one) => !cited.has(one)),
    );
    expect(unused.join('\n'), 'cited nowhere: remove from the table').toBe('');
  });

  it('sees another edition, a wrong title and a number that nobody listed', () => {
    const wrong = (text: string) => citationsOf('3C', text).map((one) => one.wrong);
    expect(wrong('26.2.1.1 VM-Execution Control Fields')).toEqual([true]);
    expect(wrong('27.2.1.1 VM-Exit Control Fields')).toEqual([true]);
    expect(wrong('28.5 Loading Host State, 28.6 Loading MSRs; 28.99')).toEqual([false, false, true]);
    expect(wrong('28.6 Loading MSRs: the host')).toEqual([false]);
  });
});
