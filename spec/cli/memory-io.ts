import { existsSync, readFileSync } from 'node:fs';
import { type CommandIo, main } from '../../src/cli';
import { fault, ok } from '../../src/core';

/** Streams, files and a clock in memory; files that are not there are read from the disk. */
export class MemoryIo implements CommandIo {
  out = '';
  err = '';
  readonly files = new Map<string, Uint8Array>();
  environment: Readonly<Record<string, string | undefined>> = {};
  terminal = false;
  /** Called at each pause, where a process sees its signals. */
  onPause: (io: MemoryIo) => void = () => {};
  private now = 0;
  private readonly listeners = new Set<() => void>();

  /** Why stdout takes nothing more. */
  stdoutFailure: CommandIo['stdout']['failure'];

  private output(put: (text: string) => void): CommandIo['stdout'] {
    const self = this;
    return {
      get failure() {
        return self.stdoutFailure;
      },
      write: (data) => put(typeof data === 'string' ? data : new TextDecoder('latin1').decode(data)),
      get isTerminal() {
        return self.terminal;
      },
    };
  }

  readonly stdout = this.output((text) => {
    this.out += text;
  });
  readonly stderr = this.output((text) => {
    this.err += text;
  });

  readFile(path: string): ReturnType<CommandIo['readFile']> {
    const bytes = this.files.get(path);
    if (bytes !== undefined) return ok(bytes);
    return existsSync(path) && path.includes('.')
      ? ok(readFileSync(path))
      : fault({ file: path, says: 'no such file or directory' });
  }

  writeFile(path: string, bytes: Uint8Array): ReturnType<CommandIo['writeFile']> {
    if (path.startsWith('/readonly/')) return fault({ file: path, says: 'permission denied' });
    this.files.set(path, bytes);
    return ok(null);
  }

  checkWritable(path: string): ReturnType<CommandIo['checkWritable']> {
    return path.startsWith('/readonly/') ? fault({ file: path, says: 'permission denied' }) : ok(null);
  }

  openFile(path: string): ReturnType<CommandIo['openFile']> {
    const writable = this.checkWritable(path);
    if (!writable.ok) return writable;
    let text = '';
    return ok({
      write: (data) => {
        text += typeof data === 'string' ? data : new TextDecoder('latin1').decode(data);
        return path.startsWith('/full/') ? fault({ file: path, says: 'no space is left' }) : ok(null);
      },
      close: () => {
        this.files.set(path, new TextEncoder().encode(text));
        return ok(null);
      },
    });
  }

  bundledGuests(): readonly string[] {
    return ['guests/images/halt.elf', 'guests/images/hello.elf'];
  }

  seconds(): number {
    this.now += 0.125;
    return this.now;
  }

  async pause(): Promise<void> {
    this.onPause(this);
  }

  onInterrupt(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  interrupt(): void {
    for (const listener of this.listeners) listener();
  }

  text(path: string): string {
    return new TextDecoder().decode(this.files.get(path));
  }

  /** Runs a command line given as words. */
  command(...argv: readonly string[]): Promise<number> {
    return main(argv, this);
  }
}
