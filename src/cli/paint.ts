import colors from 'picocolors';
import type { CommandIo, Output } from './io';

/** Colours for one stream: on a terminal, unless NO_COLOR is set. */
export const paint = (io: CommandIo, output: Output) => {
  const { NO_COLOR, TERM } = io.environment;
  return colors.createColors(output.isTerminal && (NO_COLOR ?? '') === '' && TERM !== 'dumb');
};
