// Broken differences of two states, each by one mistake: the theorem of exactness must reject every one.
import { difference, type StateDifference } from '../../src/machine';

export type Difference = typeof difference;

const amended =
  (change: (found: StateDifference) => StateDifference): Difference =>
  (before, after) =>
    change(difference(before, after));

export const differenceMutants: Readonly<Record<string, Difference>> = {
  'leaves the last page out': amended((found) => ({ ...found, pages: found.pages.slice(0, -1) })),
  'drops the last byte of a run of bytes': amended((found) => ({
    ...found,
    pages: found.pages.map(({ frame, bytes }) => ({
      frame,
      bytes: bytes.map((run) =>
        run.after.length < 3
          ? run
          : { ...run, before: run.before.slice(0, -1), after: run.after.slice(0, -1) },
      ),
    })),
  })),
  'shows the bytes before for those after': amended((found) => ({
    ...found,
    pages: found.pages.map(({ frame, bytes }) => ({
      frame,
      bytes: bytes.map((run) => ({ ...run, after: run.before })),
    })),
  })),
  'does not look at hidden state': amended((found) => ({
    ...found,
    registers: found.registers.filter(({ path }) => !path.includes('.hidden.')),
  })),
  'names RSI for RDI': amended((found) => ({
    ...found,
    registers: found.registers.map((one) => ({ ...one, path: one.path.replace(/\.rdi$/, '.rsi') })),
  })),
  'forgets the clock': amended((found) => ({
    ...found,
    other: found.other.filter(({ path }) => path !== 'clock'),
  })),
  'does not look at devices': amended((found) => ({ ...found, devices: [] })),
};
