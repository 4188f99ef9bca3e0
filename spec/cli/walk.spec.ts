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
    expect(await printed('--lesson', 'tiny')).toMatchInlineSnapshot(`
      "Lesson tiny, seed 1: 2 by 2 levels, 8 references, solvable by hand
      A read of linear address 0x5c7 in supervisor mode.
      CR3 0x790 (guest-physical), EPTP 0x4b30 (host-physical), cells of 16 bits.

        #  entry      index  at host-physical  holds   which names   and allows          rights so far
      The guest’s entry of level 2 (page directory), at guest-physical 0x795
        1  EPT PDE        7  0x4b37            0xbe07  table 0xbe00  read write execute  rwx
        2  EPT PTE        9  0xbe09            0xc277  page  0xc270  read write execute  rwx
        3  guest PDE      5  0xc275            0x0d77  table 0xd70   write user          wux
      The guest’s entry of level 1 (page table), at guest-physical 0xd7c
        4  EPT PDE       13  0x4b3d            0x4ca7  table 0x4ca0  read write execute  rwx
        5  EPT PTE        7  0x4ca7            0x4597  page  0x4590  read write execute  rwx
        6  guest PTE     12  0x459c            0x0ee7  page  0xee0   write user          wux
      The guest-physical address that the guest’s tables gave: 0xee7
        7  EPT PDE       14  0x4b3e            0x9a07  table 0x9a00  read write execute  rwx
        8  EPT PTE       14  0x9a0e            0x8057  page  0x8050  read write execute  rwx

      Linear 0x5c7 is host-physical 0x8057, after 8 references.
      "
    `);
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
