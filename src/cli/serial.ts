import type { DeviceEffect } from '../platform';
import { type OutputFile, openOutput } from './files';
import type { CommandIo, Output } from './io';

/** Where bytes of a guest lead: they go out line by line, and at each `flush`. */
export interface SerialLine {
  readonly effect: (effect: DeviceEffect) => void;
  readonly flush: () => void;
  readonly close: () => void;
}

const NEWLINE = 10;
const LONGEST_LINE = 4096;

/** The place that is not a file. */
export const STDIO = 'stdio';

/** The guest's serial port. */
export const serialLine = (io: CommandIo, where: string): SerialLine =>
  byteLine('serial', io.stdout, where === STDIO ? undefined : openOutput(io, where, '--serial'));

export const STDERR = 'stderr';

/** The port at which firmware tells what it does. */
export const debugLine = (io: CommandIo, where: string): SerialLine =>
  byteLine('debug', io.stderr, where === STDERR ? undefined : openOutput(io, where, '--debug-port'));

const byteLine = (kind: 'serial' | 'debug', stream: Output, file: OutputFile | undefined): SerialLine => {
  const line = new Uint8Array(LONGEST_LINE);
  let length = 0;
  const flush = (): void => {
    if (length === 0) return;
    const bytes = line.slice(0, length);
    length = 0;
    (file ?? stream).write(bytes);
  };
  return {
    effect: (effect) => {
      if (effect.kind !== kind) return;
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
