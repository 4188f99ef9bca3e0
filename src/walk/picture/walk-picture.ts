import { hex } from '../../core';
import { explain } from '../explain';
import { mendOf } from '../mend';
import { entryName } from '../names';
import { indexLine, requestLines } from '../text';
import type { ShownReference, WalkRow, WalkView } from '../view';
import { BLANK, emptyCell, entryCell } from './cells';
import { svgDocument } from './document';
import { arrow, rect, sign, text, wrapped } from './elements';
import { cellBox, type Layout, layoutOf, rowBox } from './layout';

interface Drawing {
  readonly view: WalkView;
  readonly layout: Layout;
  readonly hidden: boolean;
}

/** The column of a reference. */
const columnOf = ({ eptLevels }: WalkView, { table, level }: ShownReference): number =>
  table === 'ept' ? eptLevels - level : eptLevels;

const SPANS: Readonly<Record<number, string>> = { 2: '2 MiB', 3: '1 GiB' };

const headings = ({ view, layout }: Drawing): string => {
  const { eptLevels, guestLevels, walkCase } = view;
  const { columns, headY, bottom } = layout;
  const middle = (column: number): number => columns[column].x + columns[column].width / 2;
  const parts: string[] = [];
  if (eptLevels > 0) {
    const first = columns[0];
    const last = columns[eptLevels - 1];
    const band = {
      x: first.x - 8,
      y: headY - 20,
      width: last.x + last.width - first.x + 16,
      height: bottom - headY + 30,
    };
    parts.push(rect(band, 'band', 10));
  }
  for (let column = 0; column < eptLevels; column++) {
    const level = eptLevels - column;
    parts.push(text(middle(column), headY, 'head', `EPT level ${level}`));
    const root = column === 0 ? `EPTP ${hex(walkCase.request.eptp ?? 0n)}` : entryName('ept', level).slice(4);
    parts.push(text(middle(column), headY + 18, 'sub', root));
  }
  if (guestLevels > 0) {
    parts.push(text(middle(eptLevels), headY, 'head', 'Guest’s entry'));
    parts.push(text(middle(eptLevels), headY + 18, 'sub', 'names the next table'));
  }
  return parts.join('');
};

const rowTitles = ({ of }: WalkRow): readonly [string, string] => {
  if (of === 'final') return ['Final address', 'guest-physical'];
  if (of === 'only') return ['Address', 'guest-physical'];
  return [`Guest level ${of}`, `${entryName('guest', of).slice(6)}, guest-physical`];
};

const rowHead = ({ view, layout, hidden }: Drawing, index: number): string => {
  const row = view.rows[index];
  const box = rowBox(layout, index);
  if (row.skipped) {
    const above = view.references.find((one) => one.table === 'guest' && one.kind === 'leaf');
    const says = `Guest level ${row.of}: none, the entry above maps ${SPANS[above?.level ?? 2]}`;
    return text(box.x + 10, box.y + 16, 'small', says);
  }
  const [title, second] = rowTitles(row);
  const reached = row.gpa !== undefined;
  const value = hidden ? BLANK : reached ? hex(row.gpa ?? 0) : 'not reached';
  const plain = view.eptLevels === 0 ? second.replace('guest-physical', 'physical') : second;
  return [
    rect(box, reached || hidden ? 'address' : 'unreached'),
    text(box.x + 12, box.y + 25, 'label', title),
    text(box.x + 12, box.y + 46, 'small', plain),
    text(box.x + 12, box.y + 68, reached || hidden ? 'value' : 'small', value),
  ].join('');
};

/** The arrow from the guest's entry to the next row that is walked. */
const toNextRow = ({ view, layout, hidden }: Drawing, from: number): string => {
  const next = view.rows.findIndex((row, index) => index > from && !row.skipped);
  if (next < 0 || (view.rows[next].gpa === undefined && !hidden)) return '';
  const start = cellBox(layout, from, view.eptLevels);
  const end = rowBox(layout, next);
  const middle = start.x + start.width / 2;
  const target = end.x + end.width / 2;
  const turn = end.y - 13;
  return arrow([
    [middle, start.y + start.height],
    [middle, turn],
    [target, turn],
    [target, end.y - 1],
  ]);
};

const lastCell = ({ view, layout, hidden }: Drawing, index: number): string => {
  const box = cellBox(layout, index, view.eptLevels);
  const { outcome } = view;
  const middle = box.x + box.width / 2;
  if (!outcome.ok && !hidden) return emptyCell(box, 'unreached', 'no translation');
  return [
    rect(box, hidden ? 'address' : 'done'),
    text(middle, box.y + 30, 'label middle', view.eptLevels === 0 ? 'Physical' : 'Host-physical'),
    text(middle, box.y + 57, 'result', hidden || !outcome.ok ? BLANK : hex(outcome.value)),
    ...(hidden ? [] : [sign(box.x + box.width - 2, box.y + 2, true)]),
  ].join('');
};

