import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UNBUILT_MODES, UNBUILT_VMX } from '../../src/cli';
import { MemoryIo } from './memory-io';

/** Lines of docs/unbuilt.txt; never more than before. */
const MOST = 997;

const listed = (text: string): readonly string[] => text.trimEnd().split('\n');

const sources = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });

/** The texts with which the sources of a folder raise `Unbuilt`. */
const raised = (folder: string): ReadonlySet<string> => {
  const texts = new Set<string>();
  for (const path of sources(folder))
    for (const [call] of readFileSync(path, 'utf8').matchAll(/\b(?:unbuilt|new Unbuilt)\([^;]*;/g))
      for (const [, text] of call.matchAll(/'([^']+)'/g)) texts.add(text);
  return texts;
};

describe('vtmodel unbuilt', () => {
  it('is as docs/unbuilt.txt says, which may only shrink: vtmodel unbuilt > docs/unbuilt.txt', async () => {
    const io = new MemoryIo();
    expect(await io.command('unbuilt')).toBe(0);
    const now = listed(io.out);
    const committed = listed(readFileSync('docs/unbuilt.txt', 'utf8'));
    expect(
      now.filter((one) => !committed.includes(one)),
      'no longer built',
    ).toEqual([]);
    expect(
      committed.filter((one) => !now.includes(one)),
      'built now: take it out',
    ).toEqual([]);
  });

  it('only shrinks: lower the number with the list', () => {
    expect(listed(readFileSync('docs/unbuilt.txt', 'utf8'))).toHaveLength(MOST);
  });

  it('knows every text with which the core and VMX say that something is not built', () => {
    const core = new Set([...raised('src/cpu'), ...raised('src/machine')]);
    expect([...core].sort()).toEqual([...UNBUILT_MODES].sort());
    expect([...raised('src/vmx')].sort()).toEqual([...UNBUILT_VMX].sort());
  });

  it('has no instruction that runs', async () => {
    const io = new MemoryIo();
    await io.command('unbuilt', '--json');
    const groups = JSON.parse(io.out) as Record<string, string[]>;
    const all = Object.values(groups).flat();
    expect(all).toContain('addps');
    for (const built of ['add', 'vmlaunch', 'movs', 'cpuid', 'vmx']) expect(all).not.toContain(built);
  });

  it('shows groups with counts on a terminal', async () => {
    const io = new MemoryIo();
    io.terminal = true;
    io.environment = { NO_COLOR: '1' };
    await io.command('unbuilt');
    expect(io.out).toMatch(/^modes and events \(\d+\)\n/);
    expect(io.out).toMatch(/\n\d+ parts in \d+ groups\n$/);
    expect(io.out).not.toContain('\u001b');
  });
});
