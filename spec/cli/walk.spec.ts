import { describe, expect, it } from 'vitest';
import { MemoryIo } from './memory-io';

/** What a command prints; it must succeed. */
const printed = async (...argv: readonly string[]): Promise<string> => {
  const io = new MemoryIo();
  expect([await io.command('walk', ...argv), io.err]).toEqual([0, '']);
  return io.out;
};

describe('vtmodel walk --lesson', () => {
  it('list names every lesson, and each can be shown', async () => {
    const names = (await printed('--lesson', 'list')).split('\n').map((line) => line.split(' ')[0]);
    expect(names.filter((name) => name !== '')).toEqual([
      ...['tiny', '4x4', '5x5', 'large-pages'],
      ...['frame-number', 'split-page', 'write-only', 'reserved-bit', 'missing-execute', 'stale-entry'],
    ]);
    for (const name of names.slice(0, -1))
      expect(await printed('--lesson', name)).toMatch(new RegExp(`^Lesson ${name}, seed 1: `));
  });

  it.each([
    ['tiny', 8],
    ['4x4', 24],
    ['5x5', 35],
    ['large-pages', 15],
  ])('%s makes %i references', async (name, count) => {
    expect(await printed('--lesson', name)).toContain(`after ${count} references.`);
  });

  it('the same seed gives the same walk, another seed another', async () => {
    expect(await printed('--lesson', '4x4', '--seed', '7')).toBe(
      await printed('--lesson', '4x4', '--seed', '7'),
    );
    expect(await printed('--lesson', '4x4', '--seed', '7')).not.toContain(
      (await printed('--lesson', '4x4', '--seed', '8')).split('\n')[1],
    );
  });

  it('tiny, line by line', async () => {
    expect(await printed('--lesson', 'tiny')).toMatchInlineSnapshot();
  });
});

describe('vtmodel walk --set', () => {
  it('marks what changed, and where it fails', async () => {
    const out = await printed(
      '--lesson',
      'tiny',
      '--set',
      'ept.l2@guest.l1=-write,-execute',
      '--set',
      'guest.l2=+bit3',
    );
    expect(out).toContain('! 3  guest PDE');
    expect(out).toContain('This would mend it: --set guest.l2=-bit3');
    expect(out).toMatch(/Set ept\.l2@guest\.l1 at 0x\w+: 0x\w{3}7 is 0x\w{3}1 now\.\n/);
    expect(out).toMatch(/Before: host-physical 0x\w+\. Now: page fault, error code 0x9\.\n/);
    expect(out).toContain('8 references before, 3 now; 1 of them differ (*).');
  });

  it('what mends a walk is what --set takes', async () => {
    for (const lesson of ['write-only', 'reserved-bit', 'missing-execute'])
      for (const seed of ['1', '2', '3', '4']) {
        const out = await printed('--lesson', lesson, '--seed', seed);
        const mend = /This would mend it: --set (\S+)\n/.exec(out);
        expect(mend).not.toBeNull();
        expect(await printed('--lesson', lesson, '--seed', seed, '--set', mend![1])).toMatch(
          /Now: host-physical 0x/,
        );
      }
  });
});
