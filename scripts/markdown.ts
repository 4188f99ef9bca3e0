import { MANUALS, SECTIONS } from '../src/core';

/** Text of a cell of a table. */
export const cell = (text: string): string => text.replaceAll('|', '\\|');

/** A line of a table whose cells are ready. */
export const tableLine = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** A section like `SDM Vol. 3C, 27.6.1` with its title; throws where src/core/manual.ts has none. */
export const withTitle = (section: string): string => {
  const [, volume = '', number = ''] = /^SDM Vol\. (\w+), ((?:Table )?[\w.-]+)$/.exec(section) ?? [];
  const title = (SECTIONS as Readonly<Record<string, Readonly<Record<string, string>>>>)[volume]?.[number];
  if (title === undefined) throw new Error(`${section}: no such section in src/core/manual.ts`);
  return `${section} ${title}`;
};

const { title, number, edition } = MANUALS.sdm;
/** Which edition sections are numbered by. */
export const EDITION = `Sections are those of ${title}, ${number}, ${edition}.`;
