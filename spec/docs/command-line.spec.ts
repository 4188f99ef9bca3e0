import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemoryIo } from '../cli/memory-io';

const [, ...CHAPTERS] = readFileSync('docs/command-line.md', 'utf8').split(/^## (?=vtmodel )/m);

describe('docs/command-line.md', () => {
  it.each(CHAPTERS.map((chapter) => [/^vtmodel (\S+)/.exec(chapter)![1], chapter] as const))(
    'vtmodel %s: every option of its --help is in its chapter',
    async (command, chapter) => {
      const io = new MemoryIo();
      expect(await io.command(command, '--help')).toBe(0);
      const options = [...io.out.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, option]) => option);
      expect(options.filter((option) => !new RegExp(`${option}(?![a-z-])`).test(chapter))).toEqual([]);
    },
  );

  it('has a chapter for every command', async () => {
    const io = new MemoryIo();
    await io.command('--help');
    const commands = [...io.out.matchAll(/^ {2}([a-z-]+)(?: \[[^\]]*\])+/gm)].map(([, command]) => command);
    expect(commands.length).toBeGreaterThan(4);
    for (const command of commands.filter((one) => one !== 'help'))
      expect(CHAPTERS.some((chapter) => chapter.startsWith(`vtmodel ${command}`))).toBe(true);
  });
});
