import type { Outcome } from '../core';
import { BadInput } from './exit-status';
import type { CommandIo, FileError } from './io';

/** The bytes of a file; `field` says what it is for, `fix` what to give instead. */
export const readInput = (
  io: CommandIo,
  path: string,
  field: string,
  fix = 'give the path of a readable file',
): Uint8Array => {
  const outcome = io.readFile(path);
  if (!outcome.ok) throw new BadInput(`${path}: ${field}: ${outcome.fault.says}; ${fix}`);
  return outcome.value;
};

const unwritable = (path: string, field: string, says: string): never => {
  throw new BadInput(`${path}: ${field}: ${says}; give a path in a writable directory`);
};

export const writeOutput = (io: CommandIo, path: string, field: string, bytes: Uint8Array): void => {
  const outcome = io.writeFile(path, bytes);
  if (!outcome.ok) unwritable(path, field, outcome.fault.says);
};

/** Complains before a long run rather than after it. */
export const requireWritable = (io: CommandIo, path: string, field: string): void => {
  const outcome = io.checkWritable(path);
  if (!outcome.ok) unwritable(path, field, outcome.fault.says);
};

/** A file being written; what cannot be written ends the command. */
export interface OutputFile {
  readonly write: (data: string | Uint8Array) => void;
  readonly close: () => void;
}

export const openOutput = (io: CommandIo, path: string, field: string): OutputFile => {
  const required = <T>(outcome: Outcome<T, FileError>): T =>
    outcome.ok ? outcome.value : unwritable(path, field, outcome.fault.says);
  const file = required(io.openFile(path));
  return {
    write: (data) => {
      required(file.write(data));
    },
    close: () => {
      required(file.close());
    },
  };
};

/** Files that would be written over each other are refused, before any is; devices take what they are given. */
export const requireDistinct = (files: readonly (readonly [string, string | undefined])[]): void => {
  const seen = new Map<string, string>();
  for (const [field, path] of files) {
    if (path === undefined || path.startsWith('/dev/')) continue;
    const other = seen.get(path);
    if (other !== undefined)
      throw new BadInput(`${path}: ${field}: it is the ${other} file already; give each a file of its own`);
    seen.set(path, field);
  }
};
