import type { DeviceEffect } from '../platform';
import { openOutput } from './files';
import type { CommandIo } from './io';

/** Where a guest's serial port leads: bytes go out line by line, and at each `flush`. */
export interface SerialLine {
  readonly effect: (effect: DeviceEffect) => void;
  readonly flush: () => void;
  readonly close: () => void;
}

const NEWLINE = 10;
const LONGEST_LINE = 4096;

/** The place that is not a file. */
export const STDIO = 'stdio';

export const serialLine = (io: CommandIo, where: string): SerialLine => {
  const file = where === STDIO ? undefined : openOutput(io, where, '--serial');
  const line = new Uint8Array(LONGEST_LINE);
  let length = 0;
  const flush = (): void => {
    if (length === 0) return;
    const bytes = line.slice(0, length);
    length = 0;
    (file ?? io.stdout).write(bytes);
  };
  return {
    effect: (effect) => {
      if (effect.kind !== 'serial') return;
      line[length++] = effect.byte;
      if (effect.byte === NEWLINE || length === LONGEST_LINE) flush();
    },
    flush,
    close: () => {
      flush();
      file?.close();
    },
  };
};