const rowCells = (drawing: Drawing, index: number): string => {
  const { view, layout, hidden } = drawing;
  const row = view.rows[index];
  if (row.skipped) return '';
  const here = view.references.filter((one) => one.row === index);
  const hasGuest = typeof row.of === 'number';
  const count = view.eptLevels + (hasGuest ? 1 : 0);
  const parts: string[] = [];
  const leaf = here.find((one) => one.table === 'ept' && one.kind === 'leaf');
  let from = rowBox(layout, index);
  for (let column = 0; column < count; column++) {
    const box = cellBox(layout, index, column);
    const found = here.find((one) => columnOf(view, one) === column);
    const needless = leaf !== undefined && column > columnOf(view, leaf) && column < view.eptLevels;
    if (needless) {
      parts.push(emptyCell(box, 'none', `none: page of ${SPANS[leaf.level]}`));
      continue;
    }
    if (found === undefined) {
      parts.push(emptyCell(box, 'unreached', 'not reached'));
      continue;
    }
    parts.push(entryCell(box, found, hidden));
    parts.push(between(from, box));
    from = box;
  }
  if (!hasGuest) {
    const box = cellBox(layout, index, view.eptLevels);
    parts.push(lastCell(drawing, index));
    if (view.outcome.ok || hidden) parts.push(between(from, box));
  } else if (here.some(({ table }) => table === 'guest')) parts.push(toNextRow(drawing, index));
  return parts.join('');
};

/** The arrow from one cell to the next, over what a large page leaves out. */
const between = (from: ReturnType<typeof rowBox>, to: ReturnType<typeof rowBox>): string => {
  const y = to.y + to.height / 2;
  return arrow([
    [from.x + from.width, y],
    [to.x - 1, y],
  ]);
};

const LETTERS = 150;
const LETTERS_BOLD = 108;

const LEGEND = [
  'Numbers: the order of the references. Rights so far: r read, w write, x execute of EPT;',
  'w write, u user, x execute of the guest. All addresses at which entries stand are host-physical.',
].join(' ');

const outcomeBanner = ({
  view,
  layout,
  hidden,
}: Drawing): { readonly svg: string; readonly height: number } => {
  const legend = (y: number): string => text(layout.left, y, 'small', LEGEND);
  if (hidden) return { svg: legend(layout.bottom + 32), height: 24 };
  const { lines } = explain(view);
  const mend = mendOf(view);
  const advice =
    mend === undefined
      ? []
      : [`${mend.enough ? 'This would mend it' : 'This would bring it further'}: ${mend.edits.join(' ')}`];
  const [first, ...more] = wrapped(lines[0], LETTERS_BOLD);
  const rest = [...more, ...[...lines.slice(1), ...advice].flatMap((line) => wrapped(line, LETTERS))];
  const y = layout.bottom + 24;
  const height = 34 + 20 * rest.length + (rest.length > 0 ? 6 : 0);
  const box = { x: layout.left, y, width: layout.right - layout.left, height };
  return {
    svg: [
      rect(box, view.outcome.ok ? 'done' : 'failed', 9),
      sign(box.x + 24, y + 18, view.outcome.ok),
      text(box.x + 46, y + 23, 'end', first),
      ...rest.map((line, index) => text(box.x + 46, y + 45 + 20 * index, 'line', line)),
      legend(y + height + 22),
    ].join('\n'),
    height: height + 48,
  };
};

/** A walk as an SVG document of 1200 pixels: levels of the guest downwards, levels of EPT across. With `hidden` what is to be found out is blank; `notes` are lines below. */
export const drawWalk = (
  view: WalkView,
  { hidden = false, notes = [] }: { readonly hidden?: boolean; readonly notes?: readonly string[] } = {},
): string => {
  const layout = layoutOf(view);
  const drawing = { view, layout, hidden };
  const banner = outcomeBanner(drawing);
  const below = Math.round(layout.bottom + banner.height + 24);
  const height = below + (notes.length === 0 ? 0 : 20 * notes.length + 10);
  const { walkCase } = view;
  const [asks, registers] = requestLines(view);
  const rows = view.rows.map((_, index) => index);
  return svgDocument(walkCase.title, height, [
    text(layout.left, 40, 'title', walkCase.title),
    text(layout.left, 64, 'request', `${asks} ${hidden ? '' : indexLine(view)}`),
    text(layout.left, 84, 'request', registers),
    headings(drawing),
    ...rows.map((index) => rowHead(drawing, index)),
    ...rows.map((index) => rowCells(drawing, index)),
    banner.svg,
    ...notes.map((note, at) => text(layout.left, below + 16 + 20 * at, 'line', note)),
  ]);
};
