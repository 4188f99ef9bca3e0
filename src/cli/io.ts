import type { Outcome } from '../core';

/** A stream of the command. */
export interface Output {
  write(data: string | Uint8Array): void;
  readonly isTerminal: boolean;
  /** Why nothing more can be written; undefined while all is well. Known after a pause. */
  readonly failure: OutputFailure | undefined;
}

/** `reader-gone`: the other end of the pipe was closed, as `head` does. */
export type OutputFailure = 'reader-gone' | { readonly says: string };

/** A file being written piece by piece. */
export interface FileWriter {
  write(data: string | Uint8Array): Outcome<null, FileError>;
  close(): Outcome<null, FileError>;
}

/** Why a file could not be read or written, in a few words. */
export interface FileError {
  readonly file: string;
  readonly says: string;
}

/** Everything that a command may touch outside the model; a test gives its own. */
export interface CommandIo {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Outcome<Uint8Array, FileError>;
  writeFile(path: string, bytes: Uint8Array): Outcome<null, FileError>;
  /** Whether a file can be written there; creates it when it is not there yet. */
  checkWritable(path: string): Outcome<null, FileError>;
  openFile(path: string): Outcome<FileWriter, FileError>;
  /** Paths of the guests that come with the package. */
  bundledGuests(): readonly string[];
  /** Seconds since some moment. */
  seconds(): number;
  /** Lets signals and output proceed. */
  pause(): Promise<void>;
  /** Calls the listener at Ctrl-C (SIGINT) and SIGTERM; gives back what ends that. */
  onInterrupt(listener: () => void): () => void;
}
