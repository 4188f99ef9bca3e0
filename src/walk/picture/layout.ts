import type { WalkView } from '../view';
import type { Box } from './elements';

export const WIDTH = 1200;
const MARGIN = 24;
const ROW_HEAD = 168;
const GAP = 14;
const TOP = 168;
const CELL = 86;
const BETWEEN = 26;
/** A row that a large page makes needless is a strip. */
const STRIP = 24;
const WIDEST = 250;

/** Where everything stands. */
export interface Layout {
  readonly left: number;
  readonly right: number;
  /** Columns of EPT from its top level, then the guest's. */
  readonly columns: readonly { readonly x: number; readonly width: number }[];
  readonly rows: readonly { readonly y: number; readonly height: number }[];
  readonly bottom: number;
  readonly headY: number;
}

export const layoutOf = ({ eptLevels, rows }: WalkView): Layout => {
  const count = eptLevels + 1;
  const first = MARGIN + ROW_HEAD + GAP;
  const width = Math.min(WIDEST, (WIDTH - MARGIN - first - GAP * (count - 1)) / count);
  const columns = Array.from({ length: count }, (_, index) => ({ x: first + index * (width + GAP), width }));
  let y = TOP;
  const placed = rows.map(({ skipped }) => {
    const row = { y, height: skipped ? STRIP : CELL };
    y += row.height + BETWEEN;
    return row;
  });
  return { left: MARGIN, right: WIDTH - MARGIN, columns, rows: placed, bottom: y - BETWEEN, headY: TOP - 40 };
};

/** The cell of a row and column. */
export const cellBox = ({ columns, rows }: Layout, row: number, column: number): Box => ({
  ...columns[column],
  ...rows[row],
});

/** The box in front of a row. */
export const rowBox = ({ left, rows }: Layout, row: number): Box => ({
  x: left,
  width: ROW_HEAD,
  ...rows[row],
});
