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

  it('stale-entry tells both answers, and what leaves the fresh one alone', async () => {
    const out = await printed('--lesson', 'stale-entry');
    const [, cached, fresh] = /may answer (0x\w+) or (0x\w+); only \2 after /.exec(out)!;
    expect(out).toContain(`is host-physical ${fresh}, after 24 references.`);
    expect(out).toMatch(new RegExp(`Cached: linear 0x\\w+ is host-physical ${cached}\\.`));
    expect(cached).not.toBe(fresh);
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
      Its indexes, from level 2 down: 5, 12; offset 0x7.

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
    expect(out).toContain('8 references before, 3 now; 1 of them differs (*).');
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

describe('vtmodel walk --compare', () => {
  it('as a picture: a head, a count, numbered references and an outcome for each', async () => {
    const shown = async (lesson: string) => {
      const svg = await printed('--lesson', lesson, '--compare', 'native,shadow,ept', '--format', 'svg');
      const texts = (style: string): readonly string[] =>
        [...svg.matchAll(new RegExp(`<text class="${style}"[^>]*>([^<]*)<`, 'g'))].map(([, one]) => one);
      const widest = Math.max(
        ...[...svg.matchAll(/<rect class="\w+" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)].map(
          ([, x, width]) => Number(x) + Number(width),
        ),
      );
      return {
        heads: texts('title').slice(1),
        counts: texts('label').filter((one) => one.includes('ref')),
        numbers: texts('number').length,
        failing: svg.split('class="disc bad"').length - 1,
        widest,
      };
    };
    const { widest, ...drawn } = await shown('4x4');
    expect(drawn).toEqual({
      heads: ['native', 'shadow', 'ept'],
      counts: ['4 references', '4 references', '24 references'],
      numbers: 32,
      failing: 0,
    });
    expect(widest).toBeLessThanOrEqual(1176);
    // Shadow: its entry and the outcome; EPT likewise. What the bare machine would do is not known.
    expect(await shown('write-only')).toMatchObject({
      counts: ['1 reference', '4 references', '2 references'],
      failing: 5,
    });
  });

  it.each([
    ['4x4', [4, 4, 24]],
    ['5x5', [5, 5, 35]],
    ['large-pages', [3, 3, 15]],
    ['tiny', [2, 2, 8]],
  ])('%s: native, shadow and EPT make %j references and come to the same page', async (lesson, counts) => {
    const out = await printed('--lesson', lesson, '--compare', 'native,shadow,ept');
    expect(/^references +(\d+) +(\d+) +(\d+)$/m.exec(out)!.slice(1).map(Number)).toEqual(counts);
    expect(out).toMatch(/^outcome +physical 0x\w+ +host-physical (0x\w+) +host-physical \1$/m);
  });

  it('what EPT hides is unknown natively, and shadow tables hold nothing there', async () => {
    const out = await printed('--lesson', 'write-only', '--compare', 'native,shadow,ept');
    expect(out).toMatch(
      /^outcome +unknown: EPT hides an entry +fault to the monitor +EPT misconfiguration$/m,
    );
  });

  it('as JSON', async () => {
    const { native, ept } = JSON.parse(
      await printed('--lesson', '4x4', '--compare', 'native,ept', '--format', 'json'),
    );
    expect([native.count, ept.count]).toEqual([4, 24]);
  });
});

describe('vtmodel walk --format', () => {
  it('json has every reference and the outcome', async () => {
    const walk = JSON.parse(await printed('--lesson', 'missing-execute', '--seed', '4', '--format', 'json'));
    expect(walk.references).toHaveLength(walk.count);
    expect(walk.outcome).toMatchObject({ ok: false });
    expect(walk.references.filter((one: { failed: boolean }) => one.failed)).toHaveLength(1);
    expect(walk.references[0]).toMatchObject({
      number: 1,
      table: 'ept',
      level: 4,
      id: 'ept.l4@guest.l4',
      kind: 'table',
    });
  });

  it.each(['tiny', '4x4', '5x5', 'large-pages', 'reserved-bit'])(
    'svg of %s numbers each reference',
    async (lesson) => {
      const svg = await printed('--lesson', lesson, '--format', 'svg');
      const { count } = JSON.parse(await printed('--lesson', lesson, '--format', 'json'));
      const numbers = [...svg.matchAll(/class="number"[^>]*>(\d+)</g)].map(([, number]) => Number(number));
      expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index + 1));
      expect(svg).toMatch(/^<svg [^>]*width="1200"/);
      // Well-formed: every element is closed, and no letter of markup is left in a text.
      expect(svg.replace(/<\w+( [\w:-]+="[^"<]*")*\/>/g, '').match(/<\w/g)!.length).toBe(
        svg.match(/<\//g)!.length,
      );
    },
  );

  it('svg marks the step that fails with colour and with a sign', async () => {
    const svg = await printed('--lesson', 'write-only', '--format', 'svg');
    expect(svg.match(/class="failed"/g)).toHaveLength(2);
    expect(svg.match(/class="disc bad"/g)).toHaveLength(2);
    expect(await printed('--lesson', '4x4', '--format', 'svg')).not.toMatch(
      /class="failed"|class="disc bad"/,
    );
  });

  it('svg of stale-entry says what was cached, and as an exercise not what is enough', async () => {
    const svg = await printed('--lesson', 'stale-entry', '--format', 'svg');
    expect(svg).toMatch(
      /Cached: linear 0x\w+ is host-physical 0x\w+\..*The processor may answer .* after inv/s,
    );
    const exercise = await printed('--lesson', 'stale-entry', '--hide', '--format', 'svg');
    expect(exercise).toMatch(/Cached: linear 0x\w+ is host-physical/);
    expect(exercise).not.toMatch(/inv(lpg|ept|vpid|pcid)|\(ept\.|\(guest\./i);
  });
});
