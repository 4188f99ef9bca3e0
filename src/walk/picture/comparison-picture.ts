import { hex } from '../../core';
import { type Compared, comparisonNotes, outcomeIn } from '../compare';
import { requestLines } from '../text';
import type { ShownReference, WalkRow } from '../view';
import { svgDocument } from './document';
import { type Box, circle, rect, sign, text, wrapped } from './elements';
import { WIDTH } from './layout';

const MARGIN = 24;
const BETWEEN_PANELS = 30;
const GAP = 8;
const TOP = 156;
const CELL = 56;
const ROW_GAP = 12;
const WIDEST = 200;
const PAD = 8;
/** Of the letters of an outcome, in pixels. */
const LETTER = 7.2;
const LINE = 18;

/** One technique with the place that it has. */
interface Panel {
  readonly column: Compared;
  readonly x: number;
  readonly width: number;
  readonly cellWidth: number;
}

type RowName = WalkRow['of'];

const rowOf = ({ view }: Compared, { row }: ShownReference): RowName => view.rows[row].of;
const rowsOf = (column: Compared): readonly RowName[] => [
  ...new Set(column.view.references.map((one) => rowOf(column, one))),
];
const inRow = (column: Compared, name: RowName): readonly ShownReference[] =>
  column.view.references.filter((one) => rowOf(column, one) === name);

/** Most references of a row. */
const unitsOf = (column: Compared): number =>
  Math.max(1, ...rowsOf(column).map((name) => inRow(column, name).length));

const panelsOf = (columns: readonly Compared[]): readonly Panel[] => {
  const units = columns.map(unitsOf);
  const all = units.reduce((sum, one) => sum + one, 0);
  const inner = WIDTH - 2 * MARGIN - BETWEEN_PANELS * (columns.length - 1) - GAP * (all - columns.length);
  const cellWidth = Math.min(WIDEST, inner / all);
  let x = MARGIN;
  return columns.map((column, at) => {
    const width = units[at] * cellWidth + (units[at] - 1) * GAP;
    const panel = { column, x, width, cellWidth };
    x += width + BETWEEN_PANELS;
    return panel;
  });
};

const cell = (box: Box, one: ShownReference, { technique }: Compared): string => {
  const style = one.failed ? 'failed' : one.table;
  return [
    rect(box, style),
    circle(box.x + PAD + 9, box.y + 18, 11, `badge-${style}`),
    text(box.x + PAD + 9, box.y + 22.2, 'number', `${one.number}`),
    text(
      box.x + PAD + 23,
      box.y + 22,
      'label',
      technique === 'ept' ? one.name : one.name.replace('guest ', ''),
    ),
    text(box.x + PAD, box.y + 45, 'code', `at ${hex(one.address)}`),
    ...(one.failed ? [sign(box.x + box.width - 2, box.y + 2, false)] : []),
  ].join('');
};

const cells = ({ column, x, cellWidth }: Panel, rows: readonly RowName[]): string =>
  rows
    .flatMap((name, row) =>
      inRow(column, name).map((one, place) =>
        cell(
          {
            x: x + place * (cellWidth + GAP),
            y: TOP + row * (CELL + ROW_GAP),
            width: cellWidth,
            height: CELL,
          },
          one,
          column,
        ),
      ),
    )
    .join('\n');

const head = ({ column: { technique, view }, x }: Panel): string => {
  const count = view.references.length;
  return [
    text(x, TOP - 38, 'title', technique),
    text(x, TOP - 16, 'label', `${count} ${count === 1 ? 'reference' : 'references'}`),
  ].join('');
};

const outcomeLines = ({ column, width }: Panel): readonly string[] =>
  wrapped(outcomeIn(column), Math.floor((width - 2 * PAD) / LETTER));

const outcome = (panel: Panel, y: number, lines: number): string => {
  const { x, width, column } = panel;
  const { view, unknown } = column;
  const style = unknown !== undefined ? 'address' : view.outcome.ok ? 'done' : 'failed';
  return [
    rect({ x, y, width, height: 16 + LINE * lines }, style),
    ...outcomeLines(panel).map((line, at) => text(x + PAD, y + 21 + LINE * at, 'line', line)),
    ...(unknown === undefined ? [sign(x + width - 2, y + 2, view.outcome.ok)] : []),
  ].join('');
};

const levelOf = (name: RowName): number => (typeof name === 'number' ? -name : 0);

/** Techniques side by side as an SVG document of 1200 pixels: a row for each level of the guest, every reference a numbered cell. */
export const drawComparison = (columns: readonly Compared[]): string => {
  const panels = panelsOf(columns);
  const rows = [...new Set(columns.flatMap(rowsOf))].toSorted((a, b) => levelOf(a) - levelOf(b));
  const below = TOP + rows.length * (CELL + ROW_GAP) + 6;
  const lines = Math.max(...panels.map((panel) => outcomeLines(panel).length));
  const notesAt = below + 16 + LINE * lines + 30;
  const notes = comparisonNotes(columns);
  const { view } = columns[0];
  const { title } = view.walkCase;
  const [asks] = requestLines(view);
  return svgDocument(title, notesAt + 20 * notes.length, [
    text(MARGIN, 40, 'title', title),
    text(MARGIN, 64, 'request', `${asks} Numbers: the order of the references.`),
    ...panels.map(head),
    ...panels.map((panel) => cells(panel, rows)),
    ...panels.map((panel) => outcome(panel, below, lines)),
    ...notes.map((note, at) => text(MARGIN, notesAt + 20 * at, 'line', note)),
  ]);
};
