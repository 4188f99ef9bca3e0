// The fuzz itself: its cases come from the seed alone, and what is wrong does not pass.
import { describe, expect, it } from 'vitest';
import { fuzz } from '../../scripts/fuzz/command';
import { pageTables } from '../../scripts/fuzz/page-tables';
import { attempted, Wrong } from '../../scripts/fuzz/part';
import { type Access, translate } from '../../scripts/fuzz/reference-walk';
import { streams } from '../../scripts/fuzz/streams';
import { isListed } from '../../scripts/fuzz/unbuilt';
import { vmcss } from '../../scripts/fuzz/vmcss';
import { ModelError, Unbuilt } from '../../src/api';

const run = async (...argv: string[]) => {
  let out = '';
  let error = '';
  const output = {
    out: (text: string) => {
      out += text;
    },
    error: (text: string) => {
      error += text;
    },
  };
  // A worker of vitest is none of the fuzz.
  const status = await fuzz(argv, new URL(import.meta.url), output, true);
  return { status, out, error };
};

describe('npm run fuzz', () => {
  it.each([streams, pageTables, vmcss])(
    '$name: a seed gives the same cases again, another one others',
    (part) => {
      const outcomes = (seed: number) => Array.from({ length: 30 }, (_, index) => part.attempt(seed, index));
      expect(outcomes(1)).toEqual(outcomes(1));
      expect(outcomes(1)).not.toEqual(outcomes(2));
    },
  );

  it('runs streams in every mode', () => {
    const outcomes = Array.from({ length: 60 }, (_, index) => streams.attempt(1, 997 * index)).flat();
    const modes = new Set(outcomes.map((one) => one.split(': ')[0]));
    for (const mode of ['kernel64', 'user64', 'protected32', 'protected16', 'real', 'virtual8086'])
      expect(modes).toContain(mode);
  });

  it('runs one case alone', async () => {
    const { status, out } = await run('--case', '1:7', '--seed', '3');
    expect(status).toBe(0);
    expect(out).toMatch(/^1 page-table sets\n/);
    expect(out).toMatch(/seed 3: 1 cases, 0 failed/);
  });

  it.each([
    [['--seed=-1'], '--seed -1: give an integer of at most 32 bits'],
    [['--scale', '0'], '--scale 0: give a number above 0, at most 1000'],
    [['--case', '9:1'], '--case 9:1: give PART:INDEX, such as 0:1234'],
    [['--sed', '1'], "Unknown option '--sed'"],
  ])('refuses %j', async (argv, says) => {
    const { status, error } = await run(...argv);
    expect([status, error]).toEqual([2, `fuzz: ${says}\n`]);
  });

  it('--help says what it does', async () => {
    const { status, out } = await run('--help');
    expect(status).toBe(0);
    expect(out).toMatch(/1,000,000 instruction streams, 100,000 page-table sets, 100,000 VMCSs/);
  });
});

describe('what the product throws', () => {
  const thrown = (error: Error) =>
    attempted(
      (): number => {
        throw error;
      },
      isListed,
      () => 'the case',
    );

  it('is counted when the list of what is not built has it', () => {
    expect(thrown(new Unbuilt('addps'))).toEqual({ unbuilt: 'not built: addps' });
    expect(isListed('getsec')).toBe(true);
    expect(isListed('the control "Activate tertiary controls"')).toBe(true);
  });

  it.each([new Unbuilt('no such thing'), new ModelError('a bug'), new TypeError('a crash')])(
    'fails: %s',
    (error) => {
      expect(() => thrown(error)).toThrow(Wrong);
    },
  );
});

describe('the walk from the manual', () => {
  const access: Access = {
    kind: 'read',
    user: false,
    cr0Wp: true,
    cr4Smep: true,
    cr4Smap: true,
    rflagsAc: false,
    eferNxe: true,
    mode: '4-level',
    cr4Pse: true,
    pkru: undefined,
    pkrs: undefined,
    physicalBits: 39,
    hasPat: true,
    hasPse36: true,
    hasGigabytePages: true,
  };
  const NO_EXECUTE = 1n << 63n;
  /** One table a level, at 0x1000 to 0x4000; only entry 0 of each. */
  const walked = (leaf: bigint, changes: Partial<Access> = {}) =>
    translate(
      (at) => ({ 4096: 0x2007n, 8192: 0x3007n, 12288: 0x4007n, 16384: leaf })[Number(at)] ?? 0n,
      { cr3: 0x1000n, pdptes: [] },
      0x123n,
      { ...access, ...changes },
    );

  it.each([
    ['a kernel page is read', 0x9003n, {}, undefined],
    ['SMAP', 0x9007n, {}, 1],
    ['SMAP, suspended by AC', 0x9007n, { rflagsAc: true }, undefined],
    ['SMEP', 0x9007n, { kind: 'fetch' }, 0x11],
    ['a user reads a kernel page', 0x9003n, { user: true }, 5],
    ['WP', 0x9001n, { kind: 'write' }, 3],
    ['without WP', 0x9001n, { kind: 'write', cr0Wp: false }, undefined],
    ['execute-disable', 0x9003n | NO_EXECUTE, { kind: 'fetch' }, 0x11],
    ['bit 63 without NXE', 0x9003n | NO_EXECUTE, { eferNxe: false }, 9],
    ['beyond MAXPHYADDR', 0x9003n | (1n << 39n), { kind: 'write' }, 0xb],
    ['a user key denies', 0x8800_0000_0000_9007n, { pkru: 4, rflagsAc: true, eferNxe: true }, 0x21],
    [
      'a user key does not govern a fetch',
      0x0800_0000_0000_9007n,
      { pkru: 4, kind: 'fetch', cr4Smep: false },
      undefined,
    ],
    ['a kernel key denies a write with WP', 0x0800_0000_0000_9003n, { pkrs: 8, kind: 'write' }, 0x23],
    ['not present', 0x9002n, { kind: 'write', user: true }, 6],
  ] as const)('%s', (_, leaf, changes, errorCode) => {
    expect(walked(leaf, changes).errorCode).toBe(errorCode);
  });

  it('gives the physical address and the entries', () => {
    expect(walked(0x9003n)).toEqual({
      errorCode: undefined,
      physical: 0x9123n,
      entries: [0x1000n, 0x2000n, 0x3000n, 0x4000n],
      pageBits: 12,
    });
  });
});
