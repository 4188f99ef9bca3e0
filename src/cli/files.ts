import { BadInput } from './exit-status';
import type { CommandIo, FileWriter } from './io';

/** The bytes of a file; `field` says what it is for. */
export const readInput = (io: CommandIo, path: string, field: string): Uint8Array => {
  const outcome = io.readFile(path);
  if (!outcome.ok)
    throw new BadInput(`${path}: ${field}: ${outcome.fault.says}; give the path of a readable file`);
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

export const openOutput = (io: CommandIo, path: string, field: string): FileWriter => {
  const outcome = io.openFile(path);
  return outcome.ok ? outcome.value : unwritable(path, field, outcome.fault.says);
};
