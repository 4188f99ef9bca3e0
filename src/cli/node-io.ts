import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fault, type Outcome, ok } from '../core';
import type { CommandIo, FileError, FileWriter, Output, OutputFailure } from './io';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ENOSPC: 'no space is left on the device',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
  ELOOP: 'too many symbolic links',
  EIO: 'input/output error',
};

const reason = (error: unknown): string => {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
};

const attempt = <T>(file: string, action: () => T): Outcome<T, FileError> => {
  try {
    return ok(action());
  } catch (error) {
    return fault({ file, says: reason(error) });
  }
};

const output = (stream: NodeJS.WriteStream): Output => {
  let failure: OutputFailure | undefined;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error.code === 'EPIPE' ? 'reader-gone' : { says: reason(error) };
  });
  return {
    write: (data) => {
      if (failure === undefined) stream.write(data);
    },
    isTerminal: stream.isTTY === true,
    get failure() {
      return failure;
    },
  };
};

/** Bytes that wait before they are written together. */
const BUFFERED = 1 << 16;

const writer = (path: string): FileWriter => {
  const descriptor = openSync(path, 'w');
  let waiting: Uint8Array[] = [];
  let length = 0;
  const flush = (): void => {
    writeFileSync(descriptor, Buffer.concat(waiting));
    waiting = [];
    length = 0;
  };
  return {
    write: (data) => {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      waiting.push(bytes);
      length += bytes.length;
      return attempt(path, () => {
        if (length > BUFFERED) flush();
        return null;
      });
    },
    close: () =>
      attempt(path, () => {
        flush();
        closeSync(descriptor);
        return null;
      }),
  };
};

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

const GUESTS = join('guests', 'images');

/** The folder of the bundled guests, in the package that holds this module. */
const guestsFolder = (): string | undefined => {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < 4; up++) {
    if (existsSync(join(folder, GUESTS))) return join(folder, GUESTS);
    folder = dirname(folder);
  }
  return undefined;
};

const bundledGuests = (): readonly string[] => {
  const folder = guestsFolder();
  if (folder === undefined) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.elf'))
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const short = relative(process.cwd(), path);
      return short.startsWith('..') ? path : short;
    });
};

/** Streams, files, clock and signals of this process. */
export const nodeIo = (): CommandIo => ({
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  environment: process.env,
  readFile: (path) => attempt(path, () => readFileSync(path)),
  writeFile: (path, bytes) =>
    attempt(path, () => {
      writeFileSync(path, bytes);
      return null;
    }),
  checkWritable: (path) =>
    attempt(path, () => {
      closeSync(openSync(path, 'a'));
      return null;
    }),
  openFile: (path) => attempt(path, () => writer(path)),
  bundledGuests,
  seconds: () => performance.now() / 1000,
  pause: () => new Promise((resolve) => setImmediate(resolve)),
  onInterrupt: (listener) => {
    for (const signal of SIGNALS) process.on(signal, listener);
    return () => {
      for (const signal of SIGNALS) process.off(signal, listener);
    };
  },
});
