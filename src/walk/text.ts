import { hex } from '../core';
import { explain } from './explain';
import { mendOf } from './mend';
import { grantsText, rightsText } from './names';
import type { ShownReference, WalkRow, WalkView } from './view';

/** Marks for parts of a text; on a terminal they are colours. */
export interface Ink {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly good: (text: string) => string;
}

const same = (text: string): string => text;
export const PLAIN: Ink = { strong: same, faint: same, bad: same, good: same };

const DIGITS = { 2: 4, 4: 8, 8: 16 } as const;

/** What an entry leads to. */
export const leadsTo = ({ kind, target }: ShownReference): string => {
  if (kind === 'absent') return 'not present';
  if (kind === 'reserved') return 'malformed';
  return `${kind === 'table' ? 'table' : 'page '} ${hex(target)}`;
};

/** Access and registers of a walk, a line each. */
export const requestLines = ({ walkCase: { request, machine } }: WalkView): readonly string[] => {
  const { address, access = 'read', cr3, eptp, rights, physicalAddressWidth = 39 } = request;
  const kind = cr3 === undefined ? 'guest-physical address' : 'linear address';
  const mode = rights?.user === true ? 'user mode' : 'supervisor mode';
  const where = cr3 === undefined && eptp !== undefined ? ' (guest paging is off)' : '';
  const registers = [
    ...(cr3 === undefined ? [] : [`CR3 ${hex(cr3)}${eptp === undefined ? '' : ' (guest-physical)'}`]),
    ...(eptp === undefined ? [] : [`EPTP ${hex(eptp)} (host-physical)`]),
    machine === 'tiny' ? 'cells of 16 bits' : `${physicalAddressWidth} physical address bits`,
  ];
  return [`A ${access} of ${kind} ${hex(address)} in ${mode}${where}.`, `${registers.join(', ')}.`];
};

/** How the address is divided into indexes, from the top level down, and offset; empty where the guest has no tables. */
export const indexLine = ({ walkCase, guestLevels, guestIndexBits }: WalkView): string => {
  if (guestLevels === 0) return '';
  const { address } = walkCase.request;
  const offset = walkCase.machine === 'tiny' ? 4 : 12;
  const indexes = Array.from({ length: guestLevels }, (_, step) => {
    const shift = BigInt(offset + guestIndexBits * (guestLevels - 1 - step));
    return `${(address >> shift) % 2n ** BigInt(guestIndexBits)}`;
  });
  return `Its indexes, from level ${guestLevels} down: ${indexes.join(', ')}; offset ${hex(address % 2n ** BigInt(offset))}.`;
};

const LEVEL_TABLES: Readonly<Record<number, string>> = {
  5: 'PML5 table',
  4: 'PML4 table',
  3: 'page-directory-pointer table',
  2: 'page directory',
  1: 'page table',
};

/** What a row of the walk is for. */
export const rowTitle = ({ of, gpa }: WalkRow, eptLevels: number): string => {
  const at = gpa === undefined ? '' : ` ${hex(gpa)}`;
  if (of === 'only') return `The guest-physical address${at}`;
  if (of === 'final') return `The guest-physical address that the guest’s tables gave:${at}`;
  const entry = `The guest’s entry of level ${of} (${LEVEL_TABLES[of]})`;
  return eptLevels === 0 ? `${entry} at${at}` : `${entry}, at guest-physical${at}`;
};

const headOf = ({ eptLevels }: WalkView): readonly string[] => {
  const at = eptLevels === 0 ? 'at physical' : 'at host-physical';
  return ['#', 'entry', 'index', at, 'holds', 'which names', 'and allows', 'rights so far'];
};
const RIGHT = new Set([0, 2]);

const cells = (one: ShownReference): readonly string[] => [
  `${one.number}`,
  one.name,
  `${one.index}`,
  hex(one.address),
  hex(one.entry, DIGITS[one.bytes]),
  leadsTo(one),
  one.kind === 'absent' ? '' : grantsText(one),
  rightsText(one.table, one.rights),
];

/** Pads the cells of a line to the columns. */
const aligned = (line: readonly string[], widths: readonly number[]): string =>
  line
    .map((cell, column) => (RIGHT.has(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
    .join('  ')
    .trimEnd();

const outcomeLines = (view: WalkView, ink: Ink): readonly string[] => {
  const { lines } = explain(view);
  if (view.outcome.ok) return lines.map((line) => ink.good(line));
  const failed = view.references.find((one) => one.failed);
  const mend = mendOf(view);
  const advice =
    mend !== undefined
      ? [
          `${mend.enough ? 'This would mend it' : 'This would bring it further'}: ${mend.edits.map((one) => `--set ${one}`).join(' ')}`,
        ]
      : failed?.kind === 'absent'
        ? ['To mend it, put the address of a table or page there, with the rights that it is to have.']
        : [];
  return [...lines.map((line, index) => (index === 0 ? ink.bad(line) : line)), ...advice];
};

/** The references, a numbered line each, under a title for each address that EPT translates; `*` marks those in `marked`. */
export const referenceLines = (
  view: WalkView,
  ink: Ink = PLAIN,
  marked: ReadonlySet<number> = new Set(),
): readonly string[] => {
  if (view.references.length === 0) return [];
  const lines = view.references.map(cells);
  const head = headOf(view);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column].length)),
  );
  const out = [`  ${ink.faint(aligned(head, widths))}`];
  let row = -1;
  for (const [index, one] of view.references.entries()) {
    if (one.row !== row) {
      row = one.row;
      out.push(ink.strong(rowTitle(view.rows[row], view.eptLevels)));
    }
    const text = aligned(lines[index], widths);
    const sign = one.failed ? '! ' : marked.has(one.number) ? '* ' : '  ';
    out.push(one.failed ? ink.bad(`${sign}${text}   <- here it fails`) : `${sign}${text}`);
  }
  return out;
};

/** A walk for people: what it asks for, its references, and how it ends. */
export const walkText = (view: WalkView, ink: Ink = PLAIN, marked?: ReadonlySet<number>): string =>
  [
    ink.strong(view.walkCase.title.replace(/\p{Cc}/gu, ' ')),
    ...requestLines(view),
    ...[indexLine(view)].filter((line) => line !== ''),
    '',
    ...referenceLines(view, ink, marked),
    ...(view.references.length === 0 ? [] : ['']),
    ...outcomeLines(view, ink),
    '',
  ].join('\n');
