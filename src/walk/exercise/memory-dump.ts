import { hex, writtenFrames } from '../../core';
import type { WalkCase } from '../walk-case';

const PAGE = 4096;
const CELLS = 16;

/** Cells of the tiny machine, a line for each page of 16 that is not empty. */
const tinyLines = ({ request: { memory } }: WalkCase): readonly string[] => {
  const lines = [
    `         ${Array.from({ length: CELLS }, (_, cell) => `..${cell.toString(16)} `).join(' ')}`,
  ];
  for (const frame of writtenFrames(memory)) {
    const { words } = memory.page(frame);
    for (let page = 0; page < PAGE / 2 / CELLS; page++) {
      const cells = Array.from(
        { length: CELLS },
        (_, cell) => (words[(page * CELLS + cell) >> 1] >>> (16 * (cell & 1))) & 0xffff,
      );
      if (cells.every((cell) => cell === 0)) continue;
      const base = (frame * (PAGE / 2) + page * CELLS) / CELLS;
      lines.push(
        `0x${base.toString(16).padStart(3, '0')}_   ${cells.map((cell) => cell.toString(16).padStart(4, '0')).join(' ')}`,
      );
    }
  }
  return lines;
};

const wordLines = ({ request: { memory } }: WalkCase): readonly string[] =>
  writtenFrames(memory).flatMap((frame) => {
    const page = new BigUint64Array(memory.read(frame * PAGE, PAGE).buffer);
    return [...page].flatMap((value, index) =>
      value === 0n ? [] : [`${hex(frame * PAGE + index * 8)}  ${hex(value, 16)}`],
    );
  });

/** Everything in memory that is not zero, by host-physical address. */
export const memoryDump = (one: WalkCase): readonly string[] =>
  one.machine === 'tiny' ? tinyLines(one) : wordLines(one);
