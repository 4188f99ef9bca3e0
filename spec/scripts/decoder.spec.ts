// The command that compares the decoders: what it prints and how it ends. What it compares: spec/cpu/decode/comparison.spec.ts
import { describe, expect, it } from 'vitest';
import { compareDecoders } from '../../scripts/decoder/command';
import { EXPLAINED } from '../../scripts/decoder/explained';

const run = (...argv: string[]) => {
  let out = '';
  let error = '';
  const status = compareDecoders(argv, {
    out: (text) => {
      out += text;
    },
    error: (text) => {
      error += text;
    },
  });
  return { status, out, error };
};

describe('npm run decoder', () => {
  it('counts what it compared, and what differs with its reason', () => {
    const { status, out } = run('--no-maps', '--cases', '6000', '--size', '32', '--seed', '9');
    expect(status).toBe(0);
    expect(out).toMatch(/^32-bit code\n +1,000 random: uniform, \d+ instructions in both\n/);
    expect(out).toMatch(/explained: \d+ xop, \d+ forms: AMD alone/);
    expect(out).toMatch(/seed 9: 6,000 cases, 0 kinds of unexplained difference, \d+ s\n$/);
  });

  it('a seed gives the same cases again', () => {
    const counts = (seed: string) =>
      run('--no-maps', '--cases', '3000', '--size', '64', '--seed', seed).out.split('seed ')[0];
    expect(counts('5')).toBe(counts('5'));
    expect(counts('5')).not.toBe(counts('6'));
  });

  it('shows one instruction by both decoders', () => {
    const { status, out } = run('--bytes', 'f348 0faee9', '--size', '64');
    expect(status).toBe(0);
    expect(out).toBe(
      '64-bit f3 48 0f ae e9\n  ours      incssp rcx, 5 bytes\n  iced-x86  incsspq rcx, 5 bytes, Incsspq_r64\n',
    );
    expect(run('--bytes', '660f0d00', '--size', '16').out).toMatch(
      /mnemonic: ours nop, iced-x86 prefetch: hint-names\n/,
    );
  });

  it('lists every difference that stands', () => {
    const { status, out } = run('--list');
    expect(status).toBe(0);
    for (const { id, because } of EXPLAINED) expect(out).toContain(`  ${id}: `.concat(because).split(':')[0]);
    expect(out).toMatch(/ {2}KNC: \d+ forms\n/);
  });

  it.each([
    [['--seed=-1'], '--seed -1: give an integer from 0 to 4,294,967,295'],
    [['--cases', 'ten'], '--cases ten: give an integer from 0 to 1,000,000,000'],
    [['--size', '8'], '--size 8: give 16, 32 or 64'],
    [['--bytes', '0f0'], '--bytes 0f0: give 1 to 16 bytes in hexadecimal'],
    [['--sed', '1'], "Unknown option '--sed'"],
  ])('refuses %j', (argv, says) => {
    const { status, error } = run(...argv);
    expect([status, error]).toEqual([2, `decoder: ${says}\n`]);
  });

  it('--help says what it does', () => {
    const { status, out } = run('--help');
    expect(status).toBe(0);
    expect(out).toMatch(/random byte strings in each size \(default 10,000,000\)/);
  });
});
