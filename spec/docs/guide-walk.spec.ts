import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drawWalk, LESSONS, viewOf } from '../../src/walk';
import { MemoryIo } from '../cli/memory-io';

const GUIDE = readFileSync('docs/guide-walk.md', 'utf8');
const SHOWN = [...GUIDE.matchAll(/^```\n\$ vtmodel (.+)\n([^`]*)^```/gm)].map(
  ([, command, output]) => [command, output] as const,
);

describe('docs/guide-walk.md', () => {
  it('shows commands', () => {
    expect(SHOWN.length).toBeGreaterThan(4);
  });

  it.each(SHOWN)('vtmodel %s prints what stands below it', async (command, output) => {
    const io = new MemoryIo();
    expect(await io.command(...command.split(' '))).toBe(0);
    expect(io.out.trimEnd()).toBe(output.trimEnd());
  });

  it('the file that it shows is a walk', async () => {
    const io = new MemoryIo();
    const [, file] = /^```json\n(.*?)^```/ms.exec(GUIDE)!;
    io.files.set('walk.json', new TextEncoder().encode(file));
    expect(await io.command('walk', 'walk.json')).toBe(0);
    expect(io.out).toContain('--set guest.l1=+write');
  });

  it('the grading that it shows is what a sheet with that mistake gets', async () => {
    const io = new MemoryIo();
    await io.command('walk', '--lesson', 'tiny', '--seed', '4711', '--reveal');
    const gpa = /at guest-physical (0x\w+)/.exec(io.out)![1];
    const sheet = io.out.replace(/^3 \S+/m, `3 ${gpa}`);
    const grading = new MemoryIo();
    grading.files.set('sheet', new TextEncoder().encode(sheet));
    expect(await grading.command('walk', '--answer', 'sheet')).toBe(1);
    const withoutLine = (text: string): string => text.replace(/line \d+/g, 'line N');
    expect(withoutLine(GUIDE)).toContain(withoutLine(grading.out));
  });

  const pictures = readdirSync('docs').filter((name) => /^walk-.*\.svg$/.test(name));

  it('links every picture, and only those that are there', () => {
    const linked = [...GUIDE.matchAll(/\]\((walk-[^)]*\.svg)\)/g)].map(([, name]) => name);
    expect(linked.sort()).toEqual([...pictures].sort());
  });

  it.each(pictures)('%s is what npm run picture draws', (name) => {
    const lesson = LESSONS.find((one) => `walk-${one.name}.svg` === name)!;
    expect(readFileSync(`docs/${name}`, 'utf8')).toBe(drawWalk(viewOf(lesson.make(1).walkCase)));
  });
});
