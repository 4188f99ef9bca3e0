import { hex } from '../../core';
import { rightsText } from '../names';
import type { ShownReference } from '../view';
import { type Box, circle, rect, sign, text } from './elements';

const PAD = 8;
const DIGITS = { 2: 4, 4: 8, 8: 16 } as const;

/** What a student is to find out. */
export const BLANK = '. . . . . . . .';

const kindText = ({ kind, level, bytes }: ShownReference): string => {
  if (kind === 'table') return 'names a table';
  if (kind === 'leaf') return level === 1 || bytes === 2 ? 'names the page' : 'names a large page';
  return kind === 'absent' ? 'not present' : 'malformed';
};

/** One entry that is read: its number, where it stands, what it holds and what is allowed so far. */
export const entryCell = (box: Box, one: ShownReference, hidden: boolean): string => {
  const { x, y, width } = box;
  const style = one.failed && !hidden ? 'failed' : one.table;
  const line = (at: number): number => y + 20 + 19 * at;
  const rights = rightsText(one.table, one.rights);
  return [
    rect(box, style),
    circle(x + PAD + 9, y + 17, 11.5, `badge-${style}`),
    text(x + PAD + 9, y + 21.4, 'number', `${one.number}`),
    text(x + width - PAD, line(0), 'right', hidden ? 'entry . . .' : `entry ${one.index}`),
    text(x + PAD, line(1) + 2, 'code', `at ${hidden ? BLANK : hex(one.address)}`),
    text(x + PAD, line(2) + 2, 'value', hidden ? BLANK : hex(one.entry, DIGITS[one.bytes])),
    ...(hidden
      ? []
      : [
          text(
            x + PAD,
            line(3) + 2,
            one.failed ? 'fails' : 'small',
            one.failed ? failText(one) : kindText(one),
          ),
          text(x + width - PAD, line(3) + 2, 'rights', rights),
          ...(one.failed ? [sign(x + width - 2, y + 2, false)] : []),
        ]),
  ].join('');
};

const failText = (one: ShownReference): string =>
  one.kind === 'absent' || one.kind === 'reserved' ? kindText(one) : 'right is missing';

/** A place of the grid that the walk did not come to, or that a large page makes needless. */
export const emptyCell = (box: Box, style: 'unreached' | 'none', says: string): string => {
  const { x, y, width, height } = box;
  return `${rect(box, style)}${text(x + width / 2, y + height / 2 + (style === 'none' ? -9 : 4), 'quiet', says)}`;
};
