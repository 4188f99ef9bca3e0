import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { conformance, folderHash } from '../../scripts/conformance/command';
import { differences, tally } from '../../scripts/conformance/outcome';
import { markdown } from '../../scripts/conformance/report';
import { tierTable } from '../../scripts/conformance/tiers';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vtmodel-conformance-'));
  copyFileSync('guests/images/hello.elf', join(folder, 'hello.elf'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const HELLO = {
  image: 'hello.elf',
  command: 'run',
  append: '',
  memoryMib: 16,
  maxInstructions: 100_000,
  passed: 0,
  status: 1,
};
const WHOLE = {
  ...HELLO,
  processor: 'skylake',
  cpus: 1,
  environment: '',
  silent: 0,
  failed: [],
  skipped: [],
  stale: [],
} as const;

/** The command on the folder, with expectations written into it. */
const command = async (expectations: unknown, ...argv: readonly string[]) => {
  const file = join(folder, 'expectations.json');
  writeFileSync(file, typeof expectations === 'string' ? expectations : JSON.stringify(expectations));
  const document = join(folder, 'conformance.md');
  rmSync(document, { force: true });
  let out = '';
  let error = '';
  const status = await conformance(
    [...(argv.length > 0 ? argv : ['.']), '--expectations', file, '--document', document],
    folder,
    {
      out: (text) => {
        out += text;
      },
      error: (text) => {
        error += text;
      },
    },
  );
  return { status, out, error, document: existsSync(document) ? readFileSync(document, 'utf8') : undefined };
};

const suite = (...images: readonly object[]) => ({ suite: 'images of a test', images });

describe('the tiers against each other', () => {
  test('run the images of the bare machine that are short enough', async () => {
    const long = { ...HELLO, append: 'long', maxInstructions: 40_000_000 };
    const images = suite(HELLO, long, { ...HELLO, append: 'checked', command: 'check' });
    const { status, out, document } = await command(images, '.', '--tiers', '--oracle', '50');
    const [header, line, ...rest] = out.trimEnd().split('\n');
    expect(header.trim().split(/ {2,}/)).toEqual([
      ...['image', 'processor', 'seconds', 'instructions', 'generated', 'instructions', 'oracle'],
    ]);
    expect(line).toMatch(/^hello.elf +skylake +[\d.]+ +[\d,]+ +equal +50 +equal$/);
    expect([status, rest, document]).toEqual([0, [], undefined]);
  });

  test('what differs is named', () => {
    const comparison = {
      tiers: ['oracle', 'closures'],
      retired: 7,
      differences: ['output', 'hash'],
    } as const;
    const text = tierTable([
      { expectation: { ...WHOLE, command: 'run' }, comparisons: [comparison, comparison], seconds: 1 },
    ]);
    expect(text.endsWith('7  DIFFERS: output, hash')).toBe(true);
  });

  test('a number of instructions must be one', async () => {
    const { status, error } = await command(suite(HELLO), '.', '--tiers', '--most', 'many');
    expect([status, error]).toEqual([2, 'conformance: --most many: not a number of instructions\n']);
  });
});

describe('the reports of a guest', () => {
  test('are counted by their first word', () => {
    const output =
      'PASS: a\nFAIL: b\r\nSKIP: c\n PASS: not at the start\nXFAIL: d\nXPASS: e\nKFAIL: f\nSUMMARY: 6 tests\n';
    expect(tally(output)).toEqual({
      passed: 3,
      failed: ['b', 'e'],
      skipped: ['c'],
      silent: 0,
    });
  });

  test('may be counted by the summary alone', () => {
    expect(tally('PASS: a\nSUMMARY: 2 tests, 1 skipped\n').silent).toBe(1);
    expect(tally('no reports at all')).toEqual({
      passed: 0,
      failed: [],
      skipped: [],
      silent: 0,
    });
  });

  test('every difference from what was expected is said', () => {
    const result = {
      ...tally('FAIL: a\nSUMMARY: 3 tests\n'),
      ended: 'triple-fault',
      instructions: 5,
      seconds: 0,
      broken: ['equivalence fails'],
    };
    const skipped = [{ says: 'b', why: 'needs another processor' }];
    expect(differences({ ...WHOLE, command: 'check', passed: 1, skipped }, result)).toEqual([
      'failed unexpectedly: a',
      'not skipped: b',
      'passed 0 instead of 1',
      'ended with triple-fault instead of 1',
      'the summary counts 2 tests that no line reports, not 0',
      'equivalence fails',
    ]);
  });
});

test('a failure with its reason is no difference, and the reason is told', () => {
  const result = {
    ...tally('FAIL: a (twice)\nFAIL: a\n'),
    ended: 1,
    instructions: 5,
    seconds: 0,
    broken: [],
  };
  const failed = [{ says: 'a', why: 'the manual leaves it open' }];
  const expectation = { ...WHOLE, command: 'run', failed } as const;
  expect(differences(expectation, result)).toEqual([]);
  expect(markdown('a suite', '', [{ expectation, result, differences: [] }])).toContain(
    '- hello.elf (run), `a`: the manual leaves it open',
  );
});

describe('stale translations', () => {
  const stale = ['read of 0x1000 used one page, written by the instruction at 0x2000', 'write of 0x3000'];
  const result = { ...tally(''), ended: 1, instructions: 5, seconds: 0, broken: [], stale };

  test('are differences unless they are explained', () => {
    const explained = [
      { says: 'instruction at 0x2000', why: 'it forgets INVLPG' },
      { says: 'instruction at 0x4000', why: 'it forgets INVEPT' },
    ];
    expect(differences({ ...WHOLE, command: 'run', stale: explained }, result)).toEqual([
      'stale unexpectedly: write of 0x3000',
      'not stale: instruction at 0x4000',
    ]);
  });

  test('are counted in the table of a run with --caches', async () => {
    const images = suite(HELLO, { ...HELLO, command: 'check' });
    const { status, out, document } = await command(images, '.', '--caches', 'adversarial:3');
    expect(out.split('\n').map((line) => line.split(/ +/).slice(0, 8).join(' '))).toEqual([
      'image mode processor passed failed skipped stale status',
      'hello.elf run skylake 0 0 0 0 1',
      'hello.elf check skylake 0 0 0 0 1',
      '',
    ]);
    expect([status, document]).toEqual([0, undefined]);
  });

  test('that are explained but do not come are a difference, but where nothing is remembered', async () => {
    const images = suite({ ...HELLO, stale: [{ says: 'the instruction at 0x7c00', why: 'it forgets' }] });
    expect((await command(images, '.', '--caches', 'keep-all')).out).toContain(
      'NO: not stale: the instruction',
    );
    expect((await command(images, '.', '--caches', 'none')).status).toBe(0);
  });
});

describe('a folder of images', () => {
  test('as expected: a table, the document, status 0', async () => {
    const { status, out, document } = await command(suite(HELLO, { ...HELLO, command: 'check' }));
    expect(out.split('\n').map((line) => line.split(/ +/).slice(0, 7).join(' '))).toEqual([
      'image mode processor passed failed skipped status',
      'hello.elf run skylake 0 0 0 1',
      'hello.elf check skylake 0 0 0 1',
      '',
    ]);
    expect(status).toBe(0);
    expect(document).toContain('| hello.elf | check | skylake | 0 | 0 | 0 | 1 |');
    expect(document).toContain(folderHash('src'));
  });

  test('otherwise than expected: the difference, status 1', async () => {
    const { status, out } = await command(suite({ ...HELLO, passed: 2 }));
    expect(out).toContain('NO: passed 0 instead of 2');
    expect(status).toBe(1);
  });

  test('an image that does not end in time is a difference', async () => {
    const { status, out } = await command(suite({ ...HELLO, maxInstructions: 10 }));
    expect(out).toContain('ended with limit instead of 1');
    expect(status).toBe(1);
  });

  test('sources that change during the run leave no document', async () => {
    const sources = mkdtempSync(join(tmpdir(), 'vtmodel-sources-'));
    const file = join(folder, 'changing.json');
    writeFileSync(file, JSON.stringify(suite(HELLO)));
    const document = join(folder, 'changing.md');
    let said = '';
    const output = {
      out: () => {},
      error: (text: string) => {
        said += text;
        writeFileSync(join(sources, 'changed.ts'), '');
      },
    };
    const argv = ['.', '--expectations', file, '--document', document];
    const status = await conformance(argv, folder, output, sources);
    rmSync(sources, { recursive: true });
    expect(said).toContain('changed during the run');
    expect(existsSync(document)).toBe(false);
    expect(status).toBe(0);
  });

  test('a part of it leaves no document', async () => {
    const { status, document } = await command(suite(HELLO), '.', '--only', 'hello.elf');
    expect(status).toBe(0);
    expect(document).toBeUndefined();
  });
});

describe('bad input is one line and status 2', () => {
  const cases: readonly (readonly [string, unknown, readonly string[], RegExp])[] = [
    ['no folder given', suite(HELLO), ['--only', 'hello.elf'], /give one folder/],
    ['a folder that is not there', suite(HELLO), ['nowhere'], /nowhere: no such folder/],
    ['a file for a folder', suite(HELLO), ['hello.elf'], /hello\.elf: not a folder/],
    ['an image that is not there', suite({ ...HELLO, image: 'other.flat' }), ['.'], /without other\.flat/],
    ['an unknown option', suite(HELLO), ['.', '--fast'], /Unknown option '--fast'/],
    ['an unknown image', suite(HELLO), ['.', '--only', 'x'], /--only x/],
    ['an unknown image to leave out', suite(HELLO), ['.', '--without', 'x'], /--without x/],
    ['an unknown policy', suite(HELLO), ['.', '--caches', 'most'], /--caches.*most/],
    ['expectations that are not JSON', '{', ['.'], /expectations\.json: not JSON/],
    [
      'a field of the wrong kind',
      suite({ ...HELLO, passed: 'ten' }),
      ['.'],
      /images 0: passed must be an integer/,
    ],
    [
      'a failure without its reason',
      suite({ ...HELLO, failed: [{ says: 'a' }] }),
      ['.'],
      /images 0: failed 0: why is missing/,
    ],
    [
      'a path instead of a name',
      suite({ ...HELLO, image: '../hello.elf' }),
      ['.'],
      /images 0: image must be the name of a file/,
    ],
    ['too little memory', suite({ ...HELLO, memoryMib: 1 }), ['.'], /hello\.elf/],
  ];
  test.each(cases)('%s', async (_, expectations, argv, says) => {
    const { status, out, error } = await command(expectations, ...argv);
    expect(error).toMatch(says);
    expect(error.trimEnd().split('\n')).toHaveLength(1);
    expect(out).toBe('');
    expect(status).toBe(2);
  });
});
