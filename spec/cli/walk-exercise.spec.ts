import { describe, expect, it } from 'vitest';
import { hex } from '../../src/core';
import { MemoryIo } from './memory-io';

const LESSONS = [
  ...['tiny', '4x4', '5x5', 'large-pages'],
  ...['frame-number', 'split-page', 'write-only', 'reserved-bit', 'missing-execute', 'stale-entry'],
] as const;

/** What `vtmodel walk` does with these words and, as the file `sheet`, a text. */
const walk = async (argv: readonly string[], sheet = '') => {
  const io = new MemoryIo();
  io.files.set('sheet', new TextEncoder().encode(sheet));
  const status = await io.command('walk', ...argv);
  return { status, out: io.out, err: io.err };
};
const lesson = (name: string, seed: number): readonly string[] => ['--lesson', name, '--seed', `${seed}`];
const revealed = async (name: string, seed: number): Promise<string> =>
  (await walk([...lesson(name, seed), '--reveal'])).out;
const graded = (sheet: string) => walk(['--answer', 'sheet'], sheet);

describe('vtmodel walk --reveal', () => {
  it.each(LESSONS)('%s: what it prints is an answer that is all right', async (name) => {
    for (const seed of [0, 1, 2, 3, 4_294_967_295]) {
      const { status, out, err } = await graded(await revealed(name, seed));
      expect([status, err]).toEqual([0, '']);
      expect(out).toMatch(new RegExp(`^(\\d+) of \\1 right: lesson ${name}, seed ${seed}\n$`));
    }
  });
});

describe('vtmodel walk --hide', () => {
  it.each(LESSONS)('%s: gives memory and registers, and none of the answers', async (name) => {
    const { status, out } = await walk([...lesson(name, 3), '--hide']);
    expect(status).toBe(0);
    expect(out).toContain('# Memory, by host-physical address');
    const answers = out.split('\n').filter((line) => !line.startsWith('#'));
    expect(answers.join('\n')).not.toContain('0x');
    expect(answers).toContain(`lesson ${name}`);
  });

  it('of a stale entry tells neither whose entry was changed nor what would have been enough', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const { out } = await walk([...lesson('stale-entry', seed), '--hide']);
      expect(out).toMatch(/Then the entry at host-physical 0x[0-9a-f]+ was changed from/);
      const told = out.slice(0, out.indexOf('# Memory')).toLowerCase();
      expect(told).not.toMatch(/invept|invlpg|invvpid|ept\.l|guest\.l/);
    }
  });

  it('a sheet with nothing in it is no answer', async () => {
    const { out } = await walk([...lesson('tiny', 3), '--hide']);
    const { status, err } = await graded(out);
    expect(status).toBe(2);
    expect(err).toMatch(
      /^vtmodel: sheet: line \d+: reference 1 has no answer; write number, address and entry/,
    );
  });

  it('does not tell where a broken walk ends', async () => {
    const counts = [1, 2, 3, 4, 5].map(async (seed) => {
      const { out } = await walk([...lesson('write-only', seed), '--hide']);
      return out.split('\n').filter((line) => /^ ?\d+ /.test(line)).length;
    });
    expect(await Promise.all(counts)).toEqual([24, 24, 24, 24, 24]);
  });

  it('the memory of the sheet is enough to solve it', async () => {
    const { out } = await walk([...lesson('tiny', 5), '--hide']);
    const rows = [...out.matchAll(/^# {3}0x(\w{3})_ {3}(.*)$/gm)];
    const memory = new Map(
      rows.flatMap(([, base, cells]) =>
        cells
          .split(' ')
          .map((cell, index) => [Number.parseInt(base, 16) * 16 + index, Number.parseInt(cell, 16)]),
      ),
    );
    const [linear, cr3, eptp] = [/address (0x\w+)/, /CR3 (0x\w+)/, /EPTP (0x\w+)/].map((one) =>
      Number(one.exec(out)![1]),
    );
    const lines: string[] = [];
    const look = (at: number): number => {
      lines.push(`${lines.length + 1} ${hex(at)} ${hex(memory.get(at)!)}`);
      return memory.get(at)!;
    };
    const digit = (address: number, position: number): number => (address >> (4 * position)) & 15;
    const host = (address: number): number => {
      const table = look((eptp & 0xfff0) + digit(address, 2)) & 0xfff0;
      return (look(table + digit(address, 1)) & 0xfff0) + digit(address, 0);
    };
    const table = look(host((cr3 & 0xff0) + digit(linear, 2))) & 0xff0;
    const page = look(host(table + digit(linear, 1))) & 0xff0;
    const end = host(page + digit(linear, 0));
    const { status } = await graded(
      ['lesson tiny', 'seed 5', ...lines, `outcome address ${hex(end)}`].join('\n'),
    );
    expect(status).toBe(0);
  });

  it('as a picture, without any number of the solution', async () => {
    const { out } = await walk([...lesson('4x4', 1), '--hide', '--format', 'svg']);
    const shown = [...out.matchAll(/class="(?:code|value|result)"[^>]*>([^<]*)</g)].map(([, text]) => text);
    expect(shown).toHaveLength(24 * 2 + 5 + 1);
    expect(shown.join()).not.toContain('0x');
  });
});

describe('vtmodel walk --answer', () => {
  /** The sheet of `tiny` with one line replaced. */
  const spoiled = async (line: RegExp, text: string, name = 'tiny'): Promise<string> => {
    const sheet = await revealed(name, 1);
    expect(sheet).toMatch(line);
    return sheet.replace(line, text);
  };

  it.each([
    [
      'the guest-physical address',
      /^3 \S+/m,
      /reference 3, its address: this is the guest-physical address; EPT says/,
    ],
    [
      'the beginning of the table',
      /^2 (0x\w{3})\w/m,
      /reference 2, its address: this is the beginning of the table; add/,
    ],
    [
      'what the entry before holds',
      /^2 \S+/m,
      /reference 2, its address: this is what the entry before holds/,
    ],
  ])('%s instead of the address', async (_, line, hint) => {
    const sheet = await revealed('tiny', 1);
    const gpa = /at guest-physical (0x\w+)/.exec(sheet)![1];
    const before = /^1 \S+ (\S+)/m.exec(sheet)![1];
    const text = hint.source.includes('guest-physical')
      ? `3 ${gpa}`
      : hint.source.includes('beginning')
        ? '2 $10'
        : `2 ${before}`;
    const { status, out } = await graded(sheet.replace(line, text));
    expect(status).toBe(1);
    expect(out).toMatch(hint);
    expect(out).toMatch(/^8 of 9 right/m);
  });

  it('numbers are hexadecimal, also without 0x', async () => {
    const sheet = await revealed('tiny', 1);
    const { status, out } = await graded(
      sheet.replace(/^(\d .*|outcome .*)$/gm, (line) => line.replaceAll('0x', '')),
    );
    expect([status, out]).toEqual([0, '9 of 9 right: lesson tiny, seed 1\n']);
  });

  it('a wrong entry, a wrong outcome, one that is missing, and one too many', async () => {
    const sheet = await spoiled(/^4 .*\n/m, '');
    const { status, out } = await graded(
      `${sheet.replace(/^(5 \S+) \S+/m, '$1 0x1').replace(/outcome .*/, 'outcome page-fault 0x9')}9 0x1 0x2\n`,
    );
    expect(status).toBe(1);
    expect(out.split('\n').slice(0, -1)).toEqual([
      'wrong: reference 4: it is not answered',
      expect.stringMatching(/^wrong: line \d+, reference 5, what it holds: look up what memory holds/),
      expect.stringMatching(/^wrong: line \d+, reference 9: the walk does not come here/),
      expect.stringMatching(/^wrong: line \d+, the outcome: the walk comes to an end/),
      '5 of 9 right: lesson tiny, seed 1',
    ]);
  });

  /** The first seed whose walk is broken at an entry. */
  const seedFor = async (name: string, entry: string): Promise<number> => {
    for (let seed = 0; ; seed++) if ((await revealed(name, seed)).includes(`\nmend ${entry}=`)) return seed;
  };

  it('any edit that mends the walk is right; one that does not, or that leads elsewhere, is told', async () => {
    const sheet = await revealed('write-only', await seedFor('write-only', 'ept.l1@final'));
    const mended = (edit: string) => graded(sheet.replace(/^mend .*/m, `mend ${edit}`));
    expect((await mended('ept.l1@final=+read')).status).toBe(0);
    expect((await mended('step24=+bit0')).status).toBe(0);
    expect((await mended('ept.l1@final=+execute')).out).toContain(
      'the mending: the walk still fails with it',
    );
    expect((await mended('ept.l1@final=0x1037')).out).toContain(
      'comes to another page than the one that was meant',
    );
    expect((await mended('guest.l7=+read')).out).toMatch(/the mending: guest\.l7: no entry has that name/);
  });

  it('an invalidation that drops more than it must is told apart from one that does not do', async () => {
    const seeds = { invlpg: 0, invept: 0 };
    for (const name of ['invlpg', 'invept'] as const)
      while (!(await revealed('stale-entry', seeds[name])).endsWith(`invalidate ${name}\n`)) seeds[name]++;
    const said = async (seed: number, name: string) =>
      (await graded((await revealed('stale-entry', seed)).replace(/^invalidate .*/m, `invalidate ${name}`)))
        .out;
    expect(await said(seeds.invlpg, 'mov-cr3')).toContain(
      'it would be enough, but it drops more than it has to',
    );
    expect(await said(seeds.invept, 'invlpg')).toContain('it does not drop what was cached');
  });

  it.each([
    ['no lesson', /^lesson .*\n/m, '', /no line begins with "lesson"/],
    ['an unknown word', /^outcome .*/m, 'result 5', /"result" begins no line of an answer/],
    ['no number', /^2 .*/m, '2 xyz def', /"xyz" is no number/],
    ['a number that is too large', /^2 .*/m, `2 0x${'f'.repeat(17)} 1`, /"0xf+" is no number/],
    ['twice the same', /^2 .*/m, '1 1 1', /reference 1 is answered twice/],
    ['too much', /^2 .*/m, '2 1 1 1', /"1" is too much/],
    ['no outcome', /^outcome .*/m, 'outcome address', /"address" is no outcome/],
    ['another outcome', /^outcome .*/m, 'outcome boom 1', /"boom 1" is no outcome/],
    ['no seed', /^seed .*/m, 'seed one', /no seed; write it as in "seed 1"/],
    ['an unknown lesson', /^lesson .*/m, 'lesson huge', /--lesson huge: unknown; choose tiny, 4x4/],
    ['a seed that is too large', /^seed .*/m, 'seed 9999999999', /--seed 9999999999: not a number from 0/],
  ])('%s: one line, status 2', async (_, line, text, says) => {
    const { status, out, err } = await graded(await spoiled(line, text));
    expect([status, out]).toEqual([2, '']);
    expect(err).toMatch(/^vtmodel: [^\n]+\n$/);
    expect(err).toMatch(says);
  });

  it('a sheet for another lesson than the one that is asked for', async () => {
    const { status, err } = await walk(['--answer', 'sheet', '--lesson', '4x4'], await revealed('tiny', 1));
    expect(status).toBe(2);
    expect(err).toMatch(/sheet: it answers lesson tiny, seed 1; leave out --lesson and --seed/);
  });
});
